// SPDX-License-Identifier: Apache-2.0
//
// Whether a reader can still tell the forms of a type apart.
#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <map>

#include "cddl/type_compare.hpp"

namespace backplane::host::cddl {
namespace {

bool has_wildcard(const Alternative& map) {
  return std::any_of(map.parts.begin(), map.parts.end(), [](const Part& part) { return part.key.empty(); });
}

// Whether an item surely has the element `index` of this array, and at that place.
bool is_fixed(const Alternative& array, std::size_t index) {
  return std::all_of(array.parts.begin(), array.parts.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                     [](const Part& part) { return part.least == 1 && part.most == 1; });
}

std::pair<std::uint64_t, std::uint64_t> size_of(const Alternative& array) {
  std::uint64_t least = 0, most = 0;
  for (const Part& part : array.parts) {
    if (__builtin_add_overflow(least, part.least, &least)) least = no_limit;
    if (__builtin_add_overflow(most, part.most, &most)) most = no_limit;
  }
  return {least, most};
}

}  // namespace

// May say so if it is not sure.
bool TypeCompare::may_read_as(Shapes& of_sent, const Alternative& sent, Shapes& of_read, const Alternative& read,
                              bool strict) {
  using Form = Alternative::Kind;
  budget_.step();
  if (sent.kind != read.kind || sent.kind == Form::opaque) return false;
  if (sent.kind == Form::map) return map_may_read_as(of_sent, sent, of_read, read, strict);
  const auto meet = [&](const Part& one, const Part& other) {
    return Shapes::may_meet(of_sent.outside_of(one.value), of_read.outside_of(other.value));
  };
  if (sent.kind == Form::tag) return sent.number == read.number && meet(sent.parts[0], read.parts[0]);
  const auto [sent_least, sent_most] = size_of(sent);
  const auto [read_least, read_most] = size_of(read);
  if (sent_least > read_most || read_least > sent_most) return false;
  for (std::size_t i = 0; i < std::min(sent.parts.size(), read.parts.size()); ++i) {
    if (!is_fixed(sent, i) || !is_fixed(read, i)) return true;
    if (!meet(sent.parts[i], read.parts[i])) return false;
  }
  return true;
}

bool TypeCompare::map_may_read_as(Shapes& of_sent, const Alternative& sent, Shapes& of_read, const Alternative& read,
                                  bool strict) {
  const bool sends_more = has_wildcard(sent);
  const bool takes_more = !strict || has_wildcard(read);
  std::map<std::string_view, const Part*> keys;
  for (const Part& part : sent.parts) {
    budget_.step();
    if (!part.key.empty()) keys.emplace(part.key, &part);
  }
  for (const Part& part : read.parts) {
    budget_.step();
    if (part.key.empty()) continue;
    const auto found = keys.find(part.key);
    if (found == keys.end()) {
      if (!part.optional() && !sends_more) return false;
      continue;
    }
    const Part& given = *found->second;
    keys.erase(found);
    if (given.optional() && part.optional()) continue;
    if (!Shapes::may_meet(of_sent.outside_of(given.value), of_read.outside_of(part.value))) return false;
  }
  return takes_more || std::all_of(keys.begin(), keys.end(), [](const auto& each) { return each.second->optional(); });
}

// Tells forms that a reader may take for each other now, and could not before.
void TypeCompare::forms(std::size_t pair, const Shape& before, const Shape& after, const Links& links) {
  const Flow flow = pairs_[pair].flow;
  const bool old_sends = sent_by_callers(flow);
  const bool strict = reads_strictly(flow);
  const auto& sent = old_sends ? before.alternatives : after.alternatives;
  const auto& read = old_sends ? after.alternatives : before.alternatives;
  Shapes& of_sent = old_sends ? before_ : after_;
  Shapes& of_read = old_sends ? after_ : before_;
  if (read.size() < 2) return;
  std::vector<std::size_t> old_of(read.size(), SIZE_MAX);  // in `before`, by the index in `read`
  for (const auto& [was, is] : links) old_of[old_sends ? is : was] = was;
  for (const auto& [was, is] : links) {
    const Alternative& from = sent[old_sends ? was : is];
    const std::size_t meant = old_sends ? is : was;
    for (std::size_t other = 0; other < read.size(); ++other) {
      budget_.step();
      if (other == meant || !may_read_as(of_sent, from, of_read, read[other], strict)) continue;
      const Alternative& old = before.alternatives[was];
      if (old_of[other] == was) continue;  // both are read from the same form
      if (old_of[other] != SIZE_MAX && may_read_as(before_, old, before_, before.alternatives[old_of[other]], strict)) {
        continue;
      }
      const auto name = [&](Shapes& side, const Alternative& form) {
        return form.rule != nullptr ? "\"" + cbor::escaped(form.rule->name, cbor::Escape::line) + "\""
                                    : shown(side, form.what);
      };
      return note(pair, What::forms_alike, pairs_[pair].where,
                  "the forms " + name(of_read, read[meant]) + " and " + name(of_read, read[other]) +
                      " look alike on the wire now");
    }
  }
}

}  // namespace backplane::host::cddl
