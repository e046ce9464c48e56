// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <functional>
#include <string>

#include "embedded.hpp"
#include "module/orders.h"

namespace bench {

/// A host in this process with one context and one module of the bench in it, through the public C functions alone.
/// Everything throws std::runtime_error, with the answer's words, when it is not BP_OK.
class Host {
 public:
  /// `module` is its name, and that of its file in the bench's directory.
  explicit Host(std::string module);

  /// Calls `<module>.<verb>` and returns its report, having checked that all that was ordered was done.
  template <class Order = bench_order>
  bench_report order(const char* verb, const Order& order) {
    return order_bytes(verb, {reinterpret_cast<const std::uint8_t*>(&order), sizeof order}, order.count);
  }

  /// Runs `work` on the context's request thread, on that thread's own stack: where handlers run, but nothing of
  /// the host's is in between. For floors. `work` must not throw.
  void on_request_thread(const std::function<void()>& work);

  bp_context context() const { return host_.context(); }

 private:
  bench_report order_bytes(const char* verb, bp_bytes order, std::uint64_t count);

  std::string module_;
  Embedded host_;
};

}  // namespace bench
