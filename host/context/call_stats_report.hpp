// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <string_view>

#include "modules/registry.hpp"
#include "support/histogram.hpp"

namespace backplane::host {

/// A member `key` with the quantiles of `seen`, whose values are of `unit` nanoseconds.
void spans(cbor::Writer& out, std::string_view key, const Distribution& seen, double unit);

/// Writes the fields "names" and "by_module" of the status-report in docs/protocol.md: the call statistics of each wire
/// name and of each module. Control thread.
void call_stats_fields(cbor::Writer& out, const Registry& registry);

}  // namespace backplane::host
