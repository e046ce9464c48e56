// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/validate.hpp"

namespace backplane::host::cddl {

/// Compares a module's configuration with the rule `<module>.config`, as leniently as the SDK reads it. `config`: a
/// CBOR map; no bytes mean the empty map. A schema without the rule allows everything.
Verdict check_config(const Schema& schema, std::string_view module, cbor::View config);

/// The same. Adds to `warnings` why something is not checked.
std::vector<Finding> check_config(const Schema& schema, std::string_view module, cbor::View config,
                                  std::vector<std::string>& warnings);

/// The rules of a module's interface. Adds to `warnings` what is not checked, for people. Throws ParseError.
Schema read_interface(std::string_view text, std::vector<std::string>& warnings);

}  // namespace backplane::host::cddl
