// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cddl/outline.hpp"
#include "cddl/parser.hpp"
#include "cli/json/json.hpp"

namespace outline_sample {

using namespace backplane::host::cddl;

/// The outline of the module m, whose names the text says.
inline Outline outline(const std::string& text) {
  const Schema schema = parse(text);
  const TextNames names = names_of(schema, "m");
  return outline_of({names.module, text, names.provides, {}, names.emits, names.calls, names.listens}, schema);
}

/// The outline of these rules and of a call that takes T.
inline Outline with_call(const std::string& rules) { return outline(rules + "\nm.v.request = T\nm.v.reply = null"); }

inline std::string json(const Outline& made) {
  backplane::cbor::Bytes bytes;
  backplane::cbor::Writer writer(bytes);
  write_outlines(writer, "0", {made});
  return backplane::host::cbor_to_json(bytes);
}

/// The type of this name, as JSON.
inline std::string type(const std::string& name, const std::string& rules) {
  const std::string all = json(with_call(rules));
  const std::size_t begin = all.find("{\"name\":\"" + name + "\",\"doc\":");
  if (begin == std::string::npos) return "there is no type " + name;
  return all.substr(begin, all.find("\"received\":false}", begin) - begin) + "\"received\":false}";
}

/// The type of a member as JSON, which is written so in CDDL.
inline std::string ref(const std::string& written, const std::string& rules = "") {
  const std::string all = type("T", "T = { m: " + written + " }\n" + rules);
  const std::size_t begin = all.find("\"type\":") + 7;
  return all.substr(begin, all.find(",\"optional\"", begin) - begin);
}

/// The first warning about it.
inline std::string warning(const std::string& written, const std::string& rules = "") {
  const Outline made = with_call("T = { m: " + written + " }\n" + rules);
  return made.warnings.empty() ? "none" : made.warnings[0];
}

}  // namespace outline_sample
