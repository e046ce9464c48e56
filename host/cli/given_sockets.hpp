// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "cli/run_plan.hpp"
#include "server/server.hpp"

namespace backplane::host::cli {

/// The listening sockets that a service manager has passed to this process, as sd_listen_fds(3) says it. Takes the
/// variables out of the environment, and closes the descriptors when programs are started. Call it before there are
/// other threads. Throws CommandFailure (usage) if one of them is no Unix stream socket that listens at a path.
std::vector<GivenSocket> given_sockets();

/// Finds the place of each in the plan: that of its socket, or of a [[listen]]. If nobody has chosen the plan's socket,
/// the first that is no [[listen]] becomes it. Throws CommandFailure (usage) if one has no place.
void place(std::vector<GivenSocket>& given, RunPlan& plan);

/// Whether the socket at the path is one of them.
bool is_given(const std::vector<GivenSocket>& given, const std::string& path);

}  // namespace backplane::host::cli
