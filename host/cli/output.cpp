// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/failure.hpp"
#include "cli/json/base64.hpp"
#include "cli/json/json.hpp"

namespace backplane::host::cli {
namespace {

// Replaces each byte that is not part of valid UTF-8 by U+FFFD.
std::string repaired(std::string_view text) {
  if (cbor::valid_utf8(text)) return std::string(text);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t size = 1;
    while (size <= 4 && i + size <= text.size() && !cbor::valid_utf8(text.substr(i, size))) ++size;
    if (size > 4 || i + size > text.size()) {
      out += "\xef\xbf\xbd";
      ++i;
    } else {
      out += text.substr(i, size);
      i += size;
    }
  }
  return out;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void write_out(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EPIPE || errno == EBADF) {
      throw OutputClosed{};
    } else if (errno != EINTR) {
      throw CommandFailure{exit_error, BP_IO, cat("cannot write to stdout: ", std::strerror(errno))};
    }
  }
}

void note(std::string_view line) { std::fputs(cat("backplane: ", printable(line), "\n").c_str(), stderr); }

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

std::string printable(std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  const std::string sound = repaired(text);
  std::string out;
  for (std::size_t i = 0; i < sound.size(); ++i) {
    const auto c = static_cast<unsigned char>(sound[i]);
    const bool c1 = c == 0xc2 && i + 1 < sound.size() && static_cast<unsigned char>(sound[i + 1]) < 0xa0;
    if (c1 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
      const unsigned shown = c1 ? static_cast<unsigned char>(sound[++i]) : c;
      out += "\\x";
      out += hex[shown >> 4];
      out += hex[shown & 15];
    } else {
      out += sound[i];
    }
  }
  return out;
}

std::string quoted(std::string_view text) { return json_quote(repaired(text)); }

PayloadText payload_json(cbor::View payload, bool indented) {
  try {
    return {cbor_to_json(payload, indented ? JsonStyle::indented : JsonStyle::compact), {}};
  } catch (const cbor::Error& error) {
    return {cat("{\"$raw\":\"", base64(payload), "\"}"), cat(error.what(), " at byte ", std::to_string(error.offset))};
  }
}

std::string write_payload(cbor::View payload, bool indented) {
  constexpr std::size_t small = std::size_t{1} << 20;
  if (payload.size() > small) {
    const JsonStyle style = indented ? JsonStyle::indented : JsonStyle::compact;
    try {
      cbor_to_json(payload, style, [](std::string_view) {});  // nothing may be written if there is an error
      cbor_to_json(payload, style, write_out);
      write_out("\n");
      return {};
    } catch (const cbor::Error&) {
      // Then it is written as bytes.
    }
  }
  PayloadText shown = payload_json(payload, indented);
  shown.text += '\n';
  write_out(shown.text);
  return std::move(shown.why);
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

}  // namespace backplane::host::cli
