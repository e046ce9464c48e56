// SPDX-License-Identifier: Apache-2.0
#include "cli/module_config_check.hpp"

#include "cddl/config_check.hpp"
#include "cddl/parser.hpp"
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

std::string check_module_config(const std::string& module, const std::string& path, const std::string& cddl,
                                const ModuleSection* section) {
  cddl::Verdict verdict;
  try {
    verdict = cddl::check_config(cddl::parse(cddl), module, section == nullptr ? cbor::Bytes() : section->config);
  } catch (const cddl::ParseError& e) {
    return cat("the CDDL of the module ", module, " is not valid, so its configuration is not checked: ", e.what());
  }
  if (!verdict.unchecked.empty()) return cat(path, ": ", verdict.unchecked);
  if (verdict.findings.empty()) return {};
  std::string text;
  for (const cddl::Finding& finding : verdict.findings) {
    if (!text.empty()) text += "; ";
    if (section != nullptr) text += cat(place_of(finding.path, *section), ": ");
    text += cat("modules.", module, ".config: ", one_line(finding.message()));
  }
  throw usage(text, section == nullptr ? cat("write a table [modules.", module, ".config] into the configuration file")
                                       : std::string());
}

}  // namespace backplane::host::cli
