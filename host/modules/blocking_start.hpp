// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "modules/loader.hpp"

namespace backplane::host {

/// Creates the instances of a generation whose instance_create runs on worker threads, in all contexts at once. Throws
/// Failure if one of them fails, takes longer than the timeout of `calls`, or the load is canceled: it does not wait
/// for the others, which end when they are there. Control thread.
void start_on_workers(Generation& generation, const std::vector<InstanceHost*>& hosts, const LoadRequest& request,
                      const ModuleCalls& calls);

/// The thread of a closed context may be stuck forever. It must not block loads for the other contexts.
inline constexpr std::chrono::milliseconds closed_instance_timeout{100};

}  // namespace backplane::host
