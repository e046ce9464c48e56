// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace backplane::cli {

/// A table [modules.NAME] of the configuration file.
struct ModuleSection {
  std::string name;
  std::string where;  ///< "FILE:LINE:COLUMN", for errors
  std::optional<std::string> path;
  bool load = true;
  cbor::Bytes config;  ///< one CBOR map, or empty
};

/// What the configuration file says. Paths are made absolute: in the file they are relative to its
/// folder.
struct ConfigFile {
  std::optional<std::string> socket, data_dir, log_level;
  std::optional<std::uint32_t> workers;
  std::optional<std::vector<std::string>> module_dirs;
  std::vector<std::string> allowed_dirs;
  std::vector<ModuleSection> modules;
};

/// Reads a TOML file. Throws CommandFailure (usage) with file, line and column: for what is no TOML,
/// unknown keys, values of another type.
ConfigFile read_config_file(const std::string& path);

}  // namespace backplane::cli
