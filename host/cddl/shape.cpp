// SPDX-License-Identifier: Apache-2.0
#include "cddl/shape.hpp"

#include <algorithm>
#include <array>
#include <cmath>
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
  bool only_outside = false;  // without parts
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

const Rule* Shapes::unit_rule(Bound what) {
  std::vector<const Rule*> passed;
  names_.resolved(what, passed);
  const auto found =
      std::find_if(passed.begin(), passed.end(), [](const Rule* r) { return !unit_of(r->name).empty(); });
  return found == passed.end() ? nullptr : *found;
}

Shape Shapes::of(Bound what) {
  Shape out;
  Reading reading{out, {}};
  add(what, reading, 0);
  return out;
}

Shape Shapes::outside_of(Bound what, std::size_t depth) {
  Shape out;
  Reading reading{out, {}, true};
  add(what, reading, depth);
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
      if ((node.number == 4 || node.number == 5) && node.max != no_limit) return add_opaque(what, out);
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
      return add_structure(what, Alternative::Kind::map, to);
    case Kind::array:
      return add_structure(what, Alternative::Kind::array, to);
    case Kind::tag:
      if (node.number == no_limit) {
        if (schema_.node(names_.resolved(what.inside(node.a)).node).kind != Kind::any) return add_opaque(what, out);
        out.any_tag = true;
      } else {
        Part content{.key = {}, .label = {}, .key_type = {}, .value = what.inside(node.a)};
        out.alternatives.push_back({Alternative::Kind::tag, what, rule_at(what), node.number, {content}, {}});
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
  Reading apart{
      to.out, {{what.node, what.scope}}, to.only_outside};  // `float` inside of `single` must not hide another `float`
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
    out.real_ranges.push_back({from->real, to->real, false, node.flag});
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
  Reading reading{from, {}, to.only_outside};
  const auto only_scalars = [](const Shape& shape) {
    return !shape.any && !shape.any_map && !shape.any_array && !shape.any_tag && shape.alternatives.empty();
  };
  if (node.control == Control::size) {
    add(controlled, reading, depth + 1);
    to.out.units.merge(from.units);
    const Shape sizes = outside_of(what.inside(node.b), depth + 1);
    if (only_scalars(from) && only_scalars(sizes))
      return add_sized(sizes.scalars.integers, to.out.scalars, from.scalars);
  } else if (node.control >= Control::lt && node.control <= Control::eq) {
    add(controlled, reading, depth + 1);
    to.out.units.merge(from.units);
    const std::optional<Node> bound = names_.literal_of(what.inside(node.b));
    const bool number = bound && (bound->kind == Kind::integer || bound->kind == Kind::real);
    if (bound && node.control == Control::eq) return add_eq(what, from, to, depth);
    if (number && only_scalars(from)) return add_ordered(node.control, *bound, from.scalars, to.out.scalars);
  }
  add_opaque(what, to.out);
}

// What both sides take: the literal, or nothing.
void Shapes::add_eq(Bound what, const Shape& from, Reading& to, std::size_t depth) {
  const Bound literal = what.inside(schema_.node(what.node).b);
  const Beyond more = beyond(outside_of(literal, depth + 1).scalars, from.scalars);
  if (!from.any && (more.more || !more.literals.empty())) return add_opaque(what, to.out);
  add(literal, to, depth + 1);
}

// What of `from` has one of these sizes: texts and bytes in bytes, integers below 256^size.
void Shapes::add_sized(const Intervals& allowed, Scalars& sized, const Scalars& from) {
  const auto cut = [&](const Strings& strings, Strings& out) {
    for (const std::string& each : strings.literals) {
      if (allowed.has(static_cast<Wide>(each.size()))) out.literals.insert(each);
    }
    if (!strings.sizes.empty()) out.sizes.add(allowed);
  };
  cut(from.texts, sized.texts);
  cut(from.bytes, sized.bytes);
  if (from.integers.empty()) return;
  Intervals more;
  more.add(9, 32);  // no integer needs so many, and the validator looks no further
  Wide most = allowed.meets(more) ? most_integer : -1;
  for (Wide size = 0; size <= 8 && most != most_integer; ++size) {
    if (allowed.has(size)) most = (Wide{1} << (8 * size)) - 1;
  }
  Intervals integers = from.integers;
  integers.clip(0, most);
  sized.integers.add(integers);
}

// The numbers of `from` on one side of the bound. Nothing else is below or above a number.
void Shapes::add_ordered(Control control, const Node& bound, const Scalars& from, Scalars& to) {
  const bool real = bound.kind == Kind::real;
  const long double limit = real ? static_cast<long double>(bound.real) : static_cast<long double>(value_of(bound));
  const bool below = control == Control::lt || control == Control::le;
  const bool open = control == Control::lt || control == Control::gt;
  // The integer next to the bound, within it.
  const long double whole = below ? std::floor(limit) : std::ceil(limit);
  const long double furthest = std::clamp(whole, -0x1p65L, 0x1p65L);
  const Wide next =
      (real ? static_cast<Wide>(furthest) : value_of(bound)) + (open && whole == limit ? (below ? -1 : 1) : 0);
  Intervals integers = from.integers;
  integers.clip(below ? least_integer : next, below ? next : most_integer);
  to.integers.add(integers);
  const long double end = HUGE_VALL;
  if (from.float_bytes != 0) {
    to.real_ranges.push_back(
        {below ? -end : limit, below ? limit : end, !below && open, below && open, from.float_bytes});
  }
  for (RealRange range : from.real_ranges) {
    long double& side = below ? range.to : range.from;
    bool& side_open = below ? range.open_to : range.open_from;
    if (side == limit) side_open = side_open || open;
    if (below ? limit < side : limit > side) {
      side = limit;
      side_open = open;
    }
    const bool one = !range.open_from && !range.open_to;
    if (range.from < range.to || (range.from == range.to && one)) to.real_ranges.push_back(range);
  }
  for (const double each : from.reals) {
    if ((below ? each < limit : each > limit) || (each == limit && !open)) to.reals.insert(each);
  }
}

// The values of a group, or of what a name stands for.
void Shapes::add_enumeration(Bound what, Reading& to, std::size_t depth) {
  const std::optional<Bound> group = names_.as_group(what);
  if (!group) return add(what, to, depth + 1);
  if (!to.choices.emplace(group->node, group->scope).second) return;
  for (const NodeId sequence : schema_.children(schema_.node(group->node))) {
    for (const NodeId each : schema_.children(schema_.node(sequence))) {
      const Bound value = group->inside(schema_.node(each).b);
      const NodeId label = schema_.node(each).a;
      if (depth > most_depth_of_choices) endless(schema_.node(each));
      if (label != no_node && !to.only_outside) {
        const std::string of = canonical(schema_, names_.resolved(value).node);
        budget_.text(of.size());
        to.out.labels[of].insert(describe(schema_, label, 60));
      }
      if (names_.as_group(value)) {
        add_enumeration(value, to, depth + 1);
      } else {
        add(value, to, depth + 1);
      }
    }
  }
}

void Shapes::add_opaque(Bound what, Shape& out) {
  out.alternatives.push_back({Alternative::Kind::opaque, what, rule_at(what), 0, {}, {}});
}

void Shapes::add_structure(Bound what, Alternative::Kind kind, Reading& to) {
  auto& out = to.out.alternatives;
  const bool map = kind == Alternative::Kind::map;
  if (to.only_outside) return static_cast<void>(out.push_back({kind, what, rule_at(what), 0, {}, {}}));
  const Bound group = what.inside(schema_.node(what.node).a);
  // Each form of the group is tried as a whole.
  for (const NodeId form : schema_.children(schema_.node(group.node))) {
    Expansion each = sequence(group.inside(form), map, 0);
    for (auto& parts : each.all) {
      if (out.size() >= most_alternatives * 16) {
        throw Unchecked{line_of(schema_.node(what.node)) + "it has too many alternatives"};
      }
      Alternative& added = out.emplace_back(Alternative{kind, what, rule_at(what), 0, std::move(parts), each.inexact});
      map ? check_members(added, each.chosen) : check_elements(added);
    }
  }
}

// ---- Groups: all sequences of members or elements that they allow ----

Shapes::Expansion Shapes::sequences(Bound group, bool map, std::size_t depth) {
  if (depth > most_depth_of_choices) endless(schema_.node(group.node));
  Expansion out;
  const auto forms = schema_.children(schema_.node(group.node));
  for (const NodeId form : forms) {
    Expansion each = sequence(group.inside(form), map, depth);
    std::move(each.all.begin(), each.all.end(), std::back_inserter(out.all));
    out.chosen = out.chosen || each.chosen;
    out.open_end = out.open_end || each.open_end;
    if (out.inexact.empty()) out.inexact = std::move(each.inexact);
    if (out.all.size() > most_alternatives) {
      throw Unchecked{line_of(schema_.node(form)) + "it has too many alternatives"};
    }
  }
  if (forms.size() > 1) check_choice(out, map);
  return out;
}

Shapes::Expansion Shapes::sequence(Bound sequence, bool map, std::size_t depth) {
  Expansion out{{{}}, false, false, {}};
  Sequences& all = out.all;
  for (const NodeId each : schema_.children(schema_.node(sequence.node))) {
    const Expansion next = entry(sequence.inside(each), map, depth);
    const bool more = std::any_of(next.all.begin(), next.all.end(), [](const auto& parts) { return !parts.empty(); });
    if (out.inexact.empty()) out.inexact = next.inexact;
    if (out.inexact.empty() && !map && out.open_end && more) {
      out.inexact = "a group that is optional, or one of several, has elements behind it";
    }
    out.chosen = out.chosen || next.chosen;
    out.open_end = out.open_end || next.open_end;
    if (all.size() * next.all.size() > most_alternatives) {
      throw Unchecked{line_of(schema_.node(each)) + "it has too many alternatives"};
    }
    if (next.all.size() == 1) {
      for (auto& one : all) one.insert(one.end(), next.all[0].begin(), next.all[0].end());
      budget_.step(all.size() * next.all[0].size());
      continue;
    }
    Sequences joined;
    for (const auto& one : all) {
      for (const auto& other : next.all) {
        budget_.step(one.size() + other.size());
        joined.push_back(one);
        joined.back().insert(joined.back().end(), other.begin(), other.end());
      }
    }
    all = std::move(joined);
  }
  return out;
}

Shapes::Expansion Shapes::entry(Bound entry, bool map, std::size_t depth) {
  budget_.step();
  const Node& node = schema_.node(entry.node);
  if (node.a == no_node) {
    if (const auto group = names_.as_group(entry.inside(node.b))) {
      if (node.max != 1) {
        throw Unchecked{line_of(node) + "groups that are repeated are not compared"};
      }
      Expansion inside = sequences(*group, map, depth + 1);
      if (node.number == 0) {
        inside.all.emplace_back();
        check_choice(inside, map);
      }
      return inside;
    }
    const Node& found = schema_.node(names_.resolved(entry.inside(node.b)).node);
    if (found.kind == Kind::name) {  // an empty socket
      if (node.number == 0) return {{{}}, false, false, {}};
      return {{}, false, false, {}};
    }
    if (map) throw Unchecked{line_of(node) + "found a member of a map without a key"};
  }
  return {{{part(entry, map)}}, false, false, {}};
}

Part Shapes::part(Bound entry, bool map) {
  const Node& node = schema_.node(entry.node);
  Part out{.key = {},
           .label = {},
           .key_type = {},
           .value = entry.inside(node.b),
           .least = node.number,
           .most = node.max,
           .cut = node.flag};
  if (!map) {
    if (node.a != no_node) out.label = describe(schema_, node.a, 60);
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
