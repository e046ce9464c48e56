// SPDX-License-Identifier: Apache-2.0
//
// Reads maps, arrays and the rules of types as types of an outline.
#include <algorithm>
#include <utility>

#include "cddl/outline_reader.hpp"

namespace backplane::host::cddl {
namespace {

constexpr unsigned most_groups_in_a_row = 32;
constexpr unsigned most_levels_of_values = 16;

bool generic(const Bound& what) { return what.scope != nullptr && !what.scope->arguments.empty(); }

// A comment on an enumeration has the docs of its values behind its own: words; red: as fire; green: as grass.
void take_value_docs(OutlineType& type) {
  constexpr std::string_view gap = "; ";
  std::map<std::string_view, OutlineMember*> values;
  for (OutlineMember& each : type.members) values.emplace(each.name, &each);
  std::string doc;
  std::string* last = &doc;
  std::string_view rest = type.doc;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(gap), rest.size());
    const std::string_view piece = rest.substr(0, end);
    rest.remove_prefix(std::min(end + gap.size(), rest.size()));
    const std::size_t colon = piece.find(": ");
    const auto value = colon == std::string_view::npos ? values.end() : values.find(piece.substr(0, colon));
    if (value != values.end() && value->second->doc.empty()) {
      last = &value->second->doc;
      *last = piece.substr(colon + 2);
    } else {
      *last += (last->empty() ? "" : std::string(gap)) + std::string(piece);
    }
  }
  type.doc = std::move(doc);
}

std::string with_unread(std::string doc, const std::string& unread) {
  if (unread.empty()) return doc;
  return doc + (doc.empty() ? "" : "; ") + "in CDDL: " + unread;
}

}  // namespace

// ---- Parts ----

// Adds the parts of a sequence, with those of the groups in it. Returns false if there is something else in it.
bool TypeReader::parts(NodeId sequence, bool map, bool optional, Sequence& to, unsigned depth) {
  if (depth > most_groups_in_a_row) return false;
  for (const NodeId id : children(sequence)) {
    budget_.step();
    const Node& entry = schema_.node(id);
    Part part{
        .entry = id, .key = {}, .optional = optional || entry.number == 0, .least = entry.number, .most = entry.max};
    if (entry.max == 0) continue;
    if (entry.a == no_node) {
      if (const auto group = names_.as_group({entry.b, nullptr})) {
        const auto inside = children(group->node);
        const bool once = entry.max == 1 && (map || entry.number == 1);
        if (!once || generic(*group) || inside.size() != 1) return false;
        if (!parts(inside[0], map, part.optional, to, depth + 1)) return false;
        continue;
      }
      const Node& value = schema_.node(schema_.inside_parentheses(entry.b));
      if (map && value.kind == Kind::name && value.number == no_rule) continue;  // a socket without rules
      if (map) return false;
    } else if (map) {
      const auto key = names_.literal_of({entry.a, nullptr});
      if (key && key->kind != Kind::text) return false;
      part.wild = !key;
      if (key) part.key = schema_.text(*key);
    }
    to.push_back(std::move(part));
  }
  return true;
}

// One for each of the ways in which a map or array may be.
std::optional<std::vector<TypeReader::Sequence>> TypeReader::sequences(NodeId id, bool map) {
  std::vector<Sequence> out;
  for (const NodeId each : children(schema_.node(id).a)) {
    if (!parts(each, map, false, out.emplace_back(), 0)) return std::nullopt;
  }
  return out;
}

// ---- Maps ----

Ref TypeReader::read_map(NodeId id, const Spot& spot, unsigned depth) {
  if (auto found = dictionary(id, spot, depth)) return std::move(*found);
  const auto ways = members_of(id);
  return ways ? add_structure(*ways, spot) : unknown(id, spot);
}

// A map from any keys of one type.
std::optional<Ref> TypeReader::dictionary(NodeId id, const Spot& spot, unsigned depth) {
  const auto ways = sequences(id, true);
  if (!ways || ways->size() != 1 || (*ways)[0].size() != 1 || !(*ways)[0][0].wild) return std::nullopt;
  const Node& entry = schema_.node((*ways)[0][0].entry);
  Ref out;
  out.kind = Ref::Kind::map;
  out.of.push_back(key_type(entry.a, spot));
  if (out.of[0].kind != Ref::Kind::text && out.of[0].kind != Ref::Kind::integer) return std::nullopt;
  out.of.push_back(read(entry.b, spot.inside("Value"), depth + 1));
  return out;
}

