// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/config_file.hpp"

namespace backplane::host::cli {

/// What a table [modules.NAME] is to say. What is empty here stays as it is.
struct SavedModule {
  std::string name;
  std::optional<std::string> path;
  std::optional<bool> load;
  std::optional<cbor::Bytes> config;  ///< a CBOR map
  std::optional<ModuleSettings> settings;
};

/// The text of a configuration file with these changes. All else stays, comments too. `file` is what the text says
/// now, and `path` names it in errors. Throws CommandFailure if the text has a form that cannot be changed in place, or
/// a configuration cannot be said in TOML.
std::string saved_text(const std::string& path, const std::string& text, const ConfigFile& file,
                       const std::vector<SavedModule>& modules);

}  // namespace backplane::host::cli
