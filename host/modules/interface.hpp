// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "modules/manifest.hpp"

namespace backplane::host {

/// Throws Failure (BP_LOAD_REFUSED) if the module's CDDL cannot be read. Adds what this host does not check to the
/// warnings.
void check_interface(Manifest& manifest);

/// The same, and throws Failure (BP_CONFIG) if `config`, a CBOR map or empty, does not fit the rule `<module>.config`
/// of the CDDL. Adds a warning if it could not find out.
void check_interface(Manifest& manifest, std::span<const std::uint8_t> config);

/// What a reload changes in the interface of a module.
struct InterfaceChange {
  std::vector<std::uint8_t> report;  ///< the compare-report of docs/protocol.md
  std::string warning;               ///< empty: callers do not break
};
/// Both manifests must have passed check_interface(). `generation`: of `before`.
InterfaceChange compare_interfaces(const Manifest& before, std::uint64_t generation, const Manifest& after);

}  // namespace backplane::host
