// SPDX-License-Identifier: Apache-2.0
//
// What is told when a thread does not respond, and when it responds again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "context/silent_threads.hpp"
#include "support/report.hpp"
#include "watchdog/stall_detector.hpp"

namespace backplane::host {

/// "backplane.responding" or "backplane.not_responding".
const char* event_of(const Liveness& liveness) noexcept;

/// The typed event of that name; see docs/protocol.md.
std::vector<std::uint8_t> event_payload(const Liveness& liveness);

/// Logs it. `what`: what does or does not respond, such as "the request thread of context 1".
void log_liveness(const std::string& what, bool plural, const Liveness& liveness);

/// Writes the field "not_responding" of the status-report.
void silent_field(cbor::Writer& out, const std::vector<SilentThreads::Silent>& silent);

}  // namespace backplane::host
