// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <memory>

#include "endpoint/endpoint.hpp"
#include "support/result.hpp"

namespace backplane::host {

/// Connects to the host on options.socket_path (null: the default path). Sets `out` and returns BP_OK. Otherwise sets
/// `why` and returns a status of bp_context_connect.
bp_status connect(const bp_connect_options& options, std::unique_ptr<Endpoint>& out, Failure& why) noexcept;

}  // namespace backplane::host
