// SPDX-License-Identifier: Apache-2.0
//
// Whether a receiver takes all that the parts of a map or an array say. It reads from the left, takes as much as it
// can, and does not go back: [* int, int] takes nothing.
#include <algorithm>
#include <set>

#include "cddl/shape.hpp"

namespace backplane::host::cddl {

bool Shapes::may_meet(Bound one, Bound other) { return may_meet(outside_of(one), outside_of(other)); }

bool Shapes::may_meet(const Shape& one, const Shape& other) {
  using Form = Alternative::Kind;
  const auto has = [](const Shape& shape, Form kind) {
    return std::any_of(shape.alternatives.begin(), shape.alternatives.end(),
                       [&](const Alternative& each) { return each.kind == kind; });
  };
  // A reader skips tags.
  const auto unsure = [&](const Shape& shape) {
    return shape.any || shape.any_tag || has(shape, Form::tag) || has(shape, Form::opaque);
  };
  const auto maps = [&](const Shape& shape) { return shape.any_map || has(shape, Form::map); };
  const auto arrays = [&](const Shape& shape) { return shape.any_array || has(shape, Form::array); };
  if (unsure(one) || unsure(other)) return true;
  return (maps(one) && maps(other)) || (arrays(one) && arrays(other)) || cddl::may_meet(one.scalars, other.scalars);
}

bool Shapes::same(const Part& one, const Part& other) {
  if (one.key != other.key || one.least != other.least || one.most != other.most) return false;
  return one.value.node == other.value.node && one.value.scope == other.value.scope;
}

// Whether a reader that tries `first` refuses it if `later` is there.
bool Shapes::told_apart(const Sequence& first, const Sequence& later) {
  std::map<std::string_view, const Part*> keys;
  for (const Part& part : later) {
    budget_.step();
    if (part.key.empty()) return false;
    keys.emplace(part.key, &part);
  }
  return std::any_of(first.begin(), first.end(), [&](const Part& part) {
    budget_.step();
    if (part.optional() || part.key.empty()) return false;
    const auto found = keys.find(part.key);
    if (found == keys.end()) return true;
    return !found->second->optional() && !may_meet(part.value, found->second->value);
  });
}

// A choice within a map or an array is made once: the first form that fits.
void Shapes::check_choice(Expansion& group, bool map) {
  group.chosen = true;
  const Sequences& all = group.all;
  for (std::size_t later = 1; later < all.size(); ++later) {
    for (std::size_t first = 0; first < later; ++first) {
      budget_.step();
      if (!group.inexact.empty()) return;
      bool apart = false;
      if (map) {
        apart = told_apart(all[first], all[later]);
      } else {
        const std::size_t common = std::min(all[first].size(), all[later].size());
        std::size_t at = 0;
        while (at < common && same(all[first][at], all[later][at])) ++at;
        budget_.step(at);
        if (at == all[later].size()) {  // the first form has more
          apart = group.open_end = true;
        } else if (at < all[first].size()) {
          const Part& one = all[first][at];
          const Part& other = all[later][at];
          apart = !one.optional() && !other.optional() && !may_meet(one.value, other.value);
        }
      }
      if (!apart) group.inexact = "the first form of a group inside of it may be taken for another one";
    }
  }
}

// `chosen`: a choice or an optional group is in it.
void Shapes::check_members(Alternative& alternative, bool chosen) {
  std::string& why = alternative.inexact;
  if (!why.empty()) return;
  std::set<std::string_view> keys;
  std::vector<std::size_t> wild;
  const std::vector<Part>& parts = alternative.parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    budget_.step();
    if (parts[i].most == 0) why = "a member may come no time";
    if (parts[i].key.empty()) {
      wild.push_back(i);
    } else if (!keys.insert(parts[i].key).second || parts[i].least > 1) {
      why = "the member \"" + parts[i].label + "\" may come twice";
    }
  }
  if (!why.empty() || wild.empty()) return;
  std::vector<Shape> shapes(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) shapes[i] = outside_of(parts[i].key_type);
  for (const std::size_t at : wild) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      budget_.step();
      const Part& other = parts[i];
      const bool literal = !other.key.empty();
      if (i == at || (!literal && i < at) || !may_meet(shapes[at], shapes[i])) continue;
      if (!chosen && literal && other.cut && i < at) continue;  // it takes its key first
      const bool free = !literal && !other.cut && !parts[at].cut && !other.counted() && !parts[at].counted();
      if (!chosen && free) continue;
      why = "members " + parts[at].label + " may be taken for " +
            (literal ? "\"" + other.label + "\"" : "members " + other.label);
      return;
    }
  }
}

void Shapes::check_elements(Alternative& alternative) {
  std::string& why = alternative.inexact;
  const std::vector<Part>& parts = alternative.parts;
  for (std::size_t i = 0; why.empty() && i < parts.size(); ++i) {
    budget_.step();
    if (parts[i].least == parts[i].most) continue;
    for (std::size_t next = i + 1; next < parts.size(); ++next) {
      budget_.step();
      if (may_meet(parts[i].value, parts[next].value)) {
        why = "element " + std::to_string(i) + " may take what element " + std::to_string(next) + " needs";
        break;
      }
      if (!parts[next].optional()) break;
    }
  }
}

}  // namespace backplane::host::cddl
