// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <unordered_map>

#include "request/record.hpp"
#include "request/source.hpp"
#include "sync/fair_queue.hpp"

namespace backplane::host {

/// Requests that wait for the same thing, in a line for each source. Those without a source share a line.
class WaitingCalls {
 public:
  bool empty() const noexcept { return queue_.empty(); }
  /// `first`: before the others of its line. Throws std::bad_alloc.
  void push(Request& request, bool first = false) { queue_.push(lines_[request.source], request, first); }
  /// The one whose turn it is; null if there is none.
  Request* pop() noexcept {
    Request* const request = queue_.pop(cost_in_line);
    if (queue_.empty()) {
      queue_.forget_empty();
      lines_.clear();
    }
    return request;
  }

 private:
  FairQueue<Request> queue_;
  std::unordered_map<std::uint32_t, FairQueue<Request>::Line> lines_;  // by Request::source
};

}  // namespace backplane::host
