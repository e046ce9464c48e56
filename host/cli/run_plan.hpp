// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <string>
#include <vector>

#include "cli/command.hpp"

namespace backplane::host::cli {

struct PlannedModule {
  std::string name;
  std::string path;
  cbor::Bytes config;
};

/// What `backplane run` will do: flags over environment over file over defaults.
struct RunPlan {
  std::string socket;
  std::string data_dir;
  int log_level = 0;
  std::uint32_t workers = 0;           // 0: the default; so the next two
  std::uint32_t fiber_stack_size = 0;  // bytes
  std::int32_t fiber_limit = 0;        // -1: no fibers
  std::vector<std::string> allowed_dirs;
  std::vector<PlannedModule> modules;  // in the order of loading
};

/// Reads the configuration file and the manifests of all modules, and makes nothing. Throws
/// CommandFailure: usage for what is configured wrongly, refused for a file that is no module.
RunPlan make_plan(const Args& args);

}  // namespace backplane::host::cli
