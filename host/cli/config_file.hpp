// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <backplane/cbor/writer.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/module_settings.hpp"
#include "server/server.hpp"

namespace backplane::host::cli {

/// A value and its place in the file.
struct Placed {
  std::string value;
  std::string where;  ///< "FILE:LINE:COLUMN", for errors
};

/// A limit in the file, which is an integer.
struct GivenLimit {
  std::uint64_t value = 0;
  std::string where;  ///< as in Placed
};

using GivenLimits = std::map<std::string, GivenLimit, std::less<>>;  ///< by key

/// A table [modules.NAME] of the configuration file.
struct ModuleSection {
  std::string name;
  std::string where;  ///< as in Placed
  std::optional<Placed> path;
  bool load = true;
  bool strict = false;  ///< a reconfigure refuses to break its callers
  cbor::Bytes config;   ///< one CBOR map, or empty
  ModuleSettings settings;
  std::string workers_where;                               ///< the place of its key; empty: not in the file
  std::string config_where;                                ///< as in Placed; empty: there is no configuration
  std::map<std::string, std::string, std::less<>> places;  ///< of keys of the configuration, as in limits[2].name
};

/// A table [[listen]] of the configuration file.
struct ListenSection {
  std::string where;  ///< as in Placed
  ListenOptions options;
};

/// The contents of the configuration file. Paths in the file are relative to its folder; here they are absolute.
struct ConfigFile {
  std::optional<Placed> socket, data_dir, module_cache, log_level, log_format;
  std::string on_event_overflow;      ///< its place, or empty
  std::uint32_t log_queue_lines = 0;  ///< 0: not in the file, here and in the next
  std::uint32_t log_queue_bytes = 0;
  std::optional<std::uint32_t> workers;
  std::optional<bool> trial_load;
  std::string trial_load_where;         ///< its place, or empty
  std::uint32_t load_timeout_ms = 0;    ///< 0: not in the file, here and in the next two
  std::uint64_t memory_limit = 0;       ///< bytes
  std::uint64_t connection_memory = 0;  ///< ServerOptions::max_memory
  bp_context_options context{.struct_size = sizeof(bp_context_options)};  ///< 0: not in the file
  ServerOptions server;                                                   ///< with the limits of the file
  GivenLimits limits;                                                     ///< those that the file has
  std::optional<std::vector<Placed>> module_dirs;
  std::vector<Placed> allowed_dirs;
  std::vector<ListenSection> listen;
  std::vector<ModuleSection> modules;
};

/// Reads a TOML file. Throws CommandFailure (usage) with file, line and column if the file is not TOML, has an
/// unknown key, or has a value of the wrong type.
ConfigFile read_config_file(const std::string& path);

/// The same for a text that could be the contents of the file.
ConfigFile read_config_text(const std::string& path, const std::string& text);

}  // namespace backplane::host::cli
