// SPDX-License-Identifier: Apache-2.0
//
// How a line of the log looks: for people, or as one object of JSON.
#pragma once

#include <spdlog/common.h>

#include <cstdint>
#include <memory>

#include "support/log_queue.hpp"

namespace spdlog {
class formatter;
}

namespace backplane::host {

/// Makes the bytes of lines. One thread at a time.
class LogFormat {
 public:
  /// `journal`: stderr is the journal. A line then begins with its priority, and a line for people has no time.
  LogFormat(bool json, bool journal);
  LogFormat(const LogFormat&) = delete;
  LogFormat& operator=(const LogFormat&) = delete;
  ~LogFormat();

  /// Appends the line with its line break.
  void append(spdlog::memory_buf_t& out, const LogLine& line);
  /// Appends the line that says how many lines were dropped.
  void append_dropped(spdlog::memory_buf_t& out, std::uint64_t count, std::int64_t time_ns);

 private:
  void append_time(spdlog::memory_buf_t& out, std::int64_t time_ns);

  const bool json_;
  const bool journal_;
  const std::unique_ptr<spdlog::formatter> time_;
};

/// Whether `descriptor` is the one that $JOURNAL_STREAM names (systemd.exec(5)).
bool is_journal(int descriptor) noexcept;

/// Appends `text` so that it can neither end the line nor control a terminal: control characters, and bytes that are
/// not UTF-8, appear as escapes.
void append_escaped(spdlog::memory_buf_t& out, std::string_view text, bool json);

}  // namespace backplane::host
