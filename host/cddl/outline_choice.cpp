// SPDX-License-Identifier: Apache-2.0
//
// Reads choices and enumerations as types of an outline.
#include <algorithm>
#include <utility>

#include "cddl/outline_reader.hpp"

namespace backplane::host::cddl {
namespace {

constexpr unsigned most_groups_in_a_row = 32;

Ref literal(Constant value) {
  Ref out;
  out.kind = Ref::Kind::literal;
  out.value = std::move(value);
  return out;
}

Ref text_literal(std::string text) {
  Constant value;
  value.kind = Constant::Kind::text;
  value.text = std::move(text);
  return literal(std::move(value));
}

bool same(const Constant& a, const Constant& b) {
  return a.kind == b.kind && a.flag == b.flag && a.number == b.number && a.real == b.real && a.text == b.text &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                    [](const Constant& x, const Constant& y) { return same(x, y); });
}

/// The alternatives of a choice, with literals of one kind in one of them.
struct Alternatives {
  std::vector<Ref> refs;
  std::vector<std::string> texts;
  std::vector<Wide> numbers;
  std::size_t text_at = SIZE_MAX;    // the place in refs for the texts; SIZE_MAX: there are none
  std::size_t number_at = SIZE_MAX;  // and for the numbers
  bool null = false;
  bool any = false;

  bool has(Ref::Kind kind) const {
    return std::any_of(refs.begin(), refs.end(), [&](const Ref& each) { return each.kind == kind; });
  }
  bool has_literal(bool value) const {
    return std::any_of(refs.begin(), refs.end(), [&](const Ref& each) {
      return each.kind == Ref::Kind::literal && each.value.kind == Constant::Kind::boolean && each.value.flag == value;
    });
  }

  void add(Ref ref) {
    if (ref.kind == Ref::Kind::null) {
      null = true;
    } else if (ref.kind == Ref::Kind::any) {
      any = true;
    } else if (ref.kind == Ref::Kind::nullable) {
      null = true;
      add(std::move(ref.of[0]));
    } else if (ref.kind == Ref::Kind::literal && ref.value.kind == Constant::Kind::text) {
      if (texts.empty()) place(text_at);
      texts.push_back(std::move(ref.value.text));
    } else if (ref.kind == Ref::Kind::literal && ref.value.kind == Constant::Kind::integer) {
      if (numbers.empty()) place(number_at);
      const Wide number = static_cast<Wide>(ref.value.number);
      numbers.push_back(ref.value.flag ? -1 - number : number);
    } else if (std::none_of(refs.begin(), refs.end(), [&](const Ref& each) { return cddl::same(each, ref); })) {
      refs.push_back(std::move(ref));
    }
  }
  // Keeps a place for a type that is known later.
  void place(std::size_t& at) {
    at = refs.size();
    refs.emplace_back();
  }

  // Leaves out what another alternative has.
  void join() {
    if (has_literal(true) && has_literal(false)) {
      const auto first = std::find_if(refs.begin(), refs.end(), [](const Ref& each) {
        return each.kind == Ref::Kind::literal && each.value.kind == Constant::Kind::boolean;
      });
      *first = {};
      first->kind = Ref::Kind::boolean;
    }
    const bool boolean = has(Ref::Kind::boolean);
    const bool real = has(Ref::Kind::real);
    unsigned widest = 0;
    for (const Ref& each : refs) widest = each.kind == Ref::Kind::real ? std::max(widest, each.bits) : widest;
    std::erase_if(refs, [&](const Ref& each) {
      if (each.kind == Ref::Kind::literal && each.value.kind == Constant::Kind::boolean) return boolean;
      if (each.kind == Ref::Kind::literal && each.value.kind == Constant::Kind::real) return real;
      if (each.kind == Ref::Kind::integer) return real && each.unit.empty();
      return each.kind == Ref::Kind::real && each.bits < widest;
    });
  }
};

}  // namespace

bool same(const Ref& a, const Ref& b) {
  return a.kind == b.kind && a.bits == b.bits && a.is_signed == b.is_signed && a.unit == b.unit && a.size == b.size &&
         a.name == b.name && a.least == b.least && a.most == b.most && same(a.value, b.value) &&
         std::equal(a.of.begin(), a.of.end(), b.of.begin(), b.of.end(),
                    [](const Ref& x, const Ref& y) { return same(x, y); });
}

void TypeReader::choices(NodeId id, std::vector<NodeId>& to) const {
  id = schema_.inside_parentheses(id);
  if (schema_.node(id).kind != Kind::choice) return to.push_back(id);
  for (const NodeId each : children(id)) choices(each, to);
}

