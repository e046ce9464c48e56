// SPDX-License-Identifier: Apache-2.0
//
// Compares the members of maps, the elements of arrays, and what is only compared as text; and finds out which wire
// names a change reaches.
#include <algorithm>
#include <map>
#include <set>

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

std::vector<const Part*> wild_parts(const Alternative& map) {
  std::vector<const Part*> out;
  for (const Part& part : map.parts) {
    if (part.key.empty()) out.push_back(&part);
  }
  return out;
}

}  // namespace

/// Two maps that are compared.
struct TypeCompare::Members {
  std::size_t pair;
  std::string where;
  const Alternative& before;
  const Alternative& after;
  bool old_sends;
  std::vector<const Part*> wild_before, wild_after;
  std::vector<Shape> keys_before, keys_after;  // of the wildcards

  const std::vector<const Part*>& received_wild() const { return old_sends ? wild_after : wild_before; }
};

// Whether `keys` has the literal `key` for certain.
bool TypeCompare::covers(const Shape& keys, const Shape& key) {
  if (keys.any) return true;
  const Beyond left = beyond(key.scalars, keys.scalars);
  return !left.more && left.literals.empty();
}

// Whether a receiver that ignores unknown members ignores this one. Who reads all members, as a map, ignores none, and
// names of members are texts.
bool TypeCompare::ignored(const Members& all, const Part& part) {
  if (reads_strictly(pairs_[all.pair].flow) || !all.received_wild().empty()) return false;
  const Shape key = (all.old_sends ? before_ : after_).outside_of(part.key_type);
  if (key.any || key.any_map || key.any_array || key.any_tag || !key.alternatives.empty()) return false;
  Scalars others = key.scalars;
  others.texts = {};
  return others.empty();
}

// A member that only one side has.
void TypeCompare::one_sided(Members& all, const Part& part, bool was) {
  const bool lenient = !reads_strictly(pairs_[all.pair].flow);
  const std::string path = path_of(all.where, part);
  const char* const kind = part.key.empty() || was ? "" : part.optional() ? "optional " : "required ";
  std::string text =
      "the " + (kind + member_words(part)) + (part.key.empty() ? " are " : " is ") + (was ? "gone" : "new");
  if (was && was == all.old_sends && lenient && !ignored(all, part)) {
    return note(all.pair, What::narrower, path, text + ", and such a key is not ignored");
  }
  if (!was && was == all.old_sends && lenient && !ignored(all, part)) {
    return note(all.pair, What::wider, path, text + ", and such a key is not ignored");
  }
  const What what = was ? (part.optional() ? What::member_gone : What::required_gone)
                        : (part.optional() ? What::member_added : What::required_added);
  note(all.pair, what, path, std::move(text));
}

// A member with a literal key that the other side has at most among its members of any key.
void TypeCompare::routed(Members& all, const Part& part, bool was) {
  const auto& wild = was ? all.wild_after : all.wild_before;
  const auto& keys = was ? all.keys_after : all.keys_before;
  const bool sent = was == all.old_sends;  // by who has the literal key
  const std::string path = path_of(all.where, part);
  const Shape key = (was ? before_ : after_).outside_of(part.key_type);
  bool found = false;
  for (std::size_t i = 0; i < wild.size(); ++i) {
    budget_.step();
    if (!(sent ? covers(keys[i], key) : Shapes::may_meet(keys[i], key))) continue;
    if (!found && !part.optional()) {
      was ? note(all.pair, What::now_optional, path, "it is one of the members " + wild[i]->label + " now")
          : note(all.pair, What::now_required, path, "it is required now");
    }
    found = true;
    visit(all.pair, was ? Sides{part.value, wild[i]->value} : Sides{wild[i]->value, part.value}, path);
    if (sent) break;
  }
  if (!found) return one_sided(all, part, was);
  const auto& received = all.received_wild();
  const auto counted = std::find_if(received.begin(), received.end(), [](const Part* each) { return each->counted(); });
  if (counted != received.end()) {
    note(all.pair, What::unknown, path,
         "it cannot be compared: members " + (*counted)->label +
             " are counted, and it may be one of them on one side only");
  }
}

