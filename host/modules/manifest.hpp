// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace backplane::host {

/// What a module says of itself; see the table in backplane/plugin.h.
struct Manifest {
  std::string abi;
  std::string name;
  std::string version;
  std::string summary;
  bool unload_never = false;
  std::vector<std::string> provides;
  std::vector<std::string> offers;
  std::vector<std::string> emits;
  std::vector<std::string> needs;  ///< `requires`, which is a keyword
  std::vector<std::string> calls;
  std::string cddl;
  // What lint found that may keep the object from being unmapped.
  std::uint64_t unique_symbols = 0;
  bool thread_destructors = false;
  bool no_delete = false;
  /// What lint found: it loads, but something will not be as its author hopes.
  std::vector<std::string> warnings;
};

/// Reads the manifest out of a module's bytes; none of its code runs. Throws Failure (BP_LOAD_REFUSED)
/// that says what is wrong, without the file's name.
Manifest read_manifest(std::span<const std::uint8_t> file);

/// Throws Failure (BP_LOAD_REFUSED) if a host of this ABI, with the extensions that `extension` finds,
/// cannot take the module.
void check_needs(const Manifest& manifest, const void* (*extension)(const char* id));

/// The manifest-report of docs/protocol.md. `problem`: why this host would refuse it, or empty.
std::vector<std::uint8_t> report(const Manifest& manifest, const std::string& path, const std::string& problem);

}  // namespace backplane::host
