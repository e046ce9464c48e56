// SPDX-License-Identifier: Apache-2.0
#include "cli/module_settings.hpp"

#include "cli/output.hpp"
#include "support/report.hpp"

namespace backplane::host::cli {

ModuleSettings ModuleSettings::of(const Value& settings) {
  return {settings["unload"].text() == "never", settings["workers"].number(), settings["stack_size"].number()};
}

void ModuleSettings::write(cbor::Writer& out) const {
  out.text("settings");
  out.map(3);
  field(out, "unload", unload_never ? "never" : "drain");
  field(out, "workers", workers);
  field(out, "stack_size", stack_size);
}

void ModuleSettings::add_to(bp_load_options& options) const {
  options.flags |= BP_LOAD_SETTINGS | (unload_never ? BP_LOAD_UNLOAD_NEVER : 0);
  options.workers = static_cast<std::uint32_t>(workers);
  options.stack_size = stack_size;
}

std::vector<std::pair<const char*, std::string>> ModuleSettings::in_toml() const {
  return {{"unload", unload_never ? "\"never\"" : ""},
          {"workers", workers == 0 ? "" : std::to_string(workers)},
          {"stack_size", stack_size == 0 ? "" : std::to_string(stack_size)}};
}

std::string difference_of(const ModuleSettings& from, const ModuleSettings& to) {
  const auto old = from.in_toml();
  const auto next = to.in_toml();
  const auto words = [](const std::string& value) { return value.empty() ? std::string("the default") : value; };
  std::string out;
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (old[i].second == next[i].second) continue;
    out += cat(out.empty() ? "" : ", ", old[i].first, " from ", words(old[i].second), " to ", words(next[i].second));
  }
  return out;
}

}  // namespace backplane::host::cli
