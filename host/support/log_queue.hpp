// SPDX-License-Identifier: Apache-2.0
//
// The lines that wait for the log's writer thread: a ring of bytes. A full ring drops its oldest lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace backplane::host {

/// One line of the log. The texts are raw: whoever writes the line escapes them.
struct LogLine {
  int level = 0;                 ///< BP_LOG_…
  std::int64_t time_ns = 0;      ///< Unix time
  std::string_view where;        ///< the module, or the part of the host
  std::uint64_t generation = 0;  ///< of the module; 0: `where` is a part of the host
  std::string_view text;
  std::string_view members;    ///< further members of the line as JSON: `"call":7,"status":"ok"`; or empty
  std::uint64_t repeats = 0;   ///< if not 0, the line only says how often the line before it was repeated
  std::uint64_t left_out = 0;  ///< bytes of the text beyond the bound
  std::uint64_t sequence = 0;  ///< counts the lines from 1
};

/// Not thread-safe. It takes its memory at the first line. Nothing in it throws.
class LogQueue {
 public:
  static constexpr std::size_t default_lines = 8'192;
  static constexpr std::size_t default_bytes = std::size_t{1} << 20;
  static constexpr std::size_t least_bytes = std::size_t{1} << 16;
  /// Longer texts are cut.
  static constexpr std::size_t most_text = std::size_t{16} << 10;
  static constexpr std::size_t most_where = 192;
  static constexpr std::size_t most_members = std::size_t{1} << 10;

  /// Memory for one line outside of the queue.
  struct Buffer {
    alignas(8) char bytes[most_text + most_where + most_members + 128];
  };

  /// Sets the bounds. Keeps the newest lines that fit. False if there is no memory: nothing has changed.
  bool resize(std::size_t lines, std::size_t bytes) noexcept;
  /// Appends a line, and drops the oldest if it does not fit otherwise. If there is no memory, the line itself is
  /// dropped, and this returns false.
  bool push(const LogLine& line) noexcept;
  /// Whether level, module and text are those of the last line that was pushed.
  bool is_last(const LogLine& line) const noexcept;
  /// Takes the oldest line. Its texts are in `buffer`. False if there is none.
  bool pop(Buffer& buffer, LogLine& line) noexcept;
  /// Forgets all lines, and what was dropped.
  void clear() noexcept;

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  /// How many lines were dropped since the queue was made or cleared.
  std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  struct Head;

  bool provide() noexcept;
  std::size_t place_for(std::size_t size) noexcept;
  Head read_head(std::size_t at) const noexcept;
  LogLine line_at(const char* record) const noexcept;
  void skip_end() noexcept;
  void drop_oldest() noexcept;

  std::size_t most_lines_ = default_lines;
  std::size_t most_bytes_ = default_bytes;
  std::unique_ptr<char[]> ring_;
  std::size_t head_ = 0;        // of the oldest line
  std::size_t tail_ = 0;        // where the next line goes, if it fits
  std::size_t size_ = 0;        // lines
  std::size_t last_ = no_line;  // the newest line, also after it was taken
  std::uint64_t dropped_ = 0;

  static constexpr std::size_t no_line = static_cast<std::size_t>(-1);
};

}  // namespace backplane::host
