// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "modules/call_stats.hpp"
#include "modules/registry.hpp"
#include "request/loop_counts.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"

namespace backplane::host {

/// What one context bounds of the runs of its handlers: how deep their calls nest, how many are suspended, how many
/// calls of one name are in flight, and what calls in flight hold. Without these bounds handlers that call each other,
/// or wait without end, take all memory. Used by the request thread alone.
class RunLimits {
 public:
  RunLimits(const LoopOptions& options, LoopCounts& counts) noexcept
      : call_depth_(options.call_depth),
        suspended_limit_(options.suspended_limit),
        suspended_per_name_(options.suspended_of_name()),
        calls_per_name_(options.calls_of_name()),
        context_memory_(options.context_memory),
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

  /// A call is refused because as many as queue_depth wait for modules that are being replaced.
  void held_is_full() noexcept BP_REQUIRES(on_request_thread) { LoopCounts::add(counts_.held_refused); }

  // ---- Suspended runs ----
  void suspends(const Request& request) noexcept BP_REQUIRES(on_request_thread) {
    LoopCounts::add(counts_.suspended);
    if (context_suspended() == suspended_limit_) ++reached_;
    if (request.stats != nullptr && ++request.stats->suspended == suspended_per_name_) ++reached_;
    hold(suspended_cost);
  }
  void goes_on(const Request& request) noexcept BP_REQUIRES(on_request_thread) {
    if (context_suspended() == suspended_limit_) --reached_;
    LoopCounts::drop(counts_.suspended);
    if (request.stats != nullptr && request.stats->suspended-- == suspended_per_name_) --reached_;
    let_go(suspended_cost);
  }

  // ---- Calls in flight: those whose turn has come, and that a turn of the loop has left open ----
  void is_in_flight(Request& request) noexcept BP_REQUIRES(on_request_thread) {
    if (request.stats == nullptr || request.in_flight_as != 0) return;
    request.in_flight_as = weight_of(request.payload.size());
    const std::uint64_t bytes = bytes_of(request.in_flight_as);
    CallStats::add(request.stats->held, bytes);
    hold(bytes);
    if (++request.stats->in_flight == calls_per_name_) ++reached_;
  }
  void has_ended(const Request& request) noexcept BP_REQUIRES(on_request_thread) {
    if (request.in_flight_as == 0) return;
    const std::uint64_t bytes = bytes_of(request.in_flight_as);
    CallStats::add(request.stats->held, 0 - bytes);
    let_go(bytes);
    if (request.stats->in_flight-- == calls_per_name_) --reached_;
  }

  /// Whether no call of this name may begin; null: of a name without counts. On the path of every call.
  bool full(const CallStats* stats) const noexcept BP_REQUIRES(on_request_thread) {
    return reached_ != 0 && is_full(stats);
  }
  /// Why full() refuses a call of this name; counts it. `stats`: of the name, or null. `text` is used for the answer's
  /// message, if there is memory for it.
  std::string_view full_text(const Method& method, const CallStats* stats, std::string& text) noexcept
      BP_REQUIRES(on_request_thread);

 private:
  static constexpr std::uint64_t suspended_cost = 5 * 1024;  // as the stack pool charges a stack
  /// A payload counts as the next power of two, because its exponent fits into a byte of the record.
  static constexpr std::uint8_t weight_of(std::size_t size) noexcept {
    return static_cast<std::uint8_t>(1 + (size <= 1 ? 0 : std::bit_width(size - 1)));
  }
  static constexpr std::uint64_t bytes_of(std::uint8_t weight) noexcept { return std::uint64_t{1} << (weight - 1); }
  std::uint64_t held() const noexcept { return counts_.held_bytes.load(std::memory_order_relaxed); }
  void hold(std::uint64_t bytes) noexcept BP_REQUIRES(on_request_thread) {
    if (held() < context_memory_ && held() + bytes >= context_memory_) ++reached_;
    LoopCounts::add(counts_.held_bytes, bytes);
  }
  void let_go(std::uint64_t bytes) noexcept BP_REQUIRES(on_request_thread) {
    if (held() >= context_memory_ && held() - bytes < context_memory_) --reached_;
    LoopCounts::add(counts_.held_bytes, 0 - bytes);
  }
  std::uint64_t context_suspended() const noexcept { return counts_.suspended.load(std::memory_order_relaxed); }
  bool context_full() const noexcept BP_REQUIRES(on_request_thread) { return context_suspended() >= suspended_limit_; }
  bool is_full(const CallStats* stats) const noexcept BP_REQUIRES(on_request_thread) {
    return context_full() || held() >= context_memory_ ||
           (stats != nullptr && (stats->suspended >= suspended_per_name_ || stats->in_flight >= calls_per_name_));
  }

  const std::uint32_t call_depth_;
  const std::uint32_t suspended_limit_;
  const std::uint32_t suspended_per_name_;
  const std::uint32_t calls_per_name_;
  const std::uint64_t context_memory_;
  LoopCounts& counts_;
  std::uint32_t reached_ =
      0;  ///< how many of the bounds are reached, of the context and of its names; else all may begin
};

}  // namespace backplane::host
