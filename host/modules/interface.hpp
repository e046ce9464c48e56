// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "modules/manifest.hpp"

namespace backplane::host {

/// Throws Failure (BP_LOAD_REFUSED) if the module's CDDL cannot be read. Adds what this host does not check to the
/// warnings.
void check_interface(Manifest& manifest);

/// The same, and throws Failure (BP_CONFIG) if `config`, a CBOR map or empty, does not fit the rule `<module>.config`
/// of the CDDL. Adds a warning if it could not find out.
void check_interface(Manifest& manifest, std::span<const std::uint8_t> config);

}  // namespace backplane::host
