// SPDX-License-Identifier: Apache-2.0
#include "cddl/shape.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace backplane::host::cddl {
namespace {

constexpr Wide most_integer = (Wide{1} << 64) - 1;
constexpr Wide least_integer = -(Wide{1} << 64);
constexpr std::size_t most_depth_of_choices = 100;
constexpr std::size_t most_alternatives = 256;

[[noreturn]] void endless(const Node& node) {
  throw Unchecked{line_of(node) + "its rules refer to each other without an end"};
}

Wide value_of(const Node& literal) {
  return literal.flag ? -1 - static_cast<Wide>(literal.number) : static_cast<Wide>(literal.number);
}

}  // namespace

std::string unit_of(std::string_view name) {
  std::string lower(name.substr(0, name.find('_')));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  static constexpr std::array<std::string_view, 7> units = {"nanoseconds", "microseconds", "milliseconds", "seconds",
                                                            "minutes",     "hours",        "days"};
  return std::find(units.begin(), units.end(), lower) == units.end() ? std::string() : lower;
}

/// What is put together, and the choices that were added already: a choice may refer to itself.
struct Shapes::Reading {
  Shape& out;
  std::set<std::pair<NodeId, const Scope*>> choices;
};

const Rule* Shapes::rule_at(Bound what) const {
  if (what.scope == nullptr || what.scope->rule == nullptr || what.scope->rule->standard) return nullptr;
  return schema_.inside_parentheses(what.scope->rule->body) == what.node ? what.scope->rule : nullptr;
}

const Rule* Shapes::named(Bound what) const {
  for (;;) {
    what.node = schema_.inside_parentheses(what.node);
    const Node& node = schema_.node(what.node);
    if (node.kind == Kind::name && node.number != no_rule) {
      const Rule& rule = schema_.rules()[node.number];
      return rule.standard ? nullptr : &rule;
    }
    if (node.kind != Kind::parameter) return rule_at(what);
    what = what.scope->arguments[node.number];
  }
}

Shape Shapes::of(Bound what) {
  Shape out;
  Reading reading{out, {}};
  add(what, reading, 0);
  return out;
}

void Shapes::add(Bound what, Reading& to, std::size_t depth) {
  budget_.step();
  Shape& out = to.out;
  std::vector<const Rule*> passed;
  what = names_.resolved(what, passed);
  for (const Rule* const rule : passed) {
    if (std::string unit = unit_of(rule->name); !unit.empty()) out.units.insert(std::move(unit));
  }
  const Node& node = schema_.node(what.node);
  if (depth > most_depth_of_choices) endless(node);
  switch (node.kind) {
    case Kind::integer:
      return out.scalars.integers.add(value_of(node), value_of(node));
    case Kind::real:
      out.scalars.reals.insert(node.real);
      return;
    case Kind::text:
      out.scalars.texts.literals.insert(schema_.text(node));
      return;
    case Kind::bytes:
      out.scalars.bytes.literals.insert(schema_.text(node));
      return;
    case Kind::range:
      return add_range(what, out.scalars);
    case Kind::major:
      return add_major(node, out);
    case Kind::any:
      out.any = true;
      return;
    case Kind::choice:
      return add_choice(what, to, depth);
    case Kind::control:
      return add_control(what, to, depth);
    case Kind::enumeration:
      return add_enumeration(what.inside(node.a), to, depth);
    case Kind::map:
      return add_structure(what, Alternative::Kind::map, out);
    case Kind::array:
      return add_structure(what, Alternative::Kind::array, out);
    case Kind::tag:
      if (node.number == no_limit) {
        out.any_tag = true;
      } else {
        out.alternatives.push_back({Alternative::Kind::tag,
                                    what,
                                    rule_at(what),
                                    node.number,
                                    {{.key = {}, .label = {}, .key_type = {}, .value = what.inside(node.a)}}});
      }
      return;
    case Kind::unwrap: {
      const Bound inside = names_.resolved(what.inside(node.a));
      if (schema_.node(inside.node).kind != Kind::tag) return add_opaque(what, out);
      return add(inside.inside(schema_.node(inside.node).a), to, depth + 1);
    }
    case Kind::name:
      return;  // a socket without rules
    default:
      throw Unchecked{line_of(node) + "found a group, expected a type"};
  }
}

// The SDK writes `float / int` for a float of either width, so that readers of other languages may send any number.
// Only the name of the rule says the width: `single` has 4 bytes.
void Shapes::add_choice(Bound what, Reading& to, std::size_t depth) {
  if (!to.choices.emplace(what.node, what.scope).second) return;
  const Rule* const rule = rule_at(what);
  const bool single = rule != nullptr && rule->name == "single";
  unsigned& width = to.out.scalars.float_bytes;
  const unsigned outer = std::exchange(width, 0U);
  Reading apart{to.out, {{what.node, what.scope}}};  // `float` inside of `single` must not hide another `float`
  for (const NodeId each : schema_.children(schema_.node(what.node))) {
    add(what.inside(each), single ? apart : to, depth + 1);
  }
  width = std::max(single ? std::min(width, 4U) : width, outer);
}

