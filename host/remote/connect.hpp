// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <memory>

#include "endpoint/endpoint.hpp"
#include "support/result.hpp"

namespace backplane::host {

/// Connects to the host that serves options.socket_path (null: the default path). BP_OK and `out`, or
/// what bp_context_connect says, and `why`.
bp_status connect(const bp_connect_options& options, std::unique_ptr<Endpoint>& out, Failure& why) noexcept;

}  // namespace backplane::host
