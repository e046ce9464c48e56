// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "support/log.hpp"

namespace backplane::host {

/// A line of text of fixed capacity, for signal handlers: it allocates nothing. Text that does not fit is cut off. It
/// is shorter than PIPE_BUF, so that one write() to a pipe takes all of it or nothing.
class SignalText {
 public:
  SignalText& operator<<(std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), sizeof text_ - 1 - size_);
    std::memcpy(text_ + size_, text.data(), size);
    size_ += size;
    return *this;
  }
  SignalText& operator<<(const char* text) noexcept { return *this << std::string_view(text); }
  SignalText& operator<<(std::uint64_t number) noexcept { return digits(number, 10); }
  SignalText& hex(std::uint64_t number) noexcept { return digits(number, 16); }

  /// Writes it to stderr with a newline, after the lines of the log. Waits for stderr for 100 ms at most, because the
  /// process must end all the same.
  void write() noexcept {
    log::flush_in_signal_handler(std::chrono::milliseconds(longest_ms));
    write_alone();
  }
  /// The same without the lines of the log.
  void write_alone() noexcept {
    text_[size_++] = '\n';
    pollfd fd = {STDERR_FILENO, POLLOUT, 0};
    int ready = ::poll(&fd, 1, longest_ms);
    if (ready < 0) ready = ::poll(&fd, 1, longest_ms);  // another signal
    if (ready != 1) return;
    const ssize_t written = ::write(STDERR_FILENO, text_, size_);
    static_cast<void>(written);  // nothing can be done about an error
  }

 private:
  static constexpr int longest_ms = 100;

  SignalText& digits(std::uint64_t number, unsigned base) noexcept {
    char digits[21];
    char* at = digits + sizeof digits;
    do {
      *--at = "0123456789abcdef"[number % base];
      number /= base;
    } while (number != 0);
    return *this << std::string_view(at, static_cast<std::size_t>(digits + sizeof digits - at));
  }

  char text_[3072];
  std::size_t size_ = 0;
};

}  // namespace backplane::host
