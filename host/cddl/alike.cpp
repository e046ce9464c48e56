// SPDX-License-Identifier: Apache-2.0
//
// Compares what can only be compared as it is written: types that mean the same if each part of them does, and
// controls.
#include <algorithm>

#include "cddl/type_compare.hpp"

namespace backplane::host::cddl {
namespace {

bool has_b(Kind kind) { return kind == Kind::range || kind == Kind::control || kind == Kind::entry; }

bool has_a(Kind kind) {
  return has_b(kind) || kind == Kind::map || kind == Kind::array || kind == Kind::unwrap || kind == Kind::enumeration ||
         kind == Kind::tag;
}

bool same_node(const Schema& old, const Node& was, const Schema& next, const Node& is) {
  if (was.kind != is.kind || was.count != is.count || was.flag != is.flag) return false;
  switch (was.kind) {
    case Kind::real:
      return was.real == is.real;
    case Kind::text:
    case Kind::bytes:
    case Kind::name:  // a socket without rules
      return old.text(was) == next.text(is);
    case Kind::control:
      return was.control == is.control && old.text(was) == next.text(is);
    default:
      return was.number == is.number && was.max == is.max;
  }
}

}  // namespace

// Compares two nodes, and puts what is inside of them to `open`.
bool TypeCompare::alike_here(const Sides& at, std::vector<Sides>& open, Renames& renames) {
  const Sides found{before_.resolved(at.before), after_.resolved(at.after)};
  const Node& was = old_.node(found.before.node);
  const Node& is = new_.node(found.after.node);
  if (!same_node(old_, was, new_, is)) return false;
  const Rule* const old_name = before_.named(at.before);
  const Rule* const new_name = after_.named(at.after);
  if (old_name != nullptr && new_name != nullptr && old_name->name != new_name->name) {
    renames.emplace_back(old_name, new_name);
  }
  // A unit may be behind a name that has stayed.
  const Rule* const old_unit = before_.unit_rule(at.before);
  const Rule* const new_unit = after_.unit_rule(at.after);
  const bool told = old_unit == old_name && new_unit == new_name;
  if (old_unit != nullptr && new_unit != nullptr && !told && unit_of(old_unit->name) != unit_of(new_unit->name)) {
    renames.emplace_back(old_unit, new_unit);
  }
  // Only the name says the width of a float.
  const Rule* const old_rule = before_.rule_at(found.before);
  const Rule* const new_rule = after_.rule_at(found.after);
  const auto single = [](const Rule* rule) { return rule != nullptr && rule->name == "single"; };
  if (single(old_rule) != single(new_rule)) return false;
  const auto inside = [&](NodeId before, NodeId after) {
    if ((before == no_node) != (after == no_node)) return false;
    if (before != no_node) open.push_back({found.before.inside(before), found.after.inside(after)});
    return true;
  };
  if (has_a(was.kind) && !inside(was.a, is.a)) return false;
  if (has_b(was.kind) && !inside(was.b, is.b)) return false;
  const auto children = old_.children(was);
  const auto others = new_.children(is);
  for (std::size_t i = 0; was.kind != Kind::name && i < children.size(); ++i) inside(children[i], others[i]);
  return true;
}

// Whether both sides are written alike, with all names in them followed. Tells names that have changed.
bool TypeCompare::alike(std::size_t pair, const Sides& at, const std::string& where) try {
  if (at.before.node == no_node || at.after.node == no_node) return false;
  std::vector<Sides> open = {at};
  std::set<Key> seen;
  Renames renames;
  while (!open.empty()) {
    budget_.step();
    const Sides next = open.back();
    open.pop_back();
    if (!seen.insert(key_of(next, Flow::none)).second) continue;
    if (!alike_here(next, open, renames)) return false;
  }
  for (const auto& [was, is] : renames) name_change(pair, was, is, where, false);
  return true;
} catch (const Unchecked&) {
  return false;
}

// The texts are the same, so the names in them stand at the same places. What a type takes grows with each type in it,
// but for the argument of .ne.
void TypeCompare::opaque(std::size_t pair, const Alternative& before, const Alternative& after) {
  if (alike(pair, {before.what, after.what}, pairs_[pair].where)) return;
  std::vector<Sides> open = {{before.what, after.what}};
  while (!open.empty()) {
    budget_.step();
    const Sides at = open.back();
    open.pop_back();
    const Node& was = old_.node(at.before.node);
    const Node& is = new_.node(at.after.node);
    if (was.kind != is.kind) throw Unchecked{line_of(is) + "it cannot be compared"};
    switch (was.kind) {
      case Kind::control:
        open.push_back({at.before.inside(was.a), at.after.inside(is.a)});
        if (was.control != Control::ne) {
          open.push_back({at.before.inside(was.b), at.after.inside(is.b)});
        } else if (!alike(pair, {at.before.inside(was.b), at.after.inside(is.b)}, pairs_[pair].where)) {
          note(pair, What::unknown, pairs_[pair].where,
               "the type " + shown(after_, at.after) + " cannot be compared: what stands behind .ne has changed");
        }
        break;
      case Kind::choice: {
        const auto children = old_.children(was);
        const auto others = new_.children(is);
        for (std::size_t i = 0; i < std::min(children.size(), others.size()); ++i) {
          open.push_back({at.before.inside(children[i]), at.after.inside(others[i])});
        }
        break;
      }
      case Kind::unwrap:
      case Kind::tag:
        open.push_back({at.before.inside(was.a), at.after.inside(is.a)});
        break;
      case Kind::group:
      case Kind::sequence:
      case Kind::entry:
      case Kind::parameter:
      case Kind::name:
        if (was.number == no_rule && is.number == no_rule && was.kind == Kind::name) break;
        [[fallthrough]];
      default:
        visit(pair, at, pairs_[pair].where);
    }
  }
}

}  // namespace backplane::host::cddl
