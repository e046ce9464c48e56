// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace backplane::host {

/// Reads a module's file, once: what is checked and what is run are the same bytes. Throws Failure
/// (BP_LOAD_REFUSED) if it cannot be read, is no regular file, may be written by others than its owner
/// and root, is owned by a third user, or lies in none of `allowed` (empty: anywhere).
std::vector<std::uint8_t> read_module_file(const std::filesystem::path& path,
                                           const std::vector<std::filesystem::path>& allowed);

/// The same for a file that is only to be looked at: whose it is and where it lies do not matter.
std::vector<std::uint8_t> read_any_file(const std::filesystem::path& path);

}  // namespace backplane::host
