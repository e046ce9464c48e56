// SPDX-License-Identifier: Apache-2.0
//
// Compares the members of maps, the elements of arrays, and what is only compared as text; and finds out which wire
// names a change reaches.
#include <algorithm>
#include <map>

#include "cddl/type_compare.hpp"

namespace backplane::host::cddl {
namespace {

constexpr std::size_t most_attributed = 8;

std::string path_of(const std::string& where, const Part& part) {
  return where + "." + (part.key.empty() ? "*" : part.label);
}

std::string member_words(const Part& part) {
  return part.key.empty() ? "members " + part.label : "member \"" + part.label + "\"";
}

}  // namespace

// The member of `map` with keys of a type that takes the key of `member`. Null: there is none.
const Part* TypeCompare::wildcard_for(Shapes& shapes, const Alternative& map, Shapes& keys, const Part& member) {
  for (const Part& part : map.parts) {
    budget_.step();
    if (!part.key.empty()) continue;
    const Shape taken = shapes.of(part.key_type);
    if (taken.any) return &part;
    const Beyond left = beyond(keys.of(member.key_type).scalars, taken.scalars);
    if (!left.more && left.literals.empty()) return &part;
  }
  return nullptr;
}

void TypeCompare::members(std::size_t pair, const Alternative& before, const Alternative& after) {
  const std::string where = pairs_[pair].where;
  std::map<std::string_view, const Part*> next;
  std::vector<const Part*> any_before;
  std::vector<const Part*> any_after;
  for (const Part& part : after.parts) {
    budget_.step();
    if (part.key.empty()) {
      any_after.push_back(&part);
    } else {
      next.emplace(part.key, &part);
    }
  }
  const auto gone = [&](const Part& part) {
    note(pair, part.optional() ? What::member_gone : What::required_gone, where,
         "the " + member_words(part) + (part.key.empty() ? " are gone" : " is gone"));
  };
  const auto added = [&](const Part& part) {
    const char* const kind = part.key.empty() ? "" : part.optional() ? "optional " : "required ";
    note(pair, part.optional() ? What::member_added : What::required_added, where,
         "the " + (kind + member_words(part)) + (part.key.empty() ? " are new" : " is new"));
  };
  for (const Part& part : before.parts) {
    budget_.step();
    if (part.key.empty()) {
      any_before.push_back(&part);
      continue;
    }
    const auto found = next.find(part.key);
    const Part* const same = found != next.end() ? found->second : wildcard_for(after_, after, before_, part);
    if (same == nullptr) {
      gone(part);
      continue;
    }
    const std::string path = path_of(where, part);
    if (found != next.end()) {
      presence(pair, part, *same, path);
      next.erase(found);
    } else if (!part.optional()) {
      note(pair, What::now_optional, path, "it is one of the members " + same->label + " now");
    }
    visit(pair, {part.value, same->value}, path);
  }
  for (const Part& part : after.parts) {  // in the order of the text
    const auto left = next.find(part.key);
    if (part.key.empty() || left == next.end() || left->second != &part) continue;
    const Part* const wild = wildcard_for(before_, before, after_, part);
    if (wild == nullptr) {
      added(part);
      continue;
    }
    if (!part.optional()) note(pair, What::now_required, path_of(where, part), "it is required now");
    visit(pair, {wild->value, part.value}, path_of(where, part));
  }
  for (std::size_t i = 0; i < std::max(any_before.size(), any_after.size()); ++i) {
    if (i >= any_after.size()) {
      gone(*any_before[i]);
    } else if (i >= any_before.size()) {
      added(*any_after[i]);
    } else {
      presence(pair, *any_before[i], *any_after[i], path_of(where, *any_after[i]));
      visit(pair, {any_before[i]->key_type, any_after[i]->key_type}, path_of(where, *any_after[i]) + " (key)");
      visit(pair, {any_before[i]->value, any_after[i]->value}, path_of(where, *any_after[i]));
    }
  }
}

void TypeCompare::elements(std::size_t pair, const Alternative& before, const Alternative& after) {
  const std::string where = pairs_[pair].where;
  const std::size_t common = std::min(before.parts.size(), after.parts.size());
  for (std::size_t i = 0; i < common; ++i) {
    budget_.step();
    const Part& was = before.parts[i];
    const Part& is = after.parts[i];
    const std::string path = where + (common == 1 && is.most != 1 ? "[]" : "[" + std::to_string(i) + "]");
    presence(pair, was, is, path);
    visit(pair, {was.value, is.value}, path);
  }
  const bool longer = after.parts.size() > common;
  const auto& rest = longer ? after.parts : before.parts;
  if (rest.size() == common) return;
  const bool all_optional = std::all_of(rest.begin() + static_cast<std::ptrdiff_t>(common), rest.end(),
                                        [](const Part& part) { return part.optional(); });
  note(pair,
       !all_optional ? What::other_type
       : longer      ? What::wider
                     : What::narrower,
       where, "it has " + std::to_string(after.parts.size()) + " elements, had " + std::to_string(before.parts.size()));
}

// The texts are the same, so the names in them stand at the same places.
void TypeCompare::opaque(std::size_t pair, const Alternative& before, const Alternative& after) {
  std::vector<Sides> open = {{before.what, after.what}};
  while (!open.empty()) {
    budget_.step();
    const Sides at = open.back();
    open.pop_back();
    const Node& was = old_.node(at.before.node);
    const Node& is = new_.node(at.after.node);
    if (was.kind != is.kind) throw Unchecked{line_of(is) + "it cannot be compared"};
    if (was.kind == Kind::name || was.kind == Kind::parameter) {
      if (was.number != no_rule && is.number != no_rule) visit(pair, at, pairs_[pair].where);
      continue;
    }
    const bool both = was.kind == Kind::range || was.kind == Kind::control || was.kind == Kind::entry;
    if (was.a != no_node && is.a != no_node && was.kind > Kind::parameter) {
      open.push_back({at.before.inside(was.a), at.after.inside(is.a)});
    }
    if (both) open.push_back({at.before.inside(was.b), at.after.inside(is.b)});
    const auto children = old_.children(was);
    const auto others = new_.children(is);
    for (std::size_t i = 0; i < std::min(children.size(), others.size()); ++i) {
      open.push_back({at.before.inside(children[i]), at.after.inside(others[i])});
    }
  }
}

// Names the wire rules that each change reaches, as far as the steps last.
void TypeCompare::attribute() {
  if (changes_.empty()) return;
  std::size_t steps = 1'000'000;
  for (Pair& pair : pairs_) {  // members of one type lead to one pair
    std::sort(pair.inner.begin(), pair.inner.end());
    pair.inner.erase(std::unique(pair.inner.begin(), pair.inner.end()), pair.inner.end());
  }
  std::vector<std::size_t> seen(pairs_.size(), SIZE_MAX);
  for (std::size_t root = 0; root < roots_.size(); ++root) {
    std::vector<std::size_t> open = {roots_[root].pair};
    while (!open.empty() && steps != 0) {
      const std::size_t at = open.back();
      open.pop_back();
      if (seen[at] == root) continue;
      seen[at] = root;
      --steps;
      for (const std::size_t change : pairs_[at].changes) {
        auto& names = changes_[change].names;
        if (names.size() < most_attributed) {
          names.push_back(roots_[root].name);
        } else {
          ++changes_[change].more_names;
        }
      }
      for (const std::size_t inner : pairs_[at].inner) open.push_back(inner);
    }
  }
}

}  // namespace backplane::host::cddl
