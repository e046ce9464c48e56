// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "process_state.hpp"

namespace host_test {

/// What bp_host_status says of all contexts together.
struct StatusCounts {
  Value status;
  std::size_t contexts = 0;

  explicit StatusCounts(bp_context context) : status(status_of(context)), contexts(status["contexts"].items.size()) {}

  /// "tokens.open": of all contexts.
  std::uint64_t sum(const std::string& key) const {
    std::uint64_t all = 0;
    const std::size_t dot = key.find('.');
    for (const Value& each : status["contexts"].items) {
      all += dot == std::string::npos ? each[key].number : each[key.substr(0, dot)][key.substr(dot + 1)].number;
    }
    return all;
  }
  bool nothing_open() const {
    for (const char* key : {"queued", "running", "tokens.open"}) {
      if (sum(key) != 0) return false;
    }
    const Value& worker_pool = status["workers"];
    return worker_pool["queued"].number == 0 && worker_pool["running"].number == 0 && sum("accepted") == sum("replied");
  }
};

}  // namespace host_test
