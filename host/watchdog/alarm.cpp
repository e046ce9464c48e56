// SPDX-License-Identifier: Apache-2.0
#include "watchdog/alarm.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <system_error>

namespace backplane::host {

Alarm::Alarm() : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
  if (!fd_) throw std::system_error(errno, std::generic_category(), "timerfd_create");
}

void Alarm::set(Nanos after) noexcept { settle(std::max<Nanos>(after, 1)); }

void Alarm::clear() noexcept { settle(0); }

void Alarm::settle(Nanos after) noexcept {
  constexpr Nanos second = 1'000'000'000;
  // The kernel refuses larger values, or they overflow into a time in the past.
  constexpr Nanos longest = 1'000'000 * second;
  after = std::min(after, longest);
  const ::itimerspec at{{0, 0}, {static_cast<std::time_t>(after / second), static_cast<long>(after % second)}};
  ::timerfd_settime(fd_.get(), 0, &at, nullptr);
}

void Alarm::wait() noexcept {
  std::uint64_t rung;
  while (::read(fd_.get(), &rung, sizeof rung) < 0 && errno == EINTR) {
  }
}

}  // namespace backplane::host
