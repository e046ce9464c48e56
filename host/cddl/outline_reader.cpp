// SPDX-License-Identifier: Apache-2.0
//
// Reads names, literals, ranges and controls as types of an outline. Choices, and maps and arrays, have files of their
// own.
#include "cddl/outline_reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace backplane::host::cddl {
namespace {

/// Steps of reading all of a text: each is below 1 us. A text has at most most_nodes types, and each is read once.
constexpr std::size_t most_steps = 4'000'000;
/// Rules for scalars that refer to each other, and wire rules that refer to each other.
constexpr unsigned most_rules_in_a_row = 16;

constexpr std::array<std::string_view, 7> units = {"nanoseconds", "microseconds", "milliseconds", "seconds",
                                                   "minutes",     "hours",        "days"};
constexpr std::array<std::string_view, 10> scalars = {"int8",   "int16",  "int32",  "int64",  "uint8",
                                                      "uint16", "uint32", "uint64", "single", "double"};

Ref integer(unsigned bits, bool is_signed) {
  Ref out;
  out.kind = Ref::Kind::integer;
  out.bits = bits;
  out.is_signed = is_signed;
  return out;
}

Ref real(unsigned bits) {
  Ref out;
  out.kind = Ref::Kind::real;
  out.bits = bits;
  return out;
}

Ref plain(Ref::Kind kind) {
  Ref out;
  out.kind = kind;
  return out;
}

// A type of the prelude; nothing for those that bindings do not have.
std::optional<Ref> standard(std::string_view name) {
  using Kind = Ref::Kind;
  if (name == "tstr" || name == "text") return plain(Kind::text);
  if (name == "bstr" || name == "bytes") return plain(Kind::bytes);
  if (name == "int" || name == "nint") return integer(64, true);
  if (name == "uint") return integer(64, false);
  if (name == "float16" || name == "float32" || name == "float16-32") return real(32);
  if (name == "float64" || name == "float32-64" || name == "float" || name == "number") return real(64);
  if (name == "bool") return plain(Kind::boolean);
  if (name == "null" || name == "nil") return plain(Kind::null);
  if (name == "any") return plain(Kind::any);
  if (name == "true" || name == "false") {
    Ref out = plain(Kind::literal);
    out.value.kind = Constant::Kind::boolean;
    out.value.flag = name == "true";
    return out;
  }
  return std::nullopt;
}

// The unit that a name says: milliseconds, milliseconds_int32. Empty: none.
std::string unit_of(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view unit : units) {
    if (lower == unit) return lower;
    if (lower.starts_with(unit) && lower[unit.size()] == '_' &&
        std::count(scalars.begin(), scalars.end(), lower.substr(unit.size() + 1)) != 0) {
      return std::string(unit);
    }
  }
  return {};
}

bool is_number(const Ref& ref) { return ref.kind == Ref::Kind::integer || ref.kind == Ref::Kind::real; }

}  // namespace

Wide wide(const Node& literal) {
  return literal.flag ? -1 - static_cast<Wide>(literal.number) : static_cast<Wide>(literal.number);
}

std::optional<Ref> integer_type(Wide from, Wide to) {
  if (from > to) return std::nullopt;
  for (const unsigned bits : {8U, 16U, 32U, 64U}) {
    const Wide half = Wide{1} << (bits - 1);
    if (from >= 0 && to < half * 2) return integer(bits, false);
    if (from < 0 && from >= -half && to < half) return integer(bits, true);
  }
  return std::nullopt;
}

TypeReader::TypeReader(const Schema& schema, std::string_view module, std::vector<std::string>& warnings)
    : schema_(schema), module_(module), warnings_(warnings), budget_(most_steps), names_(schema, budget_) {}

void TypeReader::warn(const Spot& spot, const std::string& text) {
  if (warnings_.size() < most_outline_warnings) {
    warnings_.push_back(spot.path + ": " + text);
  } else if (warnings_.size() == most_outline_warnings) {
    warnings_.emplace_back("and more; the first " + std::to_string(most_outline_warnings) + " are shown");
  }
}

Ref TypeReader::unknown(NodeId id, const Spot& spot, const std::string& found) {
  const std::string text = describe(schema_, id);
  warn(spot, "found " + (found.empty() ? text : found) + "; bindings have it as any");
  unread_.push_back(text);
  return {};
}

std::string TypeReader::take_unread() {
  std::string out;
  for (const std::string& each : unread_) out += (out.empty() ? "" : ", ") + each;
  unread_.clear();
  return out;
}

// ---- Rules ----

