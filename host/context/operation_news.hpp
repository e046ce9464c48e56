// SPDX-License-Identifier: Apache-2.0
//
// What is told when a module operation has ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "context/operation.hpp"

namespace backplane::host {

/// "load", "unload" or "reload".
const char* name_of_kind(std::uint32_t kind) noexcept;

/// For people: "load of ./echo.so", "unload of kv".
std::string words_of(const Operation& operation);

/// The name of the event: "backplane.module_loaded", …_unloaded, …_reloaded, or …_refused after an error.
const char* event_of(const Operation& operation, const OperationOutcome& outcome) noexcept;

/// The typed event of that name, as docs/operations.md describes it.
std::vector<std::uint8_t> event_payload(const Operation& operation, const OperationOutcome& outcome);

/// Logs who did what, and how it ended.
void log_end(const Operation& operation, const OperationOutcome& outcome);

}  // namespace backplane::host
