// SPDX-License-Identifier: Apache-2.0
#include "modules/blocking_start.hpp"

#include <chrono>
#include <memory>
#include <new>
#include <string>

#include "support/result.hpp"

namespace backplane::host {
namespace {

using Clock = std::chrono::steady_clock;

// How often the load looks whether it is canceled.
constexpr std::chrono::milliseconds cancel_interval{50};

bool is_canceled(const LoadRequest& request) { return request.canceled != nullptr && request.canceled->load(); }

}  // namespace

void start_on_workers(Generation& generation, const std::vector<InstanceHost*>& hosts, const LoadRequest& request,
                      const ModuleCalls& calls) {
  std::vector<std::shared_ptr<InstanceStart>> all;
  for (InstanceHost* const host : hosts) {
    if (host->closed()) {
      host->start_instance(generation, closed_instance_timeout, true);
    } else {
      all.push_back(host->begin_instance(generation, false));
    }
  }
  const auto until = Clock::now() + calls.timeout();
  for (const auto& each : all) {
    while (!each->done.wait(cancel_interval)) {
      const bool late = Clock::now() >= until;
      if (!late && !is_canceled(request)) continue;
      for (const auto& other : all) other->abandoned = true;
      if (is_canceled(request)) throw Failure{BP_CANCELED, "canceled; nothing has changed"};
      throw Failure{BP_LOAD_REFUSED, "its instance_create took too long: more than " +
                                         std::to_string(calls.timeout().count()) +
                                         " ms (load_timeout_ms), so it is not loaded"};
    }
    if (each->no_memory) throw std::bad_alloc();
    if (!each->failure.empty()) {
      throw Failure{BP_LOAD_REFUSED, "its instance could not be created: " + each->failure};
    }
  }
}

}  // namespace backplane::host
