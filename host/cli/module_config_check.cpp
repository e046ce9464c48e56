// SPDX-License-Identifier: Apache-2.0
#include "cli/module_config_check.hpp"

#include "cddl/config_check.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

// The place of the key, or of what is around it.
std::string place_of(std::string path, const ModuleSection& section) {
  for (;;) {
    if (const auto found = section.places.find(path); found != section.places.end()) return found->second;
    const std::size_t end = path.find_last_of(".[");
    if (end == std::string::npos) return section.config_where.empty() ? section.where : section.config_where;
    path.resize(end);
  }
}

}  // namespace

void check_module_config(const std::string& module, const std::string& path, const std::string& cddl,
                         const ModuleSection* section, std::vector<std::string>& unchecked) {
  std::vector<std::string> warnings;
  const std::vector<cddl::Finding> findings = cddl::check_config(
      cddl::read_interface(cddl, warnings), module, section == nullptr ? cbor::Bytes() : section->config, warnings);
  for (const std::string& warning : warnings) unchecked.push_back(cat(path, ": ", warning));
  if (findings.empty()) return;
  std::string text;
  for (const cddl::Finding& finding : findings) {
    if (!text.empty()) text += "; ";
    if (section != nullptr) text += cat(place_of(finding.path, *section), ": ");
    text += cat("modules.", module, ".config: ", one_line(finding.message()));
  }
  throw usage(text, section == nullptr ? cat("write a table [modules.", module, ".config] into the configuration file")
                                       : std::string());
}

}  // namespace backplane::host::cli