void Shapes::add_range(Bound what, Scalars& out) {
  const Node& node = schema_.node(what.node);
  const std::optional<Node> from = names_.literal_of(what.inside(node.a));
  const std::optional<Node> to = names_.literal_of(what.inside(node.b));
  if (from && to && from->kind == Kind::integer && to->kind == Kind::integer) {
    out.integers.add(value_of(*from), value_of(*to) - (node.flag ? 1 : 0));
  } else if (from && to && from->kind == Kind::real && to->kind == Kind::real) {
    out.real_ranges.push_back({from->real, to->real, node.flag});
  } else {
    throw Unchecked{line_of(node) + "found a range of other things than two integers or two reals"};
  }
}

void Shapes::add_major(const Node& node, Shape& out) {
  const bool whole = node.max == no_limit;
  const auto argument = static_cast<Wide>(node.max);
  Scalars& scalars = out.scalars;
  switch (node.number) {
    case 0:
      return whole ? scalars.integers.add(0, most_integer) : scalars.integers.add(argument, argument);
    case 1:
      return whole ? scalars.integers.add(least_integer, -1) : scalars.integers.add(-1 - argument, -1 - argument);
    case 2:
      return scalars.bytes.sizes.add(whole ? 0 : argument, whole ? most_integer : argument);
    case 3:
      return scalars.texts.sizes.add(whole ? 0 : argument, whole ? most_integer : argument);
    case 4:
      out.any_array = true;
      return;
    case 5:
      out.any_map = true;
      return;
    default:
      break;
  }
  if (whole || node.max < 25 || node.max > 27) {
    for (std::uint64_t each = whole ? 0 : node.max; each <= (whole ? 255 : node.max); ++each) {
      scalars.simples.insert(each);
    }
  }
  // A reader takes a float of any width, so only the values count.
  if (whole || (node.max >= 25 && node.max <= 27)) {
    scalars.float_bytes = std::max(scalars.float_bytes, whole ? 8U : 2U << (node.max - 25));
  }
}

void Shapes::add_control(Bound what, Reading& to, std::size_t depth) {
  const Node& node = schema_.node(what.node);
  const Bound controlled = what.inside(node.a);
  if (node.control == Control::default_) {
    add(controlled, to, depth + 1);
    const NodeId value = names_.resolved(what.inside(node.b)).node;
    to.out.default_value = describe(schema_, value);
    to.out.default_form = canonical(schema_, value);
    budget_.text(to.out.default_form.size());
    return;
  }
  Shape from;
  Reading reading{from, {}};
  const auto only_scalars = [&] {
    return !from.any && !from.any_map && !from.any_array && !from.any_tag && from.alternatives.empty();
  };
  if (node.control == Control::size) {
    add(controlled, reading, depth + 1);
    to.out.units.merge(from.units);
    if (only_scalars()) return add_sized(what.inside(node.b), to.out.scalars, from.scalars, depth);
  } else if (node.control >= Control::lt && node.control <= Control::eq) {
    add(controlled, reading, depth + 1);
    to.out.units.merge(from.units);
    const std::optional<Node> bound = names_.literal_of(what.inside(node.b));
    if (bound && node.control == Control::eq) return add(what.inside(node.b), to, depth + 1);
    if (bound && bound->kind == Kind::integer && only_scalars()) {
      add_ordered(node, from.scalars, what.inside(node.b));
      return to.out.scalars.add(from.scalars);
    }
  }
  add_opaque(what, to.out);
}

// What of `from` has one of these sizes: texts and bytes in bytes, integers below 256^size.
void Shapes::add_sized(Bound argument, Scalars& sized, const Scalars& from, std::size_t depth) {
  Shape sizes;
  Reading reading{sizes, {}};
  add(argument, reading, depth + 1);
  const Intervals& allowed = sizes.scalars.integers;
  const auto cut = [&](const Strings& strings, Strings& out) {
    for (const std::string& each : strings.literals) {
      if (allowed.has(static_cast<Wide>(each.size()))) out.literals.insert(each);
    }
    if (!strings.sizes.empty()) out.sizes.add(allowed);
  };
  cut(from.texts, sized.texts);
  cut(from.bytes, sized.bytes);
  if (from.integers.empty()) return;
  Intervals eight;
  eight.add(0, 8);
  Wide most = allowed.within(eight) ? -1 : most_integer;
  for (Wide size = 0; size <= 8 && most != most_integer; ++size) {
    if (allowed.has(size)) most = (Wide{1} << (8 * size)) - 1;
  }
  Intervals integers = from.integers;
  integers.clip(0, most);
  sized.integers.add(integers);
}

