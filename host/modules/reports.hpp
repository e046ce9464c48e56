// SPDX-License-Identifier: Apache-2.0
//
// The reports of module operations, as CBOR. docs/protocol.md defines them in CDDL.
#pragma once

#include <backplane/cbor/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace backplane::host {

struct Generation;
struct ModuleSettings;
struct PinReason;

/// A member "settings" of a report: {unload, workers, stack_size}.
void settings_field(cbor::Writer& out, const ModuleSettings& settings);

std::vector<std::uint8_t> load_report(const Generation& generation);
/// The outcome is "gone" if there are no reasons, otherwise "pinned".
std::vector<std::uint8_t> unload_report(const std::string& module, std::uint64_t generation,
                                        const std::vector<PinReason>& reasons);
/// `loaded` is a load_report, `old` an unload_report.
std::vector<std::uint8_t> reload_report(const std::vector<std::uint8_t>& loaded, const std::vector<std::uint8_t>& old);
/// If the whole would be larger than this, long parts of modules are left out, and each module says which.
inline constexpr std::size_t most_list_bytes = std::size_t{16} << 20;
std::vector<std::uint8_t> module_list(const std::vector<const Generation*>& generations);

}  // namespace backplane::host
