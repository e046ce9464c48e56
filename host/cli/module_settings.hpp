// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <backplane/cbor/writer.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cli/value.hpp"

namespace backplane::host::cli {

inline constexpr std::uint64_t most_workers = 256;
inline constexpr std::uint64_t least_stack = 16'384;
inline constexpr std::uint64_t most_stack = std::uint64_t{1} << 30;

/// What the operator says about a module, beside its configuration: keys of its table in the configuration file.
struct ModuleSettings {
  bool unload_never = false;
  std::uint64_t workers = 0;     ///< 0: a share
  std::uint64_t stack_size = 0;  ///< bytes; 0: not set

  bool operator==(const ModuleSettings&) const = default;

  /// From a report of the host: its member "settings".
  static ModuleSettings of(const Value& settings);
  /// As that member.
  void write(cbor::Writer& out) const;
  /// For a load or reload, in which all of them count.
  void add_to(bp_load_options& options) const;
  /// Each key with its value in TOML; no value: the default.
  std::vector<std::pair<const char*, std::string>> in_toml() const;
};

/// "workers from 2 to 4", for people.
std::string difference_of(const ModuleSettings& from, const ModuleSettings& to);

}  // namespace backplane::host::cli
