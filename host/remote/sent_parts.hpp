// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <algorithm>
#include <cstdint>
#include <deque>

#include "support/window.hpp"

namespace backplane::host {

/// The parts of a request that this side has sent, and the host has not taken yet. Guarded by the channel's lock.
struct SentParts {
  bp_credit_fn on_credit = nullptr;  ///< constant
  bool last_sent = false;
  Window window;
  std::deque<std::uint64_t> sizes;
  std::uint64_t credited = 0;  ///< bytes of the first of these that the host is done with

  void add(std::uint64_t size) {
    sizes.push_back(size);
    window.add(size);
  }
  /// The one that was added last is not sent.
  void take_back() noexcept {
    window.remove(sizes.back());
    sizes.pop_back();
  }
  /// The host is done with so many bytes. The peer chooses the number, so the sum is bounded.
  void credit(std::uint64_t bytes) noexcept {
    credited += std::min(bytes, UINT64_MAX - credited);
    while (!sizes.empty() && sizes.front() <= credited) {
      credited -= sizes.front();
      window.remove(sizes.front());
      sizes.pop_front();
    }
    if (sizes.empty()) credited = 0;
  }
};

}  // namespace backplane::host
