// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <cerrno>
#include <climits>
#include <cstring>

#include "cli/failure.hpp"
#include "cli/json/base64.hpp"
#include "cli/json/json.hpp"

namespace backplane::host::cli {
namespace {

// Readable when an ending signal has come; -1: such a signal ends the process.
int interrupts = -1;

// If poll() says that a pipe is writable, this many bytes fit (POSIX has at least 512 for PIPE_BUF, Linux 4096).
constexpr std::size_t fits = PIPE_BUF;

// Waits until stdout takes bytes. A write() that waits could not be interrupted: the signals are blocked.
void wait_for_stdout() {
  if (interrupts < 0) return;
  pollfd fds[] = {{STDOUT_FILENO, POLLOUT, 0}, {interrupts, POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  if (fds[0].revents == 0 && fds[1].revents != 0) throw OutputInterrupted{};
}

// False, with errno, if not all could be written. A descriptor may be non-blocking, because processes that share a
// terminal or a pipe share this setting.
bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd waits = {fd, POLLOUT, 0};
      if (::poll(&waits, 1, -1) < 0 && errno != EINTR) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void interrupt_output_by(int fd) noexcept { interrupts = fd; }

void write_out(std::string_view bytes) {
  do {
    wait_for_stdout();
    const std::string_view some = interrupts < 0 ? bytes : bytes.substr(0, fits);
    if (!write_all(STDOUT_FILENO, some)) break;
    bytes.remove_prefix(some.size());
    if (bytes.empty()) return;
  } while (true);
  if (errno == EPIPE || errno == EBADF) throw OutputClosed{};
  throw CommandFailure{exit_error, BP_IO, cat("cannot write to stdout: ", std::strerror(errno))};
}

void write_result(std::string_view bytes) {
  try {
    write_out(bytes);
  } catch (const OutputClosed&) {
    // The exit code is the result too.
  }
}

void write_err(std::string_view text) { write_all(STDERR_FILENO, text); }

void note(std::string_view line) { write_err(cat("backplane: ", printable(line), "\n")); }

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

std::string printable(std::string_view text) { return cbor::escaped(text, cbor::Escape::lines); }

std::string one_line(std::string_view text) {
  constexpr std::size_t most = std::size_t{16} << 10;
  if (text.size() <= most) return cbor::escaped(text, cbor::Escape::line);
  std::size_t end = most;
  while (end != 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return cat(cbor::escaped(text.substr(0, end), cbor::Escape::line), " ... (", std::to_string(text.size() - end),
             " bytes more)");
}

std::string json_string(std::string_view text) { return json_quote(text); }

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