void TypeReader::read_named() {
  std::vector<const Rule*> types;
  for (const Rule& rule : schema_.rules()) {
    if (rule.standard || !rule.parameters.empty() || scalar_rule(rule)) continue;
    if (wire_rule(rule.name, module_).role != Role::type) continue;
    if (schema_.node(schema_.inside_parentheses(rule.body)).kind == Kind::group) continue;
    type_names_[&rule] = unique_.add(type_name(rule.name));
    types.push_back(&rule);
  }
  for (const Rule* const rule : types) fill(*rule);
}

Ref TypeReader::rule(const Rule& rule) {
  const auto known = rules_.find(&rule);
  if (known != rules_.end() && known->second) return *known->second;
  std::string_view name = rule.name;
  if (name.starts_with(module_) && name.substr(module_.size()).starts_with('.')) name.remove_prefix(module_.size() + 1);
  const Spot spot{type_name(name), rule.name};
  rules_[&rule];
  ++open_rules_;
  Ref out;
  try {
    out = read(rule.body, spot, 0);
  } catch (const Unchecked& stop) {
    out = unknown(rule.body, spot, describe(schema_, rule.body) + ", but " + stop.why);
  }
  --open_rules_;
  return *(rules_[&rule] = std::move(out));
}

std::optional<Constant> TypeReader::constant(const Rule& rule) {
  try {
    return constant_of(rule.body, 0);
  } catch (const Unchecked&) {
    return std::nullopt;
  }
}

bool TypeReader::empty_map(const Rule& rule) const {
  const Node& map = schema_.node(schema_.inside_parentheses(rule.body));
  if (map.kind != Kind::map) return false;
  const Node& group = schema_.node(map.a);
  return group.count == 1 && schema_.node(schema_.children(group)[0]).count == 0;
}

bool TypeReader::null(const Rule& rule) {
  const Node& node = schema_.node(schema_.inside_parentheses(rule.body));
  if (node.kind != Kind::name || node.number == no_rule) return false;
  const Rule& named = schema_.rules()[node.number];
  return named.standard && (named.name == "null" || named.name == "nil");
}

// ---- Types ----

Ref TypeReader::read(NodeId id, const Spot& spot, unsigned depth) {
  budget_.step();
  id = schema_.inside_parentheses(id);
  if (depth > most_levels_of_types) return unknown(id, spot, "more than 20 levels of types");
  if (auto found = scalar(id)) return std::move(*found);
  const Node& node = schema_.node(id);
  switch (node.kind) {
    case Kind::integer:
    case Kind::real:
    case Kind::text:
    case Kind::bytes: {
      Ref out = plain(Ref::Kind::literal);
      out.value = *constant_of(id, 0);
      return out;
    }
    case Kind::name:
      return read_name(node, id, spot);
    case Kind::range:
      return read_range(id, spot);
    case Kind::control:
      return read_control(id, spot, depth);
    case Kind::map:
      return read_map(id, spot, depth);
    case Kind::array:
      return read_array(id, spot, depth);
    case Kind::enumeration:
      return read_enumeration(id, spot);
    case Kind::major:
      return read_major(id, spot);
    case Kind::choice:
      return read_choice(id, spot, depth);
    case Kind::any:
      return {};
    case Kind::group:
      return unknown(id, spot, "a group, not a type: " + describe(schema_, id));
    default:
      return unknown(id, spot);
  }
}

Ref TypeReader::read_name(const Node& node, NodeId id, const Spot& spot) {
  if (node.number == no_rule || node.count != 0) return unknown(id, spot);
  const Rule& rule = schema_.rules()[node.number];
  if (rule.standard) {
    const auto found = standard(rule.name);
    return found ? *found : unknown(id, spot);
  }
  const auto named = type_names_.find(&rule);
  if (named == type_names_.end()) return read_rule_inside(rule, id, spot);
  Ref out = plain(Ref::Kind::named);
  out.name = named->second;
  return out;
}

// A rule that is no type, in a type.
Ref TypeReader::read_rule_inside(const Rule& rule, NodeId id, const Spot& spot) {
  const auto known = rules_.find(&rule);
  const bool group = schema_.node(schema_.inside_parentheses(rule.body)).kind == Kind::group;
  if (group || (known != rules_.end() && !known->second) || open_rules_ > most_rules_in_a_row) return unknown(id, spot);
  return this->rule(rule);
}

Ref TypeReader::read_range(NodeId id, const Spot& spot) {
  const Node& node = schema_.node(id);
  const auto from = names_.literal_of({node.a, nullptr});
  const auto to = names_.literal_of({node.b, nullptr});
  if (from && to && from->kind == Kind::real && to->kind == Kind::real) return real(64);
  return unknown(id, spot);  // scalar() has those of integers
}

