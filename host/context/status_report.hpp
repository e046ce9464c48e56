// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "context/silent_threads.hpp"
#include "modules/registry.hpp"
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

/// The status-report of docs/protocol.md. With the catalog locked.
std::vector<std::uint8_t> status_report(const HostStatus& host, const std::vector<Context*>& contexts,
                                        const Registry& registry, const ModuleOperations& operations);

}  // namespace backplane::host
