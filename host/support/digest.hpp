// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace backplane::host {

/// SHA-256, in hexadecimal.
std::string sha256_of(std::span<const std::uint8_t> bytes);

/// The build id in a section of ELF notes, in hexadecimal; empty: there is none.
std::string build_id_of(std::string_view notes);

}  // namespace backplane::host
