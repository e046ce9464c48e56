// SPDX-License-Identifier: Apache-2.0
#include "support/log_format.hpp"

#include <spdlog/pattern_formatter.h>
#include <sys/stat.h>

#include <backplane/cbor/escape.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "support/log_level.hpp"

namespace backplane::host {
namespace {

constexpr const char* people_time = "%Y-%m-%dT%H:%M:%S.%e%z ";
constexpr const char* json_time = "%Y-%m-%dT%H:%M:%S.%eZ";

/// The priorities of syslog(3), which the journal reads.
std::string_view priority(int level) noexcept {
  if (level <= BP_LOG_DEBUG) return "<7>";
  if (level == BP_LOG_INFO) return "<6>";
  return level == BP_LOG_WARN ? "<4>" : "<3>";
}

}  // namespace

void append_escaped(LogText& out, std::string_view text, bool json) noexcept {
  cbor::escape(text, json ? cbor::Escape::json : cbor::Escape::line,
               [&](std::string_view piece) { out.append(piece); });
}

void LogText::append(std::uint64_t number) noexcept {
  char digits[20];
  char* at = digits + sizeof digits;
  do {
    *--at = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  append(std::string_view(at, static_cast<std::size_t>(digits + sizeof digits - at)));
}

LogFormat::LogFormat(bool json) noexcept : json_(json) {
  try {
    time_ = std::make_unique<spdlog::pattern_formatter>(
        json ? json_time : people_time, json ? spdlog::pattern_time_type::utc : spdlog::pattern_time_type::local, "");
  } catch (const std::exception&) {
    // A line without its time is better than none.
  }
}

LogFormat::~LogFormat() = default;

void LogFormat::append_time(LogText& out, std::int64_t time_ns) noexcept try {
  if (time_ == nullptr) return;
  const spdlog::log_clock::time_point time{
      std::chrono::duration_cast<spdlog::log_clock::duration>(std::chrono::nanoseconds(time_ns))};
  spdlog::memory_buf_t text;  // has room for more in itself
  time_->format(spdlog::details::log_msg(time, {}, {}, spdlog::level::info, {}), text);
  out.append(std::string_view(text.data(), text.size()));
} catch (const std::exception&) {
  // The line goes without it.
}

void LogFormat::append(LogText& out, const LogLine& line) noexcept {
  if (journal_) out.append(priority(line.level));
  if (json_) {
    out.append("{\"time\":\"");
    append_time(out, line.time_ns);
    out.append("\",\"level\":\"");
    out.append(log_level_name(line.level));
    out.append(line.generation != 0 ? "\",\"module\":\"" : "\",\"room\":\"");
    append_escaped(out, line.where, true);
    if (line.generation != 0) {
      out.append("\",\"generation\":");
      out.append(line.generation);
      out.append(",\"message\":\"");
    } else {
      out.append("\",\"message\":\"");
    }
  } else {
    if (!journal_) append_time(out, line.time_ns);
    out.append(log_level_name(line.level));
    out.append(' ');
    append_escaped(out, line.where, false);
    if (line.generation != 0) {
      out.append(" (generation ");
      out.append(line.generation);
      out.append(')');
    }
    out.append(": ");
  }
  if (line.repeats != 0) {
    out.append("the last line was repeated ");
    out.append(line.repeats);
    out.append(line.repeats == 1 ? " time" : " times");
  } else {
    append_escaped(out, line.text, json_);
  }
  if (line.left_out != 0) {
    out.append(" ... (");
    out.append(line.left_out);
    out.append(" bytes more)");
  }
  if (json_) {
    out.append('"');
    if (line.repeats != 0) {
      out.append(",\"repeated\":");
      out.append(line.repeats);
    }
    if (!line.members.empty()) {
      out.append(',');
      out.append(line.members);
    }
    out.append('}');
  }
  out.append('\n');
}

void LogFormat::append_dropped(LogText& out, std::uint64_t count, std::int64_t time_ns) noexcept {
  char text_place[64];
  LogText text(text_place, sizeof text_place);
  text.append(count);
  text.append(count == 1 ? " line was dropped: stderr takes none" : " lines were dropped: stderr takes none");
  char members_place[64];
  LogText members(members_place, sizeof members_place);
  members.append("\"dropped\":");
  members.append(count);
  LogLine line;
  line.level = BP_LOG_WARN;
  line.time_ns = time_ns;
  line.where = "log";
  line.text = text.view();
  line.members = members.view();
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
