// SPDX-License-Identifier: Apache-2.0
#include "request/run_limits.hpp"

#include <array>
#include <new>
#include <string>

namespace backplane::host {
namespace {

// What a message shows of a long chain, beside the last call.
constexpr std::size_t shown_first = 3;

// The outermost calls of the chain that ends with `innermost`, and how many there are in all.
struct Chain {
  explicit Chain(const Request& innermost) noexcept {
    for (const Request* each = &innermost; each != nullptr;) {
      // The first ones are those that are seen last: the ring keeps them.
      last_seen[length % shown_first] = each->method;
      ++length;
      const Waiter* const waiter = each->waiter();
      each = waiter == nullptr ? nullptr : &waiter->request;
    }
  }
  const Method& at(std::size_t index) const noexcept { return *last_seen[(length - 1 - index) % shown_first]; }

  std::array<const Method*, shown_first> last_seen{};
  std::size_t length = 0;
};

// "a.x -> b.y -> a.x -> ... (61 more) -> b.y"
std::string text_of(const Chain& chain, std::string_view name) {
  std::string text;
  for (std::size_t i = 0; i < std::min(chain.length, shown_first); ++i) text += chain.at(i).name + " -> ";
  if (chain.length > shown_first) text += "... (" + std::to_string(chain.length - shown_first) + " more) -> ";
  return text.append(name);
}

}  // namespace

void RunLimits::refuse_deep(Waiter& waiter, const Method* method, std::string_view name) noexcept {
  LoopCounts::add(counts_.too_deep);
  if (method != nullptr) method->refused.fetch_add(1, std::memory_order_relaxed);
  try {
    const Chain chain(waiter.request);
    waiter.fail(BP_OVERLOADED, "the call is " + std::to_string(waiter.request.depth + 2) + " deep; at most " +
                                   std::to_string(call_depth_) + " (call_depth): " + text_of(chain, name));
  } catch (const std::bad_alloc&) {
    waiter.fail(BP_OVERLOADED, "the call is too deep (call_depth)");
  }
}

std::string_view RunLimits::full_text(const Method& method, const CallStats* stats, std::string& text) noexcept try {
  if (context_full()) {
    LoopCounts::add(counts_.suspended_refused);
    text =
        "the context has " + std::to_string(context_suspended()) + " suspended handlers, its limit (suspended_limit)";
  } else if (held() >= context_memory_) {
    LoopCounts::add(counts_.memory_refused);
    text = "the calls in flight hold " + std::to_string(held()) + " bytes; the context allows " +
           std::to_string(context_memory_) + " (context_memory); wait for answers";
  } else if (stats != nullptr && stats->suspended >= suspended_per_name_) {
    LoopCounts::add(counts_.suspended_refused);
    text = "\"" + method.name + "\" has " + std::to_string(suspended_per_name_) +
           " suspended handlers, its limit (suspended_per_name)";
  } else {
    LoopCounts::add(counts_.name_refused);
    text = "calls in flight of \"" + method.name + "\": " + std::to_string(calls_per_name_) +
           " (calls_per_name); wait for answers";
  }
  return text;
} catch (const std::bad_alloc&) {
  return "too many calls in flight (suspended_limit, suspended_per_name, calls_per_name, context_memory)";
}

}  // namespace backplane::host
