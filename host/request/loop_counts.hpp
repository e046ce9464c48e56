// SPDX-License-Identifier: Apache-2.0
//
// The options of a request loop, and its counts.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fiber/environment.hpp"
#include "support/window.hpp"
#include "sync/clock.hpp"
#include "sync/single_writer_count.hpp"

namespace backplane::host {

struct LoopOptions {
  std::uint32_t queue_depth = 1u << 20;
  Nanos stale_interval = 5'000 * nanos_per_ms;
  std::size_t fiber_stack_size = 256 * 1024;
  std::uint64_t fiber_limit = 1'000'000;               ///< of one environment; 0: there are none
  std::uint64_t window_bytes = Window::default_bytes;  ///< of a call's partial replies, unless it says otherwise
  std::uint64_t window_parts = Window::default_parts;
  std::uint64_t request_window_bytes = Window::default_bytes;  ///< of the parts of a request
  std::uint64_t request_window_parts = Window::default_parts;
  Nanos cpu_warning = 500 * nanos_per_ms;  ///< of a handler that holds the request thread for so long; 0: none
  std::uint32_t call_depth = 64;
  std::uint32_t suspended_limit = 1u << 18;
  std::uint32_t suspended_per_name = 0;       ///< 0: half of suspended_limit
  std::uint64_t context_memory = UINT64_MAX;  ///< bytes that its calls in flight may hold
  Nanos stalled_listener = 60'000 * nanos_per_ms;
  std::uint32_t suspended_of_name() const noexcept {
    return suspended_per_name != 0 ? suspended_per_name : suspended_limit / 2 + suspended_limit % 2;
  }
  std::uint32_t calls_per_name = 0;  ///< 0: calls_of_name()
  static constexpr std::uint32_t default_calls_per_name = 1u << 18;
  /// Those whose handlers are suspended are calls in flight too.
  std::uint32_t calls_of_name() const noexcept {
    return calls_per_name != 0 ? calls_per_name : std::max(default_calls_per_name, suspended_of_name());
  }
  Nanos spin = 50'000;
  bool operator==(const LoopOptions&) const = default;
};

/// Counts of one context, read by anybody. The request thread alone writes them, but for what is refused.
struct LoopCounts {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> replied{0};
  std::atomic<std::uint64_t> errors{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> open{0};  ///< taken from the ingress and not finished
  std::atomic<std::uint64_t> tokens_open{0};
  std::atomic<std::uint64_t> tokens_answered{0};
  std::atomic<std::uint64_t> tokens_failed{0};
  std::atomic<std::uint64_t> tokens_refused{0};
  std::atomic<std::uint64_t> parts_sent{0};         ///< partial replies delivered
  std::atomic<std::uint64_t> parts_received{0};     ///< parts of requests that handlers have taken; any thread
  std::atomic<std::uint64_t> parts_blocked{0};      ///< refused because their receiver was not ready; any thread
  std::atomic<std::uint64_t> suspended{0};          ///< handlers that await now
  std::atomic<std::uint64_t> suspended_refused{0};  ///< calls refused because of that
  std::atomic<std::uint64_t> held_bytes{0};         ///< of calls in flight, see RunLimits
  std::atomic<std::uint64_t> memory_refused{0};     ///< calls refused because of them
  std::atomic<std::uint64_t> name_refused{0};       ///< calls refused because of the calls in flight of their name
  std::atomic<std::uint64_t> too_deep{0};           ///< calls refused because of their depth
  std::atomic<std::uint64_t> held_refused{0};       ///< calls refused because too many wait for replaced modules

  FiberCounts fibers;

  static void add(std::atomic<std::uint64_t>& count, std::uint64_t n = 1) noexcept { add_single_writer(count, n); }
  static void drop(std::atomic<std::uint64_t>& count) noexcept { drop_single_writer(count); }
  void reset() noexcept {
    for (auto* const count :
         {&accepted,        &replied,           &errors,         &refused,         &open,           &tokens_open,
          &tokens_answered, &tokens_failed,     &tokens_refused, &parts_sent,      &parts_received, &parts_blocked,
          &suspended,       &suspended_refused, &held_bytes,     &memory_refused,  &name_refused,   &too_deep,
          &held_refused,    &fibers.created,    &fibers.alive,   &fibers.swallowed}) {
      count->store(0, std::memory_order_relaxed);
    }
  }
};

}  // namespace backplane::host
