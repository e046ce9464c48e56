// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/result.hpp"

namespace backplane::host {

/// Reads a module's file once, so that the host runs the bytes that it has checked. Throws Failure (BP_LOAD_REFUSED) if
/// one of these does not hold:
///   - it is a readable regular file;
///   - it belongs to root or to the user of this host, only its owner may write it, and it is not setuid or setgid;
///   - only the owner of its directory may write to that, or it is sticky;
///   - it lies in one of `allowed`, unless `allowed` is empty.
std::vector<std::uint8_t> read_module_file(const std::filesystem::path& path,
                                           const std::vector<std::filesystem::path>& allowed);

/// Reads a module's file for inspection. Its place is not checked. If read_module_file() would refuse its owner or
/// mode, `problem` says why.
std::vector<std::uint8_t> read_any_file(const std::filesystem::path& path, std::string& problem);

/// Puts the path before the message, unless there is no memory for it.
void name_file(Failure& failure, const std::string& path) noexcept;

}  // namespace backplane::host
