// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "context/silent_threads.hpp"
#include "modules/registry.hpp"
#include "request/oldest_call.hpp"
#include "request/workers.hpp"

namespace backplane::host {

class Context;
class ModuleOperations;

struct HostStatus {
  std::uint64_t uptime_ms;
  std::uint64_t modules;
  Workers::Load workers;
  std::vector<SilentThreads::Silent> silent_workers;
  std::size_t resting;  ///< destroyed contexts that keep their threads and buffers for reuse
};

/// Questions to the request threads, by the id of the context. Null: it has no call.
using OldestCallQueries = std::map<std::uint64_t, std::shared_ptr<OldestCallQuery>>;
/// Asks for the oldest call of each context. With the catalog locked.
OldestCallQueries ask_oldest_calls(const std::vector<Context*>& contexts);
/// Waits for the answers, for 50 ms at most. Without the catalog: a thread that is stuck must not keep it from others.
void wait_for_answers(const OldestCallQueries& queries);

/// The status-report of docs/protocol.md. With the catalog locked.
std::vector<std::uint8_t> status_report(const HostStatus& host, const std::vector<Context*>& contexts,
                                        const OldestCallQueries& oldest, const Registry& registry,
                                        const ModuleOperations& operations);

}  // namespace backplane::host
