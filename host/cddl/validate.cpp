// SPDX-License-Identifier: Apache-2.0
#include "cddl/validate.hpp"

#include <backplane/cbor/escape.hpp>

#include "cddl/matcher.hpp"

namespace backplane::host::cddl {

std::string Finding::message() const {
  const std::string name = "\"" + cbor::escaped(path, cbor::Escape::line) + "\"";
  std::string out;
  if (kind == Kind::missing) {
    out = name + " is missing, expected " + expected;
  } else if (kind == Kind::unknown) {
    out = name + " is unknown; ";
    out += !hint.empty() ? hint : expected.empty() ? "expected no keys" : "known: " + expected;
  } else {
    out = (path.empty() ? "found " : name + " is ") + found + ", expected " + expected;
  }
  return out + " (" + rule + " in the module's CDDL, line " + std::to_string(line) + ")";
}

Verdict validate(const Schema& schema, std::string_view rule, cbor::View item, const Options& options) {
  Verdict out;
  const Rule* const found = schema.find(rule);
  if (found == nullptr || !found->parameters.empty()) {
    out.unchecked = "there is no rule \"" + std::string(rule) + "\"" + (found == nullptr ? "" : " without parameters");
    return out;
  }
  try {
    out.findings = Matcher(schema, options).run(*found, item);
  } catch (const Unchecked& e) {
    out.unchecked = e.why;
  } catch (const TooManyItems&) {
    out.unchecked = "it has more than " + std::to_string(options.most_items) + " items";
  } catch (const cbor::Error& e) {
    out.findings = {
        {.found = std::string("no well-formed CBOR (") + e.what() + ", at byte " + std::to_string(e.offset) + ")",
         .expected = describe(schema, found->body),
         .rule = found->name,
         .line = found->place.line}};
  }
  return out;
}

}  // namespace backplane::host::cddl
