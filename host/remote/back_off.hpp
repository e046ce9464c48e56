// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace backplane::host {

/// How long to wait before each attempt to connect again.
struct BackOff {
  using Milliseconds = std::chrono::milliseconds;

  Milliseconds least{100};
  Milliseconds most{10'000};
  std::uint32_t attempts = 0;  ///< then it gives up; 0: never

  /// The longest wait before an attempt. The first is 1.
  Milliseconds longest(std::uint32_t attempt) const noexcept {
    Milliseconds wait = least;
    for (std::uint32_t i = 1; i < attempt && wait < most; ++i) wait *= 2;
    return std::min(wait, most);
  }
  /// The wait itself, which is shorter by a random part of up to a half: else all clients of a host that has come back
  /// would connect at the same time. `random`: any bits.
  Milliseconds wait(std::uint32_t attempt, std::uint64_t random) const noexcept {
    const Milliseconds whole = longest(attempt);
    const auto parts = static_cast<std::uint64_t>(whole.count() / 2 + 1);
    return whole - Milliseconds(static_cast<std::int64_t>(random % parts));
  }
};

}  // namespace backplane::host
