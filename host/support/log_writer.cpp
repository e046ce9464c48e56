// SPDX-License-Identifier: Apache-2.0
//
// The thread writes whole lines in blocks of up to PIPE_BUF bytes, which other writers to a pipe cannot tear apart.
#include "support/log_writer.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <ctime>
#include <exception>
#include <memory>
#include <utility>

#include "support/log_format.hpp"
#include "sync/thread_name.hpp"

namespace backplane::host {
namespace {

constexpr std::chrono::seconds start_pause{1};  // between two attempts to start the thread

std::int64_t unix_time() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

bool write_all(int descriptor, const char* data, std::size_t size) noexcept {
  while (size != 0) {
    const ssize_t written = ::write(descriptor, data, size);
    if (written >= 0) {
      data += written;
      size -= static_cast<std::size_t>(written);
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
  mutex_.unlock();
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
  auto& writer = *static_cast<LogWriter*>(self);
  name_thread("bp-log");
  try {
    writer.run();
  } catch (const std::exception&) {  // no memory to begin with: a later line tries again
    const MutexLock lock(writer.mutex_);
    writer.started_ = false;
    writer.retry_at_ = Clock::now() + start_pause;
  }
  return nullptr;
}

void LogWriter::run() {
  const auto work = std::make_unique<Work>();
  // A line of JSON may be six times as long as its text.
  constexpr std::size_t most_line = 6 * (LogQueue::most_text + LogQueue::most_where) + LogQueue::most_members + 512;
  work->line.reserve(most_line);
  work->out.reserve(most_line);
  const bool journal = is_journal(descriptor_);
  LogFormat people(false, journal);
  LogFormat json(true, journal);
  LogLine line;
  std::uint64_t lost = 0;
  for (;;) {
    if (!take(*work, line, lost)) continue;
    LogFormat& format = this->json() ? json : people;
    std::uint64_t lines = std::max<std::uint64_t>(line.repeats, 1);
    try {
      if (lost != 0) {
        work->line.clear();
        format.append_dropped(work->line, lost, line.time_ns);
        append(*work, 0);
      }
      work->line.clear();
      format.append(work->line, line);
    } catch (const std::exception&) {  // no memory
      work->line.clear();
      unwritten_.fetch_add(std::exchange(lines, 0), std::memory_order_relaxed);
    }
    append(*work, lines);
    bool more = false;
    {
      const MutexLock lock(mutex_);
      more = !queue_.empty();
    }
    if (more && work->out.size() < PIPE_BUF) continue;
    write_out(*work);
    written_.store(line.sequence, std::memory_order_release);
  }
}

/// Waits for a line. `lost`: how many were dropped before it, as far as no line has told of them.
bool LogWriter::take(Work& work, LogLine& line, std::uint64_t& lost) noexcept {
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
  return queue_.pop(work.taken, line);
}

/// Appends `line` to the block. Writes the block first if both do not fit.
void LogWriter::append(Work& work, std::uint64_t lines) {
  if (work.out.size() + work.line.size() > PIPE_BUF) write_out(work);
  work.out.append(work.line.data(), work.line.data() + work.line.size());
  work.lines_in_out += lines;
}

void LogWriter::write_out(Work& work) noexcept {
  if (!write_all(descriptor_, work.out.data(), work.out.size())) {
    unwritten_.fetch_add(work.lines_in_out, std::memory_order_relaxed);
  }
  work.out.clear();
  work.lines_in_out = 0;
}

}  // namespace backplane::host
