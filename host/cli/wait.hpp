// SPDX-License-Identifier: Apache-2.0
//
// How the single thread of a command waits for signals, callbacks and deadlines.
#pragma once

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include "support/unique_fd.hpp"

namespace backplane::host::cli {

/// SIGINT, SIGTERM and, unless it is ignored, SIGHUP.
sigset_t ending_signals();

/// A descriptor that receives the ending signals. Create it before any thread starts: it blocks the signals in the
/// calling thread, and new threads inherit the mask. While it exists, an ending signal also ends a wait for stdout; see
/// OutputInterrupted.
class Signals {
 public:
  Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();
  /// The signal that has arrived, or 0.
  int take();
  int fd() const noexcept { return fd_.get(); }
  /// From now on, each ending signal ends the process at once with `code`.
  void leave_on_next(int code);

 private:
  UniqueFd fd_;
};

/// Any thread may ring(). One thread polls fd() and calls silence().
class Bell {
 public:
  Bell();
  void ring() noexcept;
  void silence() noexcept;
  int fd() const noexcept { return fd_.get(); }

 private:
  UniqueFd fd_;
};

/// A queue from callbacks on other threads to the command's thread.
template <class Thing>
class Inbox {
 public:
  /// With `limit` things in it, push() waits. 0: it never does.
  explicit Inbox(std::size_t limit = 0) : limit_(limit) {}

  /// Adds what `make` returns. Out of memory, take() throws instead, because the callback of a C function must not.
  template <class F>
  void push(F make) noexcept {
    {
      std::unique_lock lock(mutex_);
      has_room_.wait(lock, [this] { return limit_ == 0 || things_.size() < limit_ || closed_; });
      try {
        things_.push_back(make());
      } catch (const std::bad_alloc&) {
        out_of_memory_ = true;
      }
    }
    bell_.ring();
  }
  /// From now on, push() never waits.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    has_room_.notify_all();
  }
  /// Removes and returns everything in the queue. Throws std::bad_alloc if something could not be queued.
  std::deque<Thing> take() {
    bell_.silence();
    const std::lock_guard lock(mutex_);
    has_room_.notify_all();
    if (out_of_memory_) throw std::bad_alloc();
    return std::exchange(things_, {});
  }
  const Bell& bell() const noexcept { return bell_; }

 private:
  const std::size_t limit_;
  Bell bell_;
  std::mutex mutex_;
  std::condition_variable has_room_;
  std::deque<Thing> things_;
  bool closed_ = false;
  bool out_of_memory_ = false;
};

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

enum class Wake { signal, bell, output_closed, timeout };

/// Waits for the first of these. With `watch_output`, also waits for stdout to be closed by its reader.
Wake wait(const Signals& signals, const Bell& bell, Deadline deadline, bool watch_output = false);

/// A descriptor that tells when the process ends; none if it cannot be watched.
UniqueFd watch_process(std::uint64_t pid);

/// Waits for the end of a process from watch_process(). Returns false if the deadline passes first.
bool wait_for_end(int process, Deadline deadline);

}  // namespace backplane::host::cli