// Members with keys of a type: those whose keys are written in the same way, then the others in their order.
void TypeCompare::wildcards(Members& all) {
  std::vector<const Part*> left_before, left_after;
  std::multimap<std::string_view, const Part*> by_label;
  std::vector<std::pair<const Part*, const Part*>> pairs;
  for (const Part* const part : all.wild_after) by_label.emplace(part->label, part);
  std::set<const Part*> used;
  for (const Part* const part : all.wild_before) {
    budget_.step();
    const auto found = by_label.find(part->label);
    if (found == by_label.end()) {
      left_before.push_back(part);
      continue;
    }
    pairs.emplace_back(part, found->second);
    used.insert(found->second);
    by_label.erase(found);
  }
  for (const Part* const part : all.wild_after) {
    if (!used.contains(part)) left_after.push_back(part);
  }
  const std::size_t common = std::min(left_before.size(), left_after.size());
  for (std::size_t i = 0; i < common; ++i) pairs.emplace_back(left_before[i], left_after[i]);
  for (const auto& [was, is] : pairs) {
    budget_.step();
    const std::string path = path_of(all.where, *is);
    presence(all.pair, *was, *is, path);
    visit(all.pair, {was->key_type, is->key_type}, path + " (key)");
    visit(all.pair, {was->value, is->value}, path);
  }
  for (std::size_t i = common; i < left_before.size(); ++i) one_sided(all, *left_before[i], true);
  for (std::size_t i = common; i < left_after.size(); ++i) one_sided(all, *left_after[i], false);
}

void TypeCompare::members(std::size_t pair, const Alternative& before, const Alternative& after) {
  Members all{pair,
              pairs_[pair].where,
              before,
              after,
              sent_by_callers(pairs_[pair].flow),
              wild_parts(before),
              wild_parts(after),
              {},
              {}};
  for (const Part* const part : all.wild_before) all.keys_before.push_back(before_.outside_of(part->key_type));
  for (const Part* const part : all.wild_after) all.keys_after.push_back(after_.outside_of(part->key_type));
  std::map<std::string_view, const Part*> next;
  for (const Part& part : after.parts) {
    budget_.step();
    if (!part.key.empty()) next.emplace(part.key, &part);
  }
  for (const Part& part : before.parts) {
    budget_.step();
    if (part.key.empty()) continue;
    const auto found = next.find(part.key);
    if (found == next.end()) {
      routed(all, part, true);
      continue;
    }
    const std::string path = path_of(all.where, part);
    presence(pair, part, *found->second, path);
    visit(pair, {part.value, found->second->value}, path);
    next.erase(found);
  }
  for (const Part& part : after.parts) {  // in the order of the text
    if (!part.key.empty() && next.contains(part.key)) routed(all, part, false);
  }
  wildcards(all);
}

namespace {

// Whether an element of `parts` has this label.
bool has_label(const std::vector<Part>& parts, const std::string& label) {
  return std::any_of(parts.begin(), parts.end(), [&](const Part& part) { return part.label == label; });
}

}  // namespace

void TypeCompare::elements(std::size_t pair, const Alternative& before, const Alternative& after) {
  const std::string where = pairs_[pair].where;
  const std::size_t common = std::min(before.parts.size(), after.parts.size());
  bool moved = false;
  for (std::size_t i = 0; i < common; ++i) {
    budget_.step();
    const Part& was = before.parts[i];
    const Part& is = after.parts[i];
    const std::string path = where + (common == 1 && is.most != 1 ? "[]" : "[" + std::to_string(i) + "]");
    if (!moved && !was.label.empty() && !is.label.empty() && was.label != is.label) {
      budget_.step(before.parts.size() + after.parts.size());
      moved = has_label(after.parts, was.label) || has_label(before.parts, is.label);
      note(pair, moved ? What::label_moved : What::renamed, path,
           "the element has the label \"" + is.label + "\", had \"" + was.label + "\"");
    }
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
