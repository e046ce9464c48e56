// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <string_view>

#include "cddl/validate.hpp"

namespace backplane::host::cddl {

/// Compares a module's configuration with the rule `<module>.config`, as leniently as the SDK reads it. `config`: a
/// CBOR map; no bytes mean the empty map. A schema without the rule allows everything.
Verdict check_config(const Schema& schema, std::string_view module, cbor::View config);

}  // namespace backplane::host::cddl
