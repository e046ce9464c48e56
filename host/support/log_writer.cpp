// SPDX-License-Identifier: Apache-2.0
//
// The thread writes whole lines in blocks of up to PIPE_BUF bytes, which other writers to a pipe cannot tear apart.
#include "support/log_writer.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <new>
#include <string_view>

#include "sync/thread_name.hpp"

namespace backplane::host {
namespace {

constexpr std::chrono::seconds start_pause{1};  // between two attempts to start the thread

thread_local bool is_log_thread = false;

std::int64_t unix_time() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

bool write_all(int descriptor, std::string_view data) noexcept {
  while (!data.empty()) {
    const ssize_t written = ::write(descriptor, data.data(), data.size());
    if (written >= 0) {
      data.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd fd = {descriptor, POLLOUT, 0};
      ::poll(&fd, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

void LogWriter::push(LogLine line) noexcept {
  line.time_ns = unix_time();
  const Clock::time_point now = Clock::now();
  const MutexLock lock(mutex_);
  if (now < last_at_ + repeat_window && queue_.is_last(line)) {
    if (repeated_.repeats == 0) {
      const std::string_view where = line.where.substr(0, sizeof repeated_where_);
      std::memcpy(repeated_where_, where.data(), where.size());
      repeated_.level = line.level;
      repeated_.generation = line.generation;
      repeated_.where = {repeated_where_, where.size()};
      wake_.notify_one();  // it is written when the window ends
    }
    repeated_.time_ns = line.time_ns;
    ++repeated_.repeats;
    return;
  }
  queue_repeats();
  queue_line(line);
  last_at_ = now;
  if (!started_) {
    if (now >= retry_at_) start();
    if (!started_) retry_at_ = now + start_pause;
  }
}

void LogWriter::queue_line(LogLine& line) noexcept {
  line.sequence = queued_.load(std::memory_order_relaxed) + 1;
  if (!queue_.push(line)) return;
  queued_.store(line.sequence, std::memory_order_release);
  wake_.notify_one();
}

void LogWriter::queue_repeats() noexcept {
  if (repeated_.repeats == 0) return;
  queue_line(repeated_);
  repeated_.repeats = 0;
}

bool LogWriter::configure(bool json, std::size_t lines, std::size_t bytes) noexcept {
  const MutexLock lock(mutex_);
  if (!queue_.resize(lines, bytes)) return false;
  json_.store(json, std::memory_order_relaxed);
  return true;
}

void LogWriter::set_sink(bp_log_fn sink, void* user) {
  MutexLock lock(mutex_);
  sink_ = sink;
  sink_user_ = user;
  if (is_log_thread) return;
  const std::uint64_t call = sink_calls_;
  sink_returned_.wait(lock, [this, call]() BP_REQUIRES(mutex_) { return !in_sink_ || sink_calls_ != call; });
}

/// False if there is no sink.
bool LogWriter::give_to_sink(const LogLine& line, std::uint64_t lost) noexcept {
  bp_log_fn sink = nullptr;
  void* user = nullptr;
  {
    const MutexLock lock(mutex_);
    if (sink_ == nullptr) return false;
    sink = sink_;
    user = sink_user_;
    in_sink_ = true;
    ++sink_calls_;
  }
  if (work_.out.size() != 0) write_out();  // lines from before the sink was set
  const bp_log_line given{sizeof given,
                          line.level,
                          line.repeats,
                          line.time_ns,
                          line.generation,
                          lost,
                          {line.where.data(), line.where.size()},
                          {line.text.data(), line.text.size()}};
  sink(user, &given);
  {
    const MutexLock lock(mutex_);
    in_sink_ = false;
    sink_returned_.notify_all();
  }
  written_.store(line.sequence, std::memory_order_release);
  return true;
}

std::uint64_t LogWriter::waiting() noexcept {
  const MutexLock lock(mutex_);
  return queue_.size();
}

std::uint64_t LogWriter::dropped() noexcept {
  const MutexLock lock(mutex_);
  return queue_.dropped() + unwritten_.load(std::memory_order_relaxed);
}

bool LogWriter::flush(std::chrono::milliseconds most) noexcept {
  {
    const MutexLock lock(mutex_);
    queue_repeats();
  }
  return wait_written(most);
}

bool LogWriter::wait_written(std::chrono::milliseconds most) const noexcept {
  const std::uint64_t wanted = queued_.load(std::memory_order_acquire);
  const Clock::time_point until = Clock::now() + most;
  for (long pause_us = 20; written_.load(std::memory_order_acquire) < wanted;
       pause_us = std::min(pause_us * 2, 1'000L)) {
    if (Clock::now() >= until) return false;
    const timespec pause = {0, pause_us * 1'000};
    ::nanosleep(&pause, nullptr);
  }
  return true;
}

// The parent writes what is queued. The lock is held since before_fork(), and no other thread exists.
void LogWriter::in_child() noexcept BP_NO_THREAD_SAFETY_ANALYSIS {
  queue_.clear();
  told_ = 0;
  repeated_.repeats = 0;
  unwritten_.store(0, std::memory_order_relaxed);
  written_.store(queued_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  started_ = false;
  retry_at_ = {};
  new (&wake_) Condition;  // the parent's thread may have waited on it
  new (&sink_returned_) Condition;
  sink_ = nullptr;  // it belongs to the parent
  in_sink_ = false;
  in_parent();
}

// Not std::thread: this takes no memory that could be missing, and blocks all signals, SIGPIPE too.
void LogWriter::start() noexcept {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  if (::pthread_create(&thread, nullptr, thread_main, this) == 0) {
    ::pthread_detach(thread);
    started_ = true;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void* LogWriter::thread_main(void* self) noexcept {
  name_thread("bp-log");
  is_log_thread = true;
  static_cast<LogWriter*>(self)->run();
}

void LogWriter::run() noexcept {
  const bool journal = is_journal(descriptor_);
  work_.people.set_journal(journal);
  work_.json.set_journal(journal);
  work_.out.clear();  // in a forked child, it may have lines of the parent
  work_.lines_in_out = 0;
  LogLine line;
  std::uint64_t lost = 0;
  for (;;) {
    if (!take(line, lost)) continue;
    if (give_to_sink(line, lost)) continue;
    LogFormat& format = json() ? work_.json : work_.people;
    if (lost != 0) {
      {
        const MutexLock formatting(formatting_);
        work_.line.clear();
        format.append_dropped(work_.line, lost, line.time_ns);
      }
      append(0, line.sequence);
    }
    {
      const MutexLock formatting(formatting_);
      work_.line.clear();
      format.append(work_.line, line);
    }
    append(std::max<std::uint64_t>(line.repeats, 1), line.sequence);
    bool more = false;
    {
      const MutexLock lock(mutex_);
      more = !queue_.empty();
    }
    if (more) continue;
    write_out();
    written_.store(line.sequence, std::memory_order_release);
  }
}

/// Waits for a line. `lost`: how many were dropped before it, as far as no line has told of them.
bool LogWriter::take(LogLine& line, std::uint64_t& lost) noexcept {
  MutexLock lock(mutex_);
  while (queue_.empty()) {
    if (repeated_.repeats == 0) {
      wake_.wait(lock, [this]() BP_REQUIRES(mutex_) { return !queue_.empty() || repeated_.repeats != 0; });
    } else if (!wake_.wait_until(lock, last_at_ + repeat_window,
                                 [this]() BP_REQUIRES(mutex_) { return !queue_.empty(); })) {
      queue_repeats();
    }
  }
  const std::uint64_t dropped = queue_.dropped() + unwritten_.load(std::memory_order_relaxed);
  lost = dropped - told_;
  told_ = dropped;
  return queue_.pop(work_.taken, line);
}

/// Appends the line with this sequence number to the block. Writes the block first if both do not fit.
void LogWriter::append(std::uint64_t lines, std::uint64_t sequence) noexcept {
  if (work_.out.size() + work_.line.size() > PIPE_BUF) {
    write_out();
    written_.store(sequence - 1, std::memory_order_release);
  }
  work_.lines_in_out += lines;
  if (work_.line.size() <= PIPE_BUF) return work_.out.append(work_.line.view());
  if (!write_all(descriptor_, work_.line.view())) unwritten_.fetch_add(lines, std::memory_order_relaxed);
  work_.lines_in_out = 0;
}

void LogWriter::write_out() noexcept {
  if (!write_all(descriptor_, work_.out.view())) {
    unwritten_.fetch_add(work_.lines_in_out, std::memory_order_relaxed);
  }
  work_.out.clear();
  work_.lines_in_out = 0;
}

}  // namespace backplane::host
