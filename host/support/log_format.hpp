// SPDX-License-Identifier: Apache-2.0
//
// How a line of the log looks: for people, or as one object of JSON.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "support/log_queue.hpp"

namespace spdlog {
class formatter;
}

namespace backplane::host {

/// Text in memory that somebody else owns. What does not fit is cut off. So a line needs no memory when it is written.
class LogText {
 public:
  LogText(char* place, std::size_t capacity) noexcept : place_(place), capacity_(capacity) {}

  void append(std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), capacity_ - size_);
    if (size != 0) std::memcpy(place_ + size_, text.data(), size);
    size_ += size;
  }
  void append(char c) noexcept { append(std::string_view(&c, 1)); }
  void append(std::uint64_t number) noexcept;
  void clear() noexcept { size_ = 0; }
  std::size_t size() const noexcept { return size_; }
  std::string_view view() const noexcept { return {place_, size_}; }

 private:
  char* const place_;
  const std::size_t capacity_;
  std::size_t size_ = 0;
};

/// Makes the bytes of lines. One thread at a time.
class LogFormat {
 public:
  /// No line is longer. In JSON, a byte of a text may become six.
  static constexpr std::size_t most_line =
      6 * (LogQueue::most_text + LogQueue::most_where) + LogQueue::most_members + 512;

  /// Without memory, its lines have no time.
  explicit LogFormat(bool json) noexcept;
  LogFormat(const LogFormat&) = delete;
  LogFormat& operator=(const LogFormat&) = delete;
  ~LogFormat();

  /// stderr is the journal: a line begins with its priority, and a line for people has no time.
  void set_journal(bool journal) noexcept { journal_ = journal; }
  /// Appends the line with its line break. Takes no memory.
  void append(LogText& out, const LogLine& line) noexcept;
  /// Appends the line that says how many lines were dropped.
  void append_dropped(LogText& out, std::uint64_t count, std::int64_t time_ns) noexcept;

 private:
  void append_time(LogText& out, std::int64_t time_ns) noexcept;

  const bool json_;
  bool journal_ = false;
  std::unique_ptr<spdlog::formatter> time_;
};

/// Whether `descriptor` is the one that $JOURNAL_STREAM names (systemd.exec(5)).
bool is_journal(int descriptor) noexcept;

/// Appends `text` so that it can neither end the line nor control a terminal: control characters, and bytes that are
/// not UTF-8, appear as escapes.
void append_escaped(LogText& out, std::string_view text, bool json) noexcept;

}  // namespace backplane::host