void Shapes::add_ordered(const Node& node, Scalars& from, Bound argument) {
  const Wide bound = value_of(*names_.literal_of(argument));
  Wide least = least_integer;
  Wide most = most_integer;
  if (node.control == Control::lt) most = bound - 1;
  if (node.control == Control::le) most = bound;
  if (node.control == Control::gt) least = bound + 1;
  if (node.control == Control::ge) least = bound;
  from.integers.clip(least, most);
}

// The values of a group, or of what a name stands for.
void Shapes::add_enumeration(Bound what, Reading& to, std::size_t depth) {
  const std::optional<Bound> group = names_.as_group(what);
  if (!group) return add(what, to, depth + 1);
  if (!to.choices.emplace(group->node, group->scope).second) return;
  for (const NodeId sequence : schema_.children(schema_.node(group->node))) {
    for (const NodeId each : schema_.children(schema_.node(sequence))) {
      const Bound value = group->inside(schema_.node(each).b);
      if (depth > most_depth_of_choices) endless(schema_.node(each));
      if (names_.as_group(value)) {
        add_enumeration(value, to, depth + 1);
      } else {
        add(value, to, depth + 1);
      }
    }
  }
}

void Shapes::add_opaque(Bound what, Shape& out) {
  out.alternatives.push_back({Alternative::Kind::opaque, what, rule_at(what), 0, {}});
}

void Shapes::add_structure(Bound what, Alternative::Kind kind, Shape& out) {
  const Bound group = what.inside(schema_.node(what.node).a);
  for (auto& parts : sequences(group, kind == Alternative::Kind::map, 0)) {
    if (out.alternatives.size() >= most_alternatives * 16) {
      throw Unchecked{line_of(schema_.node(what.node)) + "it has too many alternatives"};
    }
    out.alternatives.push_back({kind, what, rule_at(what), 0, std::move(parts)});
  }
}

// ---- Groups: all sequences of members or elements that they allow ----

Shapes::Sequences Shapes::sequences(Bound group, bool map, std::size_t depth) {
  if (depth > most_depth_of_choices) endless(schema_.node(group.node));
  Sequences out;
  for (const NodeId sequence : schema_.children(schema_.node(group.node))) {
    Sequences all = {{}};
    for (const NodeId each : schema_.children(schema_.node(sequence))) {
      const Sequences next = entry(group.inside(each), map, depth);
      if (all.size() * next.size() > most_alternatives) {
        throw Unchecked{line_of(schema_.node(each)) + "it has too many alternatives"};
      }
      if (next.size() == 1) {
        for (auto& one : all) one.insert(one.end(), next[0].begin(), next[0].end());
        budget_.step(all.size() * next[0].size());
        continue;
      }
      Sequences joined;
      for (const auto& one : all) {
        for (const auto& other : next) {
          budget_.step(one.size() + other.size());
          joined.push_back(one);
          joined.back().insert(joined.back().end(), other.begin(), other.end());
        }
      }
      all = std::move(joined);
    }
    std::move(all.begin(), all.end(), std::back_inserter(out));
    if (out.size() > most_alternatives) {
      throw Unchecked{line_of(schema_.node(sequence)) + "it has too many alternatives"};
    }
  }
  return out;
}

Shapes::Sequences Shapes::entry(Bound entry, bool map, std::size_t depth) {
  budget_.step();
  const Node& node = schema_.node(entry.node);
  if (node.a == no_node) {
    if (const auto group = names_.as_group(entry.inside(node.b))) {
      if (node.max != 1) {
        throw Unchecked{line_of(node) + "groups that are repeated are not compared"};
      }
      Sequences inside = sequences(*group, map, depth + 1);
      if (node.number == 0) inside.emplace_back();
      return inside;
    }
    const Node& found = schema_.node(names_.resolved(entry.inside(node.b)).node);
    if (found.kind == Kind::name) return {{}};  // an empty socket
    if (map) throw Unchecked{line_of(node) + "found a member of a map without a key"};
  }
  return {{part(entry, map)}};
}

Part Shapes::part(Bound entry, bool map) {
  const Node& node = schema_.node(entry.node);
  Part out{
      .key = {}, .label = {}, .key_type = {}, .value = entry.inside(node.b), .least = node.number, .most = node.max};
  if (!map) {
    out.label = node.number == 1 && node.max == 1 ? "" : "[]";
    return out;
  }
  out.key_type = names_.resolved(entry.inside(node.a));
  const Node& key = schema_.node(out.key_type.node);
  if (key.kind <= Kind::bytes) {
    out.key = describe(schema_, out.key_type.node, SIZE_MAX);
    budget_.text(out.key.size());
    out.label = key.kind == Kind::text ? schema_.text(key) : describe(schema_, out.key_type.node, 1000);
  } else {
    out.label = describe(schema_, node.a, 60);
  }
  return out;
}

}  // namespace backplane::host::cddl
