// SPDX-License-Identifier: Apache-2.0
#include "cddl/config_check.hpp"

#include <array>
#include <backplane/cbor/head.hpp>
#include <string>
#include <utility>

#include "cddl/parser.hpp"

namespace backplane::host::cddl {

Verdict check_config(const Schema& schema, std::string_view module, cbor::View config) {
  const std::string rule = std::string(module) + ".config";
  if (schema.find(rule) == nullptr) return {};
  const std::array<std::uint8_t, 1> empty = {cbor::empty_map};
  Verdict out = validate(schema, rule, config.empty() ? cbor::View(empty) : config, {.lenient = true});
  if (!out.unchecked.empty()) out.unchecked = "its configuration is not checked against its CDDL: " + out.unchecked;
  return out;
}

std::vector<Finding> check_config(const Schema& schema, std::string_view module, cbor::View config,
                                  std::vector<std::string>& warnings) {
  Verdict verdict = check_config(schema, module, config);
  if (!verdict.unchecked.empty()) warnings.push_back(std::move(verdict.unchecked));
  return std::move(verdict.findings);
}

Schema read_interface(std::string_view text, std::vector<std::string>& warnings) {
  Schema schema = parse(text);
  for (const std::string& warning : schema.warnings()) warnings.push_back("its CDDL, " + warning);
  return schema;
}

}  // namespace backplane::host::cddl
