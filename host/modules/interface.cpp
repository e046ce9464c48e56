// SPDX-License-Identifier: Apache-2.0
#include "modules/interface.hpp"

#include <backplane/base.h>

#include <algorithm>
#include <string>

#include "cddl/compare.hpp"
#include "cddl/config_check.hpp"
#include "cddl/parser.hpp"
#include "support/report.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

cddl::Interface interface_of(const Manifest& manifest) {
  return {manifest.name,  manifest.cddl,  manifest.provides, manifest.offers,
          manifest.emits, manifest.calls, manifest.listens};
}

cddl::Schema read_rules(Manifest& manifest) try {
  cddl::Schema schema = cddl::read_interface(manifest.cddl, manifest.warnings);
  manifest.interface_hash = cddl::interface_hash(interface_of(manifest), schema);
  return schema;
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

InterfaceChange compare_interfaces(const Manifest& before, std::uint64_t generation, const Manifest& after) {
  const cddl::Comparison found = cddl::compare(interface_of(before), interface_of(after));
  InterfaceChange out;
  cbor::Writer report(out.report);
  report.map(3 + cddl::comparison_members);
  field(report, "module", after.name);
  report.text("from");
  report.map(3);
  field(report, "version", before.version);
  field(report, "interface_hash", before.interface_hash);
  field(report, "generation", generation);
  report.text("to");
  report.map(2);
  field(report, "version", after.version);
  field(report, "interface_hash", after.interface_hash);
  cddl::write(report, found);
  if (found.verdict >= cddl::Judgement::cannot_tell) {
    out.warning =
        "its interface differs from that of generation " + std::to_string(generation) + ": " + cddl::summary(found);
  }
  return out;
}

}  // namespace backplane::host
