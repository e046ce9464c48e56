// SPDX-License-Identifier: Apache-2.0
//
// How a command's one thread waits for what happens elsewhere.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "support/unique_fd.hpp"

namespace backplane::host::cli {

/// Blocks SIGINT, SIGTERM and, unless it is ignored, SIGHUP in the calling thread, and in those it starts;
/// returns them.
sigset_t block_ending_signals();

/// The ending signals as something to wait for. Make one before any thread starts: it blocks them
/// in the calling thread, and threads inherit that.
class Signals {
 public:
  Signals();
  /// The signal that has come, 0 if none.
  int take();
  int fd() const noexcept { return fd_.get(); }
  /// From now on each of them ends the process at once with `code`.
  void leave_on_next(int code);

 private:
  UniqueFd fd_;
};

/// Rung from any thread, heard by one.
class Bell {
 public:
  Bell();
  void ring() noexcept;
  void silence() noexcept;
  int fd() const noexcept { return fd_.get(); }

 private:
  UniqueFd fd_;
};

/// Things on their way from a callback to the command's thread.
template <class Thing>
class Inbox {
 public:
  void push(Thing thing) {
    {
      const std::lock_guard lock(mutex_);
      things_.push_back(std::move(thing));
    }
    bell_.ring();
  }
  /// All that is there.
  std::deque<Thing> take() {
    bell_.silence();
    const std::lock_guard lock(mutex_);
    return std::exchange(things_, {});
  }
  const Bell& bell() const noexcept { return bell_; }

 private:
  Bell bell_;
  std::mutex mutex_;
  std::deque<Thing> things_;
};

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

enum class Wake { signal, bell, output_closed, timeout };

/// Waits for the first of these; output_closed only if `watch_output`: nobody reads stdout any more.
Wake wait(const Signals& signals, const Bell& bell, Deadline deadline, bool watch_output = false);

/// A descriptor that tells when the process ends; none if it cannot be watched.
UniqueFd watch_process(std::uint64_t pid);

/// Whether the process, from watch_process(), ends before the deadline.
bool wait_for_end(int process, Deadline deadline);

}  // namespace backplane::host::cli
