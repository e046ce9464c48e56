// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace backplane::host {

/// Larger sections are refused. A report has both, and must fit a frame.
inline constexpr std::size_t most_manifest_bytes = std::size_t{1} << 20;
inline constexpr std::size_t most_cddl_bytes = std::size_t{4} << 20;

inline constexpr std::size_t most_version_bytes = 256;
inline constexpr std::size_t most_summary_bytes = 4096;

/// Bounds of a handler's stack, as plugin.h has them.
inline constexpr std::uint64_t least_handler_stack = 16'384;
inline constexpr std::uint64_t most_handler_stack = std::uint64_t{1} << 30;

/// A module's manifest. See the table in backplane/plugin.h.
struct Manifest {
  std::string abi;
  std::string name;
  std::string version;
  std::string summary;
  bool unload_never = false;
  std::uint64_t stack_size = 0;  ///< of its handlers that ask for none of their own; 0: not said
  bool reload_old_first = false;
  std::vector<std::string> provides;
  std::vector<std::string> offers;
  std::vector<std::string> emits;
  std::vector<std::string> needs;  ///< the key `requires`, which is a keyword of C++
  std::vector<std::string> calls;
  std::vector<std::string> listens;  ///< events of others that it needs
  std::string cddl;
  std::string interface_hash;  ///< check_interface() sets it
  std::string build_id;        ///< in hexadecimal; empty: the file has none
  // What the file says of the libraries that it needs; see ElfFile.
  std::vector<std::string> libraries;
  std::string runpath;
  std::string rpath;
  // lint() sets these. Each may prevent unmapping.
  std::uint64_t unique_symbols = 0;
  bool thread_destructors = false;
  bool no_delete = false;
  /// It, or a library that it needs, may start threads that outlive it.
  bool may_start_threads = false;
  /// Problems that do not prevent loading.
  std::vector<std::string> warnings;
};

/// Reads the manifest from the bytes of a module's file. None of its code runs. Throws Failure (BP_LOAD_REFUSED), whose
/// message does not name the file.
Manifest read_manifest(std::span<const std::uint8_t> file);

/// Throws Failure (BP_LOAD_REFUSED) if the module needs another ABI, or an extension that `extension` does not find.
void check_needs(const Manifest& manifest, const void* (*extension)(const char* id));

/// Why the loader would find no library of that name for the module at `path`; empty: it finds all that the module
/// itself needs.
std::string missing_library(const Manifest& manifest, const std::string& path);

/// The manifest-report of docs/protocol.md. `sha256`: of the file. `problem`: why this host would refuse the file, or
/// empty.
std::vector<std::uint8_t> report(const Manifest& manifest, const std::string& path, const std::string& sha256,
                                 const std::string& problem);

}  // namespace backplane::host
