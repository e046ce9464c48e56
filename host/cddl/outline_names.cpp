// SPDX-License-Identifier: Apache-2.0
#include "cddl/outline_names.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "cddl/outline.hpp"

namespace backplane::host::cddl {
namespace {

// A longer end comes before one that it ends with.
constexpr std::array<std::pair<std::string_view, Role>, 6> ends = {{
    {".request.part", Role::part},
    {".request", Role::request},
    {".reply", Role::reply},
    {".partial", Role::partial},
    {".event", Role::event},
    {".constant", Role::constant},
}};

constexpr std::string_view error_part = ".error.";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The status at the end of m.verb.error.1001.
bool read_status(std::string_view rule, WireRule& out) {
  const std::size_t at = rule.rfind(error_part);
  if (at == std::string_view::npos) return false;
  const std::string_view digits = rule.substr(at + error_part.size());
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), out.status);
  out.role = Role::error;
  out.name = rule.substr(0, at);
  return fault == std::errc() && end == digits.data() + digits.size() && is_digit(digits[0]);
}

std::string_view first_word(std::string_view name) { return name.substr(0, name.find('.')); }

}  // namespace

WireRule wire_rule(std::string_view rule, std::string_view module) {
  WireRule out;
  const auto is_wire = [](std::string_view name) { return name.find('.') != std::string_view::npos; };
  if (read_status(rule, out) && is_wire(out.name)) return out;
  for (const auto& [end, role] : ends) {
    if (rule.ends_with(end) && is_wire(rule.substr(0, rule.size() - end.size()))) {
      return {role, rule.substr(0, rule.size() - end.size()), 0};
    }
  }
  if (!module.empty() && rule.size() > module.size() && rule.starts_with(module) &&
      rule.substr(module.size()) == ".config") {
    return {Role::config, module, 0};
  }
  return {Role::type, rule, 0};
}

std::string type_name(std::string_view name) {
  std::string out;
  bool begins = true;  // a word
  for (const char c : name) {
    if (!is_lower(c) && !is_upper(c) && !is_digit(c)) {
      begins = true;
      continue;
    }
    if (out.empty() && is_digit(c)) out = "Type";
    out += begins && is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c;
    begins = false;
  }
  return out.empty() ? "Type" : out;
}

std::string UniqueNames::add(const std::string& name) {
  std::string out = name;
  std::size_t& more = more_[name];
  while (!taken_.insert(out).second) out = name + "_" + std::to_string(++more + 1);
  return out;
}

TextNames names_of(const Schema& schema, std::string module) {
  std::vector<WireRule> rules;
  std::set<std::pair<bool, std::string_view>> seen;  // calls, and events
  std::map<std::string_view, std::size_t> counts;
  for (const Rule& rule : schema.rules()) {
    if (rule.standard) continue;
    // Here `module` may be unknown, so that m.config looks like a type.
    const WireRule wire = wire_rule(rule.name, module);
    const bool named = wire.role != Role::type && wire.role != Role::constant && wire.role != Role::config;
    if (named && seen.emplace(wire.role == Role::event, wire.name).second) rules.push_back(wire);
    if (wire.role != Role::type || wire.name.ends_with(".config")) ++counts[first_word(wire.name)];
  }
  std::size_t most = 0;
  const bool given = !module.empty();
  for (const Rule& rule : schema.rules()) {
    const auto found = counts.find(first_word(rule.name));
    if (given || found == counts.end() || found->second <= most) continue;
    most = found->second;
    module = found->first;
  }
  TextNames out;
  out.module = module;
  for (const WireRule& rule : rules) {
    const bool own = first_word(rule.name) == module;
    const bool call = rule.role != Role::event;
    (call ? own ? out.provides : out.calls : own ? out.emits : out.listens).emplace_back(rule.name);
  }
  return out;
}

}  // namespace backplane::host::cddl
