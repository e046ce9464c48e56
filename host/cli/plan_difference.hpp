// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/run_plan.hpp"

namespace backplane::host::cli {

/// A module that runs.
struct RunningModule {
  std::string name;
  std::string path;
  std::string sha256;
  cbor::Bytes config;  ///< a CBOR map, or empty
  ModuleSettings settings;
};

/// What is to be done with a module.
struct ModuleChange {
  std::uint32_t kind = 0;  ///< BP_OPERATION_LOAD, …_UNLOAD or …_RELOAD
  std::string name;
  std::string path;    ///< what runs afterwards; after an unload: what ran
  cbor::Bytes config;  ///< never empty, except of an unload
  std::string why;     ///< for people
  ModuleSettings settings;
  bool strict = false;  ///< of a reload: refuse to break callers
};

/// A key of the configuration whose value in force differs.
struct KeyChange {
  std::string key;
  std::string from;
  std::string to;

  /// Whether a host that runs can take the new value.
  bool needs_restart() const { return key != "log_level"; }
};

struct PlanDifference {
  std::vector<ModuleChange> modules;
  std::vector<KeyChange> keys;

  bool empty() const { return modules.empty() && keys.empty(); }
};

/// What makes the modules that run those of `next`. The modules of `old` that `next` does not have are unloaded; others
/// that run were loaded by hand, and stay.
std::vector<ModuleChange> module_changes(const std::vector<PlannedModule>& old, const std::vector<PlannedModule>& next,
                                         const std::vector<RunningModule>& running);

/// `old` and `next`: values in TOML by key; see settings_of().
std::vector<KeyChange> key_changes(const std::map<std::string, std::string>& old,
                                   const std::map<std::string, std::string>& next);

/// Whether two configurations are the same, whatever the order of their keys. An empty one is the empty map.
bool same_config(cbor::View one, cbor::View other);

/// One line for each change: "load kv from /srv/kv.so: it is new", "log_level: from "info" to "debug"".
std::vector<std::string> lines_of(const PlanDifference& difference);

/// "load", "unload" or "reload".
const char* name_of_change(std::uint32_t kind);

}  // namespace backplane::host::cli
