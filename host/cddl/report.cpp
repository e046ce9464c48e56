// SPDX-License-Identifier: Apache-2.0
#include "cddl/report.hpp"

#include <backplane/cbor/escape.hpp>
#include <charconv>

namespace backplane::host::cddl {
namespace {

std::string short_text(std::string_view text, char quote) {
  constexpr std::size_t most = 40;
  std::string out(1, quote);
  std::string_view part = text.substr(0, most);
  while (part.size() < text.size() && !part.empty() && !cbor::valid_utf8(part)) part.remove_suffix(1);
  out += cbor::escaped(part, cbor::Escape::quoted);
  if (part.size() < text.size()) out += "…";
  return out + quote;
}

}  // namespace

bool Report::wanted(std::size_t depth) const {
  if (quiet_ != 0) return false;
  if (attempts_ == 0) return findings_.size() < options_.most_findings;
  return !deepest_ || deepest_->first < depth;
}

void Report::add(std::size_t depth, Finding finding) {
  if (!wanted(depth)) return;
  if (attempts_ == 0) {
    findings_.push_back(std::move(finding));
  } else {
    deepest_.emplace(depth, std::move(finding));
  }
}

Finding Report::finding(Finding::Kind kind, Bound what) const {
  return {.kind = kind, .path = path(), .rule = what.scope->rule->name, .line = schema_.node(what.node).place.line};
}

std::string Report::path() const {
  std::string out;
  for (const PathStep& step : path_) {
    if (const auto* const index = std::get_if<std::uint64_t>(&step)) {
      out += "[" + std::to_string(*index) + "]";
      continue;
    }
    At key = std::get<At>(step);
    while (key->type == cbor::Type::tag) key = key.first();
    if (key->type == cbor::Type::text) {
      const std::string name = short_text(key->text, '"');
      out += (out.empty() ? "" : ".") + name.substr(1, name.size() - 2);
    } else {
      out += "[" + shown(key) + "]";
    }
  }
  return out;
}

std::string Report::shown(At item) const {
  switch (item->type) {
    case cbor::Type::uint:
      return std::to_string(item->value);
    case cbor::Type::negint:
      return item->value == UINT64_MAX ? "-18446744073709551616" : "-" + std::to_string(item->value + 1);
    case cbor::Type::text:
      return short_text(item->text, '"');
    case cbor::Type::bytes:
      return std::to_string(item->text.size()) + " bytes";
    case cbor::Type::array:
      return "an array of " + std::to_string(item->value);
    case cbor::Type::map:
      return "a map of " + std::to_string(item->value);
    case cbor::Type::tag:
      return "the tag " + std::to_string(item->value);
    case cbor::Type::boolean:
      return item->value != 0 ? "true" : "false";
    case cbor::Type::real: {
      std::string out = std::to_string(item->real);
      if (out.find('.') != std::string::npos) {
        out.erase(out.find_last_not_of('0') + 1);
        if (out.back() == '.') out += '0';
      }
      return out;
    }
    default:
      return cbor::name(item->type);
  }
}

}  // namespace backplane::host::cddl
