// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "modules/call_stats.hpp"
#include "modules/registry.hpp"
#include "request/loop_counts.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"

namespace backplane::host {

/// What one context bounds of the runs of its handlers: how deep their calls nest, how many are suspended, and how many
/// calls of one name are in flight. Without these bounds handlers that call each other, or wait without end, take all
/// memory. Used by the request thread alone.
class RunLimits {
 public:
  RunLimits(const LoopOptions& options, LoopCounts& counts) noexcept
      : call_depth_(options.call_depth),
        suspended_limit_(options.suspended_limit),
        suspended_per_name_(options.suspended_of_name()),
        calls_per_name_(options.calls_of_name()),
        counts_(counts) {}
  RunLimits(const RunLimits&) = delete;
  RunLimits& operator=(const RunLimits&) = delete;

  // ---- Depth ----
  /// Whether a call that the handler of `caller` makes would be deeper than call_depth.
  bool too_deep(const Request& caller) const noexcept BP_REQUIRES(on_request_thread) {
    return caller.depth + 1u >= call_depth_;
  }
  /// Ends the wait for a call of `name` that would be too deep. `method`: of that name, or null. The message shows the
  /// chain of calls.
  void refuse_deep(Waiter& waiter, const Method* method, std::string_view name) noexcept BP_REQUIRES(on_request_thread);

  // ---- Suspended runs, and calls in flight: see Backlog::link() ----
  void suspends(const Request& request) noexcept BP_REQUIRES(on_request_thread) {
    LoopCounts::add(counts_.suspended);
    if (request.stats != nullptr) ++request.stats->suspended;
  }
  void goes_on(const Request& request) noexcept BP_REQUIRES(on_request_thread) {
    LoopCounts::drop(counts_.suspended);
    if (request.stats != nullptr) --request.stats->suspended;
  }
  /// Whether no call of this name may begin. On the path of every call.
  bool full(const CallStats& stats) const noexcept BP_REQUIRES(on_request_thread) {
    return stats.suspended >= suspended_per_name_ || stats.in_flight >= calls_per_name_ || context_full();
  }
  bool context_full() const noexcept BP_REQUIRES(on_request_thread) {
    return counts_.suspended.load(std::memory_order_relaxed) >= suspended_limit_;
  }
  /// Why full() refuses a call of this name; counts it. `stats`: of the name, or null. `text` is used for the answer's
  /// message, if there is memory for it.
  std::string_view full_text(const Method& method, const CallStats* stats, std::string& text) noexcept
      BP_REQUIRES(on_request_thread);

 private:
  const std::uint32_t call_depth_;
  const std::uint32_t suspended_limit_;
  const std::uint32_t suspended_per_name_;
  const std::uint32_t calls_per_name_;
  LoopCounts& counts_;
};

}  // namespace backplane::host
