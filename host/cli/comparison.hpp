// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <string>

#include "cli/value.hpp"

namespace backplane::host::cli {

/// A compare-report as text: a line, and a table of the changes.
std::string comparison_words(const Value& report);

/// The compare-report of two modules: manifest-reports, or entries of a module-list. Throws CommandFailure if one of
/// their texts is no CDDL.
cbor::Bytes compare_modules(const Value& before, const Value& after);

/// Whether callers may break, by a compare-report.
bool may_break(const Value& report);

}  // namespace backplane::host::cli