Ref TypeReader::read_control(NodeId id, const Spot& spot, unsigned depth) {
  const Node& node = schema_.node(id);
  switch (node.control) {
    case Control::both:
      return unknown(id, spot);
    case Control::eq:
      if (names_.literal_of({node.b, nullptr})) return read(node.b, spot, depth);
      break;
    case Control::size:
      return read_size(read(node.a, spot, depth), node.b);
    default:
      break;
  }
  return read(node.a, spot, depth);
}

Ref TypeReader::read_size(Ref base, NodeId argument) const {
  argument = schema_.inside_parentheses(argument);
  const Node& size = schema_.node(argument);
  if (base.kind == Ref::Kind::bytes && size.kind == Kind::integer && !size.flag) base.size = size.number;
  return base;
}

Ref TypeReader::read_major(NodeId id, const Spot& spot) {
  const Node& node = schema_.node(id);
  static constexpr std::array<std::string_view, 8> wholes = {"uint", "nint", "bstr", "tstr", "", "", "", ""};
  std::string_view name = node.max == no_limit ? wholes[node.number] : "";
  if (node.number == 7) {
    if (node.max == 20) name = "false";
    if (node.max == 21) name = "true";
    if (node.max == 22) name = "null";
    if (node.max == 25 || node.max == 26) name = "float32";
    if (node.max == 27) name = "float64";
  }
  if (name.empty()) return unknown(id, spot);
  return *standard(name);
}

// ---- Numbers ----

std::optional<Wide> TypeReader::integer_of(NodeId id) {
  const auto found = names_.literal_of({id, nullptr});
  if (!found || found->kind != Kind::integer) return std::nullopt;
  return wide(*found);
}

std::optional<Ref> TypeReader::scalar_rule(const Rule& rule, unsigned depth) try {
  const std::string unit = unit_of(rule.name);
  if (unit.empty() && std::count(scalars.begin(), scalars.end(), rule.name) == 0) return std::nullopt;
  std::optional<Ref> out = scalar(rule.body, depth + 1);
  if (!out || (!unit.empty() && out->kind != Ref::Kind::integer)) return std::nullopt;
  if (rule.name == "single" && out->kind == Ref::Kind::real) out->bits = 32;
  if (!unit.empty()) out->unit = unit;
  return out;
} catch (const Unchecked&) {
  return std::nullopt;
}

std::optional<Ref> TypeReader::scalar(NodeId id, unsigned depth) {
  id = schema_.inside_parentheses(id);
  const Node& node = schema_.node(id);
  if (depth > most_rules_in_a_row) return std::nullopt;
  if (node.kind == Kind::range) {
    const auto from = integer_of(node.a);
    const auto to = integer_of(node.b);
    return from && to ? integer_type(*from, *to - (node.flag ? 1 : 0)) : std::nullopt;
  }
  if (node.kind == Kind::name && node.number != no_rule && node.count == 0) {
    const Rule& rule = schema_.rules()[node.number];
    auto out = rule.standard ? standard(rule.name) : scalar_rule(rule, depth + 1);
    return out && is_number(*out) ? out : std::nullopt;
  }
  if (node.kind == Kind::control && node.control == Control::size) {
    auto base = scalar(node.a, depth + 1);
    const auto bytes = integer_of(node.b);
    if (!base || !bytes || base->kind != Ref::Kind::integer || *bytes < 1 || *bytes > 8) return base;
    return integer_type(0, (Wide{1} << (8 * static_cast<unsigned>(*bytes))) - 1);
  }
  if (node.kind == Kind::control && node.control >= Control::lt && node.control <= Control::ge) {
    return scalar(node.a, depth + 1);
  }
  if (node.kind != Kind::choice) return std::nullopt;
  // float / int, as the SDK writes what reads integers, too.
  std::optional<Ref> out;
  for (const NodeId each : schema_.children(node)) {
    budget_.step();
    auto next = scalar(each, depth + 1);
    if (!next) return std::nullopt;
    if (next->kind == Ref::Kind::real && (!out || out->bits < next->bits || out->kind != Ref::Kind::real)) out = next;
    if (next->kind == Ref::Kind::integer && !out) out = next;
    if (next->kind == Ref::Kind::integer && out->kind == Ref::Kind::integer && !same(*next, *out)) return std::nullopt;
  }
  return out;
}

}  // namespace backplane::host::cddl
