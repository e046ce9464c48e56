// SPDX-License-Identifier: Apache-2.0
#include "cddl/config_check.hpp"

#include <array>
#include <backplane/cbor/head.hpp>
#include <string>

namespace backplane::host::cddl {

Verdict check_config(const Schema& schema, std::string_view module, cbor::View config) {
  const std::string rule = std::string(module) + ".config";
  if (schema.find(rule) == nullptr) return {};
  const std::array<std::uint8_t, 1> empty = {cbor::empty_map};
  Verdict out = validate(schema, rule, config.empty() ? cbor::View(empty) : config, {.lenient = true});
  if (!out.unchecked.empty()) out.unchecked = "its configuration is not checked against its CDDL: " + out.unchecked;
  return out;
}

}  // namespace backplane::host::cddl
