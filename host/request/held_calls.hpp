// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include "modules/generation.hpp"
#include "request/request_thread.hpp"
#include "request/waiting_calls.hpp"

namespace backplane::host {

/// Calls of modules that are being replaced, the old generation first: they wait until the next generation runs. Of
/// one source they keep their order. Those that come while others of the module wait here wait behind them. One that is
/// canceled keeps its place until the module is released.
class HeldCalls {
 public:
  /// `most`: how many may wait.
  explicit HeldCalls(std::size_t most) noexcept : most_(most) {}
  HeldCalls(const HeldCalls&) = delete;
  HeldCalls& operator=(const HeldCalls&) = delete;

  bool empty() const noexcept BP_REQUIRES(on_request_thread) { return lines_.empty(); }
  std::size_t most() const noexcept { return most_; }
  bool full() const noexcept BP_REQUIRES(on_request_thread) { return count_ >= most_; }
  bool has(const Module& module) const noexcept BP_REQUIRES(on_request_thread) { return lines_.contains(&module); }
  /// Whether next() has given this request, for its handler to begin. Once.
  bool lets(const Request& request) noexcept BP_REQUIRES(on_request_thread) {
    return std::exchange(let_, bp_token{0}) == request.token();
  }
  /// `first`: before the others of its source. Throws std::bad_alloc.
  void add(Request& request, bool first) BP_REQUIRES(on_request_thread) {
    lines_[request.method->module].push(request, first);
    request.method->module->held_calls.fetch_add(1, std::memory_order_relaxed);
    ++count_;
    may_go_ = true;  // the module may have been released meanwhile
  }
  /// A module may have been released.
  void look() noexcept BP_REQUIRES(on_request_thread) { may_go_ = true; }
  /// A call whose module is not held any more; null: there is none.
  Request* next() noexcept BP_REQUIRES(on_request_thread) { return may_go_ ? take(false) : nullptr; }
  /// Any call, also of a module that is still held.
  Request* any() noexcept BP_REQUIRES(on_request_thread) { return take(true); }

 private:
  Request* take(bool held) noexcept BP_REQUIRES(on_request_thread) {
    for (auto at = lines_.begin(); at != lines_.end();) {
      if (!held && at->first->held.load(std::memory_order_acquire) != 0) {
        ++at;
        continue;
      }
      Request* const request = at->second.pop();
      if (request != nullptr) {
        --count_;
        at->first->held_calls.fetch_sub(1, std::memory_order_relaxed);
        let_ = request->token();
        return request;
      }
      at = lines_.erase(at);
    }
    may_go_ = false;
    return nullptr;
  }

  const std::size_t most_;
  std::map<const Module*, WaitingCalls> lines_ BP_GUARDED_BY(on_request_thread);
  std::size_t count_ BP_GUARDED_BY(on_request_thread) = 0;
  bool may_go_ BP_GUARDED_BY(on_request_thread) = false;
  bp_token let_ BP_GUARDED_BY(on_request_thread) = 0;
};

}  // namespace backplane::host
