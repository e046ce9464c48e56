// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "cddl/parser.hpp"
#include "cddl/validate.hpp"

namespace sample {

using backplane::cbor::Bytes;

/// CBOR as hexadecimal digits, as RFC 8949 writes it.
inline Bytes hex(std::string_view digits) {
  Bytes out;
  unsigned byte = 0;
  bool half = false;
  for (const char c : digits) {
    if (c == ' ') continue;
    byte = byte << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    half = !half;
    if (!half) out.push_back(static_cast<std::uint8_t>(byte));
  }
  return out;
}

inline backplane::host::cddl::Verdict verdict(std::string_view rules, const Bytes& item, bool lenient = false) {
  using namespace backplane::host::cddl;
  return validate(parse(rules), "a", item, {.lenient = lenient});
}

/// Whether the item fits the rule `a`. "?": it could not be checked.
inline std::string fits(std::string_view rules, std::string_view digits, bool lenient = false) {
  const auto found = verdict(rules, hex(digits), lenient);
  if (!found.unchecked.empty()) return "?";
  return found.findings.empty() ? "yes" : "no";
}

/// What is wrong, on lines.
inline std::string told(std::string_view rules, std::string_view digits) {
  const auto found = verdict(rules, hex(digits));
  std::string out = found.unchecked;
  for (const auto& finding : found.findings) out += (out.empty() ? "" : "\n") + finding.message();
  return out;
}

/// The message of the error, or how the rule `a` reads.
inline std::string parsed(std::string_view text) {
  using namespace backplane::host::cddl;
  try {
    const Schema schema = parse(text);
    const Rule* const rule = schema.find("a");
    return rule == nullptr ? "no rule" : describe(schema, rule->body, 1000);
  } catch (const ParseError& e) {
    return e.what();
  }
}

}  // namespace sample