Ref TypeReader::key_type(NodeId id, const Spot& spot) {
  for (unsigned i = 0; i < most_groups_in_a_row; ++i) {
    budget_.step();
    id = schema_.inside_parentheses(id);
    if (auto found = scalar(id)) return std::move(*found);
    if (texts(id)) break;
    const Node& node = schema_.node(id);
    if (node.kind == Kind::control && node.control != Control::both) {
      id = node.a;
    } else if (node.kind == Kind::name && node.number != no_rule && node.count == 0 &&
               !schema_.rules()[node.number].standard) {
      id = schema_.rules()[node.number].body;
    } else {
      return node.kind == Kind::name || node.kind == Kind::major ? read(id, spot, 0) : Ref{};
    }
  }
  Ref out;
  out.kind = texts(id) ? Ref::Kind::text : Ref::Kind::any;
  return out;
}

// The members of a structure, or one sequence for each case of a tagged type; nothing if the type is neither.
std::optional<std::vector<TypeReader::Sequence>> TypeReader::members_of(NodeId id) {
  std::vector<NodeId> maps;
  choices(id, maps);
  std::vector<Sequence> out;
  for (const NodeId map : maps) {
    if (schema_.node(map).kind != Kind::map) return std::nullopt;
    auto ways = sequences(map, true);
    if (!ways) return std::nullopt;
    std::move(ways->begin(), ways->end(), std::back_inserter(out));
  }
  const auto named = [](const Part& part) { return !part.wild; };
  if (out.size() == 1) {
    const bool some = out[0].empty() || std::any_of(out[0].begin(), out[0].end(), named);
    return some ? std::optional(std::move(out)) : std::nullopt;
  }
  std::set<std::string_view> keys;
  for (const Sequence& way : out) {
    if (way.size() != 1 || way[0].wild || way[0].optional || !keys.insert(way[0].key).second) return std::nullopt;
  }
  return out;
}

void TypeReader::structure(const std::vector<Sequence>& ways, const Spot& spot, OutlineType& out) {
  out.kind = ways.size() > 1 ? OutlineType::Kind::tagged : OutlineType::Kind::structure;
  std::set<std::string_view> keys;
  for (const Sequence& way : ways) {
    for (const Part& part : way) {
      if (part.wild) {
        warn(spot, "found " + describe(schema_, part.entry) + " beside named members; bindings leave it out");
      } else if (keys.insert(part.key).second) {
        out.members.push_back(member(part, spot));
      } else {
        warn(spot, "found the member " + part.key + " twice; bindings have the first");
      }
    }
  }
}

// A type for a map that has no name of its own.
Ref TypeReader::add_structure(const std::vector<Sequence>& ways, const Spot& spot) {
  OutlineType type;
  const Spot here{unique_.add(spot.name), spot.path};
  type.name = here.name;
  const std::size_t at = types_.size();
  types_.push_back(type);  // types in it come behind it
  structure(ways, here, type);
  types_[at] = std::move(type);
  Ref out;
  out.kind = Ref::Kind::named;
  out.name = here.name;
  return out;
}

OutlineMember TypeReader::member(const Part& part, const Spot& spot) {
  const Node& entry = schema_.node(part.entry);
  const Spot here = spot.member(part.key);
  OutlineMember out;
  out.name = part.key;
  out.optional = part.optional;
  std::vector<std::string> outer = std::exchange(unread_, {});
  out.type = read(entry.b, here, 0);
  out.doc = with_unread(schema_.text(entry), take_unread());
  unread_ = std::move(outer);
  if (const NodeId value = default_of(entry.b); value != no_node) {
    out.default_value = constant_of(value, 0);
    if (!out.default_value) warn(here, "found .default " + describe(schema_, value) + "; bindings leave it out");
  }
  return out;
}

// ---- Arrays ----

