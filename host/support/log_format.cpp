// SPDX-License-Identifier: Apache-2.0
#include "support/log_format.hpp"

#include <spdlog/pattern_formatter.h>
#include <sys/stat.h>

#include <algorithm>
#include <backplane/cbor/utf8.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "support/log_level.hpp"

namespace backplane::host {
namespace {

constexpr const char* people_time = "%Y-%m-%dT%H:%M:%S.%e%z ";
constexpr const char* json_time = "%Y-%m-%dT%H:%M:%S.%eZ";

void append_text(spdlog::memory_buf_t& out, std::string_view text) {
  out.append(text.data(), text.data() + text.size());
}
void append_number(spdlog::memory_buf_t& out, std::uint64_t number) {
  char digits[21];
  const int size = std::snprintf(digits, sizeof digits, "%llu", static_cast<unsigned long long>(number));
  append_text(out, {digits, static_cast<std::size_t>(size)});
}

/// The priorities of syslog(3), which the journal reads.
std::string_view priority(int level) noexcept {
  if (level <= BP_LOG_DEBUG) return "<7>";
  if (level == BP_LOG_INFO) return "<6>";
  return level == BP_LOG_WARN ? "<4>" : "<3>";
}

// The size of the character at the beginning of `text`; 0 if it is not UTF-8.
std::size_t character(std::string_view text) noexcept {
  for (std::size_t size = 1; size <= std::min<std::size_t>(4, text.size()); ++size) {
    if (cbor::valid_utf8(text.substr(0, size))) return size;
  }
  return 0;
}

void append_escape(spdlog::memory_buf_t& out, unsigned byte, bool json) {
  constexpr char digits[] = "0123456789abcdef";
  append_text(out, json ? "\\u00" : "\\x");
  out.push_back(digits[byte >> 4 & 15]);
  out.push_back(digits[byte & 15]);
}

std::string repeated(std::uint64_t times) {
  return "the last line was repeated " + std::to_string(times) + (times == 1 ? " time" : " times");
}

}  // namespace

void append_escaped(spdlog::memory_buf_t& out, std::string_view text, bool json) {
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text[0]);
    const std::size_t size = byte < 0x80 ? 1 : character(text);
    const auto second = static_cast<unsigned char>(size == 2 ? text[1] : 0);
    if (size == 0) {
      if (json) {
        append_text(out, "\\ufffd");
      } else {
        append_escape(out, byte, false);
      }
    } else if (byte < 0x20 || byte == 0x7f) {
      append_escape(out, byte, json);
    } else if (byte == 0xc2 && second < 0xa0) {  // the control characters above ASCII
      append_escape(out, second, json);
    } else {
      if (json && (byte == '"' || byte == '\\')) out.push_back('\\');
      append_text(out, text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
}

LogFormat::LogFormat(bool json, bool journal)
    : json_(json),
      journal_(journal),
      time_(std::make_unique<spdlog::pattern_formatter>(
          json ? json_time : people_time, json ? spdlog::pattern_time_type::utc : spdlog::pattern_time_type::local,
          "")) {}

LogFormat::~LogFormat() = default;

void LogFormat::append_time(spdlog::memory_buf_t& out, std::int64_t time_ns) {
  const spdlog::log_clock::time_point time{
      std::chrono::duration_cast<spdlog::log_clock::duration>(std::chrono::nanoseconds(time_ns))};
  time_->format(spdlog::details::log_msg(time, {}, {}, spdlog::level::info, {}), out);
}

void LogFormat::append(spdlog::memory_buf_t& out, const LogLine& line) {
  if (journal_) append_text(out, priority(line.level));
  if (json_) {
    append_text(out, "{\"time\":\"");
    append_time(out, line.time_ns);
    append_text(out, "\",\"level\":\"");
    append_text(out, log_level_name(line.level));
    append_text(out, line.generation != 0 ? "\",\"module\":\"" : "\",\"room\":\"");
    append_escaped(out, line.where, true);
    if (line.generation != 0) {
      append_text(out, "\",\"generation\":");
      append_number(out, line.generation);
      append_text(out, ",\"message\":\"");
    } else {
      append_text(out, "\",\"message\":\"");
    }
  } else {
    if (!journal_) append_time(out, line.time_ns);
    append_text(out, log_level_name(line.level));
    out.push_back(' ');
    append_escaped(out, line.where, false);
    if (line.generation != 0) {
      append_text(out, " (generation ");
      append_number(out, line.generation);
      out.push_back(')');
    }
    append_text(out, ": ");
  }
  append_escaped(out, line.repeats != 0 ? repeated(line.repeats) : line.text, json_);
  if (line.left_out != 0) {
    append_text(out, " ... (");
    append_number(out, line.left_out);
    append_text(out, " bytes more)");
  }
  if (json_) {
    out.push_back('"');
    if (line.repeats != 0) {
      append_text(out, ",\"repeated\":");
      append_number(out, line.repeats);
    }
    if (!line.members.empty()) {
      out.push_back(',');
      append_text(out, line.members);
    }
    out.push_back('}');
  }
  out.push_back('\n');
}

void LogFormat::append_dropped(spdlog::memory_buf_t& out, std::uint64_t count, std::int64_t time_ns) {
  const std::string text =
      std::to_string(count) + (count == 1 ? " line was" : " lines were") + " dropped: stderr takes none";
  const std::string members = "\"dropped\":" + std::to_string(count);
  LogLine line;
  line.level = BP_LOG_WARN;
  line.time_ns = time_ns;
  line.where = "log";
  line.text = text;
  line.members = members;
  append(out, line);
}

bool is_journal(int descriptor) noexcept {
  const char* const named = std::getenv("JOURNAL_STREAM");
  if (named == nullptr) return false;
  unsigned long long device = 0;
  unsigned long long inode = 0;
  char rest = 0;
  if (std::sscanf(named, "%llu:%llu%c", &device, &inode, &rest) != 2) return false;
  struct stat found {};
  return ::fstat(descriptor, &found) == 0 && found.st_dev == device && found.st_ino == inode;
}

}  // namespace backplane::host
