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

cddl::Schema read_rules(Manifest& manifest) try {
  return cddl::read_interface(manifest.cddl, manifest.warnings);
} catch (const cddl::ParseError& fault) {
  throw Failure{BP_LOAD_REFUSED, std::string("its CDDL cannot be read: ") + fault.what()};
}

}  // namespace

void check_interface(Manifest& manifest) { read_rules(manifest); }

// The rules are not kept: they take about ten times as much memory as their text.
void check_interface(Manifest& manifest, std::span<const std::uint8_t> config) {
  const auto findings = cddl::check_config(read_rules(manifest), manifest.name, config, manifest.warnings);
  if (findings.empty()) return;
  constexpr std::size_t most = 8;
  std::string text = "its configuration does not fit: ";
  for (std::size_t i = 0; i < std::min(findings.size(), most); ++i) {
    text += (i == 0 ? "" : "; ") + findings[i].message();
  }
  if (findings.size() > most) text += "; and more";
  throw Failure{BP_CONFIG, std::move(text)};
}

}  // namespace backplane::host
