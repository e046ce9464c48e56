// SPDX-License-Identifier: Apache-2.0
//
// The queue of the log and the thread that empties it.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>

#include "support/log_format.hpp"
#include "support/log_queue.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// Writes lines to a descriptor, on a thread of its own. The thread starts with the first line, and sleeps without a
/// timeout while there is nothing to write. It takes no memory, so it also writes what a host says that has none. An
/// object is never destroyed: other threads may log while the process ends.
class LogWriter {
 public:
  using Clock = std::chrono::steady_clock;

  /// A line equal to the last one is only counted for so long.
  static constexpr std::chrono::seconds repeat_window{1};

  explicit LogWriter(int descriptor) noexcept : descriptor_(descriptor) {}
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  /// Queues a line, or counts it as a repeat. Sets its sequence number. Any thread.
  void push(LogLine line) noexcept;
  /// From the next line on. `lines` and `bytes` bound the queue. False if there is no memory.
  bool configure(bool json, std::size_t lines, std::size_t bytes) noexcept;
  /// Gives the lines to `sink` instead of the descriptor; null: to the descriptor again. When it returns, the old sink
  /// does not run, unless it is what calls this.
  void set_sink(bp_log_fn sink, void* user);
  bool json() const noexcept { return json_.load(std::memory_order_relaxed); }

  /// Waits until what was queued so far is written; false if that takes longer than `most`.
  bool flush(std::chrono::milliseconds most) noexcept;
  /// The same without a lock. It does not see repeats that are only counted.
  bool wait_written(std::chrono::milliseconds most) const noexcept;

  /// How many lines wait in the queue.
  std::uint64_t waiting() noexcept;
  /// How many lines are lost.
  std::uint64_t dropped() noexcept;

  // Around a fork: the child gets an empty log, and a thread of its own at its first line.
  void before_fork() noexcept BP_NO_THREAD_SAFETY_ANALYSIS {
    mutex_.lock();
    formatting_.lock();
  }
  void in_parent() noexcept BP_NO_THREAD_SAFETY_ANALYSIS {
    formatting_.unlock();
    mutex_.unlock();
  }
  void in_child() noexcept;

 private:
  /// What only the thread of the log uses.
  struct Work {
    LogQueue::Buffer taken;
    char line_place[LogFormat::most_line];
    char out_place[PIPE_BUF];
    LogText line{line_place, sizeof line_place};
    LogText out{out_place, sizeof out_place};
    LogFormat people{false};
    LogFormat json{true};
    std::uint64_t lines_in_out = 0;
  };

  static void* thread_main(void* self) noexcept;
  void start() noexcept BP_REQUIRES(mutex_);
  [[noreturn]] void run() noexcept;
  bool take(LogLine& line, std::uint64_t& lost) noexcept;
  void append(std::uint64_t lines, std::uint64_t sequence) noexcept;
  void write_out() noexcept;
  bool give_to_sink(const LogLine& line, std::uint64_t lost) noexcept;
  void queue_repeats() noexcept BP_REQUIRES(mutex_);
  void queue_line(LogLine& line) noexcept BP_REQUIRES(mutex_);

  const int descriptor_;
  Work work_;
  std::atomic<bool> json_{false};
  std::atomic<std::uint64_t> queued_{0};     // the sequence number of the last line
  std::atomic<std::uint64_t> written_{0};    // the last that was written, or could not be
  std::atomic<std::uint64_t> unwritten_{0};  // lines that the descriptor did not take
  // Locked while the thread makes the text of a line, never while it writes. The C library's lock of the time zone
  // would stay locked in a child that is forked meanwhile.
  Mutex formatting_;
  Mutex mutex_;
  Condition wake_;
  LogQueue queue_ BP_GUARDED_BY(mutex_);
  std::uint64_t told_ BP_GUARDED_BY(mutex_) = 0;  // dropped lines that a line has told of
  LogLine repeated_ BP_GUARDED_BY(mutex_);        // without its texts: level, generation, and how often
  char repeated_where_[LogQueue::most_where] BP_GUARDED_BY(mutex_) = {};
  Clock::time_point last_at_ BP_GUARDED_BY(mutex_);  // of the last line that was queued
  bool started_ BP_GUARDED_BY(mutex_) = false;
  Clock::time_point retry_at_ BP_GUARDED_BY(mutex_);  // when to try again to start the thread
  bp_log_fn sink_ BP_GUARDED_BY(mutex_) = nullptr;
  void* sink_user_ BP_GUARDED_BY(mutex_) = nullptr;
  std::uint64_t sink_calls_ BP_GUARDED_BY(mutex_) = 0;
  bool in_sink_ BP_GUARDED_BY(mutex_) = false;
  Condition sink_returned_;
};

}  // namespace backplane::host
