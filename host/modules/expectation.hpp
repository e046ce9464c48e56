// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "modules/manifest.hpp"

namespace backplane::host {

/// Whether a program that was built against an interface may use a module.
struct Expectation {
  bp_status status = BP_OK;          ///< or BP_INTERFACE_CHANGED: callers may break
  std::string message;               ///< what has changed; empty: nothing
  std::vector<std::uint8_t> report;  ///< the compare-report; empty: nothing has changed, or there was no text
};

/// Compares what runs with the interface that a program was built against: its hash, and its CDDL, which may be empty.
/// The text is not trusted. Throws Failure (BP_INVALID_ARGUMENT) if it cannot be read.
Expectation check_expected(const Manifest& now, std::uint64_t generation, std::string_view hash, std::string_view cddl);

}  // namespace backplane::host
