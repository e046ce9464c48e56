// SPDX-License-Identifier: Apache-2.0
//
// What a load is asked for, and the file that it finds.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "modules/manifest.hpp"
#include "modules/settings.hpp"

namespace backplane::host {

struct Generation;

/// The arguments of a load.
struct LoadRequest {
  std::string path;
  std::vector<std::uint8_t> config;  ///< a CBOR map; no bytes mean the empty map
  /// If it becomes true before the generation is published, the load is undone, and fails with BP_CANCELED. May be
  /// null.
  const std::atomic<bool>* canceled = nullptr;
  std::optional<ModuleSettings> settings;  ///< none: in a reload those of the running generation, else the defaults
  bool strict = false;                     ///< refuse a reload that may break callers
  bool compare = false;                    ///< of a reload that is only compared: the configuration need not fit

  /// As a reload of `old`: with all that this leaves to it.
  LoadRequest after(const Generation& old) const;
  /// Throws Failure (BP_CANCELED).
  void check_canceled() const;
};

/// A module's file that was read once, and that fits this host as far as that can be told without its code.
struct ModuleFile {
  /// Which module it must be.
  struct Expected {
    std::string module;            ///< empty: any
    bool next_generation = false;  ///< of a module that is there
  };
  /// The table of the host's extensions, as in bp_host_api.
  using Extension = const void* (*)(const char* id);

  LoadRequest request;
  Manifest manifest;
  std::string sha256;
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint8_t> compared;  ///< the compare-report of docs/protocol.md; empty: it was not compared

  /// Checks place, owner, format, manifest, module, configuration and CDDL. Throws Failure, which names the file.
  static ModuleFile read(LoadRequest request, const Expected& expected,
                         const std::vector<std::filesystem::path>& allowed, Extension extension);
  /// The same, of bytes that were read. Leaves `bytes` to the caller.
  static ModuleFile of(LoadRequest request, const Expected& expected, std::span<const std::uint8_t> bytes,
                       Extension extension);

  /// Compares the interface with that of the generation that it would replace. If callers may break, adds a warning;
  /// if the request is strict, throws Failure (BP_LOAD_REFUSED) instead.
  void compare_with(const Generation& old);

  /// A generation of this file, without a module and without a number. Takes the manifest and `compared`.
  std::unique_ptr<Generation> generation();
};

}  // namespace backplane::host
