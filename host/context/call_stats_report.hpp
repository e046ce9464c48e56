// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include "modules/registry.hpp"

namespace backplane::host {

/// Writes the fields "names" and "by_module" of the status-report in docs/protocol.md: the call statistics of each wire
/// name and of each module. Control thread.
void call_stats_fields(cbor::Writer& out, const Registry& registry);

}  // namespace backplane::host
