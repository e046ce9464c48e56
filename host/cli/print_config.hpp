// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <map>
#include <string>
#include <string_view>

#include "cli/run_plan.hpp"

namespace backplane::host::cli {

/// The plan as a configuration file in TOML, with the origin of each value in a comment. Defaults are comments as a
/// whole. As a file, it means the same plan.
std::string config_text(const RunPlan& plan);

/// A text as a string of TOML.
std::string toml_string(std::string_view text);

/// A value that comes from TOML, on one line.
std::string toml_value(cbor::View value);

/// The values in force, in TOML, by key: those of the file, and the defaults. Without the modules.
std::map<std::string, std::string> settings_of(const RunPlan& plan);

}  // namespace backplane::host::cli
