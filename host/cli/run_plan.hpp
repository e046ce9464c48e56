// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <backplane/cbor/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/config_file.hpp"
#include "server/server.hpp"

namespace backplane::host::cli {

struct PlannedModule {
  std::string name;
  std::string path;
  cbor::Bytes config;
  std::string source;  ///< what names the file: an option, a place in the file, or "bundled"
  std::string sha256;  ///< of the file, in hexadecimal
  ModuleSettings settings;
  bool strict = false;
};

/// What `backplane run` will do. Options take precedence over the environment, the environment over the file.
struct RunPlan {
  std::string socket;
  std::string data_dir;
  std::string module_cache;  ///< empty: the directory for temporary files
  int log_level = 0;
  bp_log_options log{};
  std::uint32_t workers = 0;  // 0: the default, here and in the next five
  std::uint32_t load_timeout_ms = 0;
  bool trial_load = true;
  std::uint64_t memory_limit = 0;       // bytes
  std::uint64_t connection_memory = 0;  // bytes
  bp_context_options context{};
  ServerOptions server;
  GivenLimits limits;  // of the file
  std::vector<std::string> allowed_dirs;
  std::vector<PlannedModule> modules;  // in the order of loading
  std::vector<std::string> warnings;
  std::vector<std::string> unchecked;  ///< configurations that could not be checked; the host warns when it loads them
  std::map<std::string, std::string, std::less<>>
      sources;                        ///< of each key that is set: an option, a variable or a place
  std::vector<std::string> left_out;  ///< modules with load = false
};

/// The configuration file that --config or $BACKPLANE_CONFIG names; empty: none.
std::string config_path(const Args& args);

/// The directory of the bundled modules, in a build tree or in an installation; empty: there is none.
std::string bundled_dir();

/// Reads the configuration file and the manifests of all modules. It creates nothing. Throws CommandFailure: usage if
/// the configuration is wrong, refused if a file is not a module.
RunPlan make_plan(const Args& args);

}  // namespace backplane::host::cli
