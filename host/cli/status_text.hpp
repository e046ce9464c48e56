// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/value.hpp"

namespace backplane::host::cli {

/// A status-report for people: a line for each thread that does not respond, the tables, and a line for each limit that
/// was hit.
std::string status_text(const Value& report);
/// The lines of those threads alone.
std::string not_responding_text(const Value& report);
/// The oldest call of a context: "kv.get, of process 4711 (user 1000, curl), running, for 41.0 s"; empty: it has none.
std::string oldest_call_text(const Value& oldest);

}  // namespace backplane::host::cli