Ref TypeReader::read_choice(NodeId id, const Spot& spot, unsigned depth) {
  if (const auto ways = members_of(id)) return add_structure(*ways, spot);
  std::vector<NodeId> all;
  choices(id, all);
  const auto is_map = [&](NodeId each) { return schema_.node(each).kind == Kind::map; };
  const bool several = std::count_if(all.begin(), all.end(), is_map) > 1;
  Alternatives found;
  for (const NodeId each : all) {
    budget_.step(1 + found.refs.size());  // each is compared with those before
    found.add(read(each, several ? spot.inside("Choice") : spot, depth + 2));
  }
  if (found.any) return {};
  if (found.text_at != SIZE_MAX && !found.has(Ref::Kind::text)) {
    std::vector<std::string>& texts = found.texts;
    Ref& place = found.refs[found.text_at];
    if (texts.size() == 1) {
      place = text_literal(std::move(texts[0]));
    } else {
      place.kind = Ref::Kind::named;
      place.name = add_enumeration(std::move(texts), spot);
    }
  }
  if (found.number_at != SIZE_MAX && !found.has(Ref::Kind::integer) && !found.has(Ref::Kind::real)) {
    found.refs[found.number_at] = integers(found.numbers, id, spot);
    if (found.refs[found.number_at].kind == Ref::Kind::any) return {};
  }
  std::erase_if(found.refs, [](const Ref& each) { return each.kind == Ref::Kind::any; });  // places without use
  found.join();
  Ref out;
  if (found.refs.empty()) {
    out.kind = Ref::Kind::null;
    return out;
  }
  if (found.refs.size() == 1) {
    out = std::move(found.refs[0]);
  } else {
    out.kind = Ref::Kind::choice;
    out.of = std::move(found.refs);
  }
  if (!found.null) return out;
  Ref nullable;
  nullable.kind = Ref::Kind::nullable;
  nullable.of.push_back(std::move(out));
  return nullable;
}

// Bindings have no enumerations of numbers.
Ref TypeReader::integers(const std::vector<Wide>& numbers, NodeId id, const Spot& spot) {
  if (numbers.size() == 1) {
    Constant value;
    value.kind = Constant::Kind::integer;
    value.flag = numbers[0] < 0;
    value.number = static_cast<std::uint64_t>(value.flag ? -1 - numbers[0] : numbers[0]);
    return literal(std::move(value));
  }
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  const auto out = integer_type(*least, *most);
  if (!out) return unknown(id, spot);
  warn(spot, "found " + describe(schema_, id) + "; bindings have it as " + (out->is_signed ? "int" : "uint") +
                 std::to_string(out->bits));
  return *out;
}

// ---- Enumerations ----

// The values of &(…).
bool TypeReader::values(NodeId group, std::vector<NodeId>& to, unsigned depth) {
  if (depth > most_groups_in_a_row) return false;
  for (const NodeId sequence : children(group)) {
    for (const NodeId each : children(sequence)) {
      budget_.step();
      const Bound value{schema_.node(each).b, nullptr};
      if (const auto inside = names_.as_group(value)) {
        if (inside->scope != nullptr && !inside->scope->arguments.empty()) return false;
        if (!values(inside->node, to, depth + 1)) return false;
      } else {
        to.push_back(value.node);
      }
    }
  }
  return true;
}

Ref TypeReader::read_enumeration(NodeId id, const Spot& spot) {
  const auto group = names_.as_group({schema_.node(id).a, nullptr});
  std::vector<NodeId> all;
  if (!group || (group->scope != nullptr && !group->scope->arguments.empty()) || !values(group->node, all, 0) ||
      all.empty()) {
    return unknown(id, spot);
  }
  std::vector<std::string> texts;
  std::vector<Wide> numbers;
  for (const NodeId each : all) {
    const auto found = names_.literal_of({each, nullptr});
    if (found && found->kind == Kind::text) texts.push_back(schema_.text(*found));
    if (found && found->kind == Kind::integer) numbers.push_back(wide(*found));
  }
  if (numbers.size() == all.size()) return integers(numbers, id, spot);
  if (texts.size() != all.size()) return unknown(id, spot);
  Ref out;
  out.kind = Ref::Kind::named;
  out.name = add_enumeration(std::move(texts), spot);
  return out;
}

// What a type has if it is one of several texts, or one text alone.
std::optional<std::vector<std::string>> TypeReader::texts(NodeId id) {
  std::vector<NodeId> all;
  id = schema_.inside_parentheses(id);
  if (schema_.node(id).kind == Kind::enumeration) {
    const auto group = names_.as_group({schema_.node(id).a, nullptr});
    if (!group || (group->scope != nullptr && !group->scope->arguments.empty())) return std::nullopt;
    if (!values(group->node, all, 0) || all.empty()) return std::nullopt;
  } else {
    choices(id, all);
  }
  std::vector<std::string> out;
  for (const NodeId each : all) {
    budget_.step();
    const Node& node = schema_.node(schema_.inside_parentheses(each));
    if (node.kind != Kind::text) return std::nullopt;
    out.push_back(schema_.text(node));
  }
  return out;
}

std::string TypeReader::add_enumeration(std::vector<std::string> values, const Spot& spot) {
  OutlineType type;
  type.name = unique_.add(spot.name);
  type.kind = OutlineType::Kind::enumeration;
  type.members = enumerators(std::move(values));
  types_.push_back(std::move(type));
  return types_.back().name;
}

std::vector<OutlineMember> enumerators(std::vector<std::string> values) {
  std::vector<OutlineMember> out;
  std::set<std::string, std::less<>> seen;
  for (std::string& value : values) {
    if (!seen.insert(value).second) continue;
    out.emplace_back().name = std::move(value);
  }
  return out;
}

}  // namespace backplane::host::cddl