Ref TypeReader::read_array(NodeId id, const Spot& spot, unsigned depth) {
  const auto ways = sequences(id, false);
  if (!ways || ways->size() != 1) return unknown(id, spot);
  const Sequence& elements = (*ways)[0];
  Ref out;
  const auto once = [](const Part& part) { return part.least == 1 && part.most == 1; };
  if (elements.size() == 1 && !once(elements[0])) {
    out.kind = Ref::Kind::list;
    out.least = elements[0].least;
    out.most = elements[0].most;
    out.of.push_back(read(schema_.node(elements[0].entry).b, spot.inside("Item"), depth + 1));
    return out;
  }
  if (!std::all_of(elements.begin(), elements.end(), once)) return unknown(id, spot);
  out.kind = Ref::Kind::tuple;
  for (const Part& each : elements) {
    out.of.push_back(read(schema_.node(each.entry).b, spot.inside("Item"), depth + 2));
  }
  return out;
}

// ---- Values ----

// The argument of a .default in a type; no_node: there is none.
NodeId TypeReader::default_of(NodeId id) const {
  std::vector<NodeId> all;
  choices(id, all);
  for (const NodeId each : all) {
    const Node& node = schema_.node(each);
    if (node.kind == Kind::control && node.control == Control::default_) return node.b;
  }
  return no_node;
}

std::optional<Constant> TypeReader::constant_of(NodeId id, unsigned depth) {
  budget_.step();
  const Bound found = names_.resolved({id, nullptr});
  if (depth > most_levels_of_values || generic(found)) return std::nullopt;
  const Node& node = schema_.node(found.node);
  Constant out;
  const auto add = [&](NodeId each) {
    auto value = constant_of(each, depth + 1);
    if (value) out.items.push_back(std::move(*value));
    return value.has_value();
  };
  switch (node.kind) {
    case Kind::integer:
      out.kind = Constant::Kind::integer;
      out.flag = node.flag;
      out.number = node.number;
      return out;
    case Kind::real:
      out.kind = Constant::Kind::real;
      out.real = node.real;
      return out;
    case Kind::text:
    case Kind::bytes:
      out.kind = node.kind == Kind::text ? Constant::Kind::text : Constant::Kind::bytes;
      out.text = schema_.text(node);
      return out;
    case Kind::major:
      if (node.number != 7 || node.max < 20 || node.max > 22) return std::nullopt;
      out.kind = node.max == 22 ? Constant::Kind::null : Constant::Kind::boolean;
      out.flag = node.max == 21;
      return out;
    case Kind::map:
    case Kind::array: {
      const bool map = node.kind == Kind::map;
      out.kind = map ? Constant::Kind::map : Constant::Kind::list;
      const auto ways = sequences(found.node, map);
      if (!ways || ways->size() != 1) return std::nullopt;
      for (const Part& part : (*ways)[0]) {
        const Node& entry = schema_.node(part.entry);
        if (part.wild || part.least != 1 || part.most != 1) return std::nullopt;
        if ((map && !add(entry.a)) || !add(entry.b)) return std::nullopt;
      }
      return out;
    }
    default:
      return std::nullopt;
  }
}

// ---- Rules ----

// Adds the type of a rule that has a name.
void TypeReader::fill(const Rule& rule) {
  OutlineType type;
  const Spot spot{type_names_[&rule], rule.name};
  const std::size_t at = types_.size();
  type.name = spot.name;
  type.doc = rule.comment;
  types_.push_back(type);  // types in it come behind it
  try {
    const NodeId body = schema_.inside_parentheses(rule.body);
    if (auto values = texts(body)) {
      type.kind = OutlineType::Kind::enumeration;
      type.members = enumerators(std::move(*values));
      take_value_docs(type);
    } else if (const auto ways = members_of(body)) {
      structure(*ways, spot, type);
    } else {
      type.type = read(body, spot, 0);
    }
  } catch (const Unchecked& stop) {
    type.kind = OutlineType::Kind::alias;
    type.members.clear();
    type.type = unknown(rule.body, spot, describe(schema_, rule.body) + ", but " + stop.why);
  }
  type.doc = with_unread(std::move(type.doc), take_unread());
  types_[at] = std::move(type);
}

}  // namespace backplane::host::cddl
