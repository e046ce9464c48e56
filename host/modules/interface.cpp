// SPDX-License-Identifier: Apache-2.0
#include "modules/interface.hpp"

#include <backplane/base.h>

#include <algorithm>
#include <optional>
#include <string>

#include "cddl/config_check.hpp"
#include "cddl/parser.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

// The rules are not kept: they take about ten times as much memory as their text. None if it is not valid.
std::optional<cddl::Schema> parse_interface(Manifest& manifest) try {
  cddl::Schema schema = cddl::parse(manifest.cddl);
  for (const std::string& warning : schema.warnings()) manifest.warnings.push_back("its CDDL, " + warning);
  return schema;
} catch (const cddl::ParseError& e) {
  manifest.warnings.push_back(std::string("its CDDL is not valid, so its configuration is not checked: ") + e.what());
  return std::nullopt;
}

}  // namespace

void check_interface(Manifest& manifest) { parse_interface(manifest); }

void check_interface(Manifest& manifest, std::span<const std::uint8_t> config) {
  const std::optional<cddl::Schema> schema = parse_interface(manifest);
  if (!schema) return;
  const cddl::Verdict verdict = cddl::check_config(*schema, manifest.name, config);
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
