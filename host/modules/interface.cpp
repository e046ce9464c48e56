// SPDX-License-Identifier: Apache-2.0
#include "modules/interface.hpp"

#include <backplane/base.h>

#include <algorithm>
#include <string>

#include "cddl/config_check.hpp"
#include "cddl/parser.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

cddl::Verdict verdict_of(const Manifest& manifest, std::span<const std::uint8_t> config) try {
  if (manifest.cddl.find(manifest.name + ".config") == std::string::npos) return {};
  return cddl::check_config(cddl::parse(manifest.cddl), manifest.name, config);
} catch (const cddl::ParseError&) {
  return {};  // check_interface() has warned of it
}

}  // namespace

void check_interface(Manifest& manifest) {
  try {
    const cddl::Schema schema = cddl::parse(manifest.cddl);
    for (const std::string& warning : schema.warnings()) manifest.warnings.push_back("its CDDL, " + warning);
  } catch (const cddl::ParseError& e) {
    manifest.warnings.push_back(std::string("its CDDL is not valid, so its configuration is not checked: ") + e.what());
  }
}

void check_config(Manifest& manifest, std::span<const std::uint8_t> config) {
  // The rules are not kept: they take about ten times as much memory as their text.
  const cddl::Verdict verdict = verdict_of(manifest, config);
  if (!verdict.unchecked.empty()) manifest.warnings.push_back(verdict.unchecked);
  if (verdict.findings.empty()) return;
  constexpr std::size_t most = 8;
  std::string text = "its configuration does not fit: ";
  for (std::size_t i = 0; i < std::min(verdict.findings.size(), most); ++i) {
    text += (i == 0 ? "" : "; ") + verdict.findings[i].message();
  }
  if (verdict.findings.size() > most) text += "; and more";
  throw Failure{BP_CONFIG, std::move(text)};
}

}  // namespace backplane::host
