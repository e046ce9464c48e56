// SPDX-License-Identifier: Apache-2.0
//
// Compares arrays and maps with groups. In an array, a group takes elements from the left; in a map, it takes pairs in
// any order.
#include <algorithm>

#include "cddl/matcher.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cddl {

// ---- Arrays ----

bool Matcher::array(Bound what, At item) {
  if (item->type != cbor::Type::array) return wrong(what, item);
  const Bound group = what.inside(node(what).a);
  Deepest deepest;
  {
    Report::Attempt attempt(report_);
    for (const NodeId each : schema_.children(node(group))) {
      Cursor cursor{item.first(), 0, item->value};
      if (array_sequence(group.inside(each), cursor) && cursor.index == cursor.count) return true;
    }
    deepest = attempt.end();
  }
  if (!deepest || deepest->first <= report_.depth()) return wrong(what, item);
  report_.add(std::move(deepest));
  return false;
}

bool Matcher::array_group(Bound group, Cursor& cursor) {
  const Depth depth(*this);
  for (const NodeId each : schema_.children(node(group))) {
    Cursor next = cursor;
    if (array_sequence(group.inside(each), next)) {
      cursor = next;
      return true;
    }
  }
  return false;
}

bool Matcher::array_sequence(Bound sequence, Cursor& cursor) {
  for (const NodeId each : schema_.children(node(sequence))) {
    if (!array_entry(sequence.inside(each), cursor)) return false;
  }
  return true;
}

bool Matcher::array_entry(Bound entry, Cursor& cursor) {
  const Node& expected = node(entry);
  std::uint64_t count = 0;
  for (; count < expected.max; ++count) {
    Cursor next = cursor;
    if (!array_one(entry.inside(expected.b), next)) break;
    if (next.index == cursor.index) return true;  // it takes nothing, so it does so any number of times
    cursor = next;
  }
  return count >= expected.number;
}

bool Matcher::array_one(Bound value, Cursor& cursor) {
  budget_.step();
  if (const auto group = names_.as_group(value)) return array_group(*group, cursor);
  if (cursor.index == cursor.count) return false;
  const Report::Step step(report_, cursor.index);
  const bool fits = type(value, cursor.next);
  cursor.next = cursor.next.next();
  ++cursor.index;
  return fits;
}

// ---- Maps ----

std::vector<bool> Matcher::used_of(const Pairs& pairs) {
  std::vector<bool> out(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) out[i] = pairs[i].used;
  return out;
}

void Matcher::set_used(Pairs& pairs, const std::vector<bool>& used) {
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i].used = used[i];
}

bool Matcher::map(Bound what, At item) {
  if (item->type != cbor::Type::map) return wrong(what, item);
  Pairs pairs;
  budget_.step(item->value);
  pairs.reserve(item->value);
  At next = item.first();
  for (std::uint64_t i = 0; i < item->value; ++i) {
    pairs.push_back({.key = next, .value = next.next()});
    next = next.next().next();
  }
  const Bound group = what.inside(node(what).a);
  const auto alternatives = schema_.children(node(group));
  if (alternatives.size() == 1) return whole_map(group.inside(alternatives.front()), group, pairs);
  Deepest deepest;
  {
    Report::Attempt attempt(report_);
    for (const NodeId each : alternatives) {
      set_used(pairs, std::vector<bool>(pairs.size()));
      for (Pair& pair : pairs) pair.rejected.reset();
      budget_.step(pairs.size());
      if (whole_map(group.inside(each), group, pairs)) return true;
    }
    deepest = attempt.end();
  }
  if (!deepest) return wrong(what, item);
  report_.add(std::move(deepest));
  return false;
}

bool Matcher::whole_map(Bound sequence, Bound group, Pairs& pairs) {
  const bool fits = map_sequence(sequence, pairs);
  if (!fits && report_.in_attempt()) return false;
  return no_leftovers(group, pairs) && fits;
}

// Outside of attempts, it goes on after a failure, so that all findings are told at once.
bool Matcher::map_sequence(Bound sequence, Pairs& pairs) {
  bool fits = true;
  for (const NodeId each : schema_.children(node(sequence))) {
    fits = map_entry(sequence.inside(each), pairs) && fits;
    if (!fits && report_.in_attempt()) return false;
  }
  return fits;
}

bool Matcher::map_group(Bound group, Pairs& pairs) {
  const Depth depth(*this);
  const auto alternatives = schema_.children(node(group));
  if (alternatives.size() == 1) return map_sequence(group.inside(alternatives.front()), pairs);
  Deepest deepest;
  {
    const std::vector<bool> before = used_of(pairs);
    Report::Attempt attempt(report_);
    for (const NodeId each : alternatives) {
      budget_.step(pairs.size());
      if (map_sequence(group.inside(each), pairs)) return true;
      set_used(pairs, before);
    }
    deepest = attempt.end();
  }
  report_.add(std::move(deepest));
  return false;
}

// A group that is an entry of a map, once or several times.
bool Matcher::map_groups(Bound entry, Pairs& pairs) {
  const Node& expected = node(entry);
  const Bound value = entry.inside(expected.b);
  const auto group = names_.as_group(value);
  if (!group) {
    const Node& found = node(names_.resolved(value));
    if (found.kind == Kind::name) return expected.number == 0;  // an empty socket
    throw Unchecked{line_of(expected) + "found a member of a map without a key"};
  }
  if (expected.number == 1 && expected.max == 1) return map_group(*group, pairs);
  for (std::uint64_t count = 0; count < expected.max; ++count) {
    const std::vector<bool> before = used_of(pairs);
    budget_.step(pairs.size() + 1);
    Deepest deepest;
    {
      Report::Attempt attempt(report_);
      if (map_group(*group, pairs)) {
        if (used_of(pairs) == before) return true;  // it takes nothing
        continue;
      }
      deepest = attempt.end();
    }
    set_used(pairs, before);
    if (count >= expected.number) return true;
    report_.add(std::move(deepest));
    return false;
  }
  return true;
}

bool Matcher::has_key(Bound key, const std::optional<Node>& text, const Pair& pair) {
  budget_.step();
  if (!text || text->kind != Kind::text) return quietly(key, pair.key);
  const At given = bare(pair.key);
  return given->type == cbor::Type::text && given->text == schema_.text(*text);
}

bool Matcher::map_entry(Bound entry, Pairs& pairs) {
  const Node& expected = node(entry);
  if (expected.a == no_node) return map_groups(entry, pairs);
  const Bound key = entry.inside(expected.a);
  const Bound value = entry.inside(expected.b);
  const std::optional<Node> text = names_.literal_of(key);
  std::uint64_t count = 0;
  bool fits = true;
  for (Pair& pair : pairs) {
    if (count == expected.max) break;
    if (pair.used || !has_key(key, text, pair)) continue;
    if (value_fits(expected, value, pair)) {
      ++count;
    } else if (expected.flag) {  // a cut: what has this key must have this value
      fits = false;
      pair.used = true;
      ++count;
      if (report_.in_attempt()) return false;
    }
  }
  return (count >= expected.number || missing(entry, pairs)) && fits;
}

bool Matcher::value_fits(const Node& entry, Bound value, Pair& pair) {
  const Report::Step step(report_, pair.key);
  if (entry.flag) {
    pair.used = type(value, pair.value);
    return pair.used;
  }
  Report::Attempt attempt(report_);
  pair.used = type(value, pair.value);
  if (pair.used) return true;
  if (auto deepest = attempt.end()) pair.rejected = std::make_unique<Finding>(std::move(deepest->second));
  return false;
}

// Tells that there are too few pairs for `entry`. Returns false.
bool Matcher::missing(Bound entry, Pairs& pairs) {
  const std::size_t depth = report_.depth() + 1;
  if (!report_.wanted(depth)) return false;
  budget_.step(20);
  const Bound key = entry.inside(node(entry).a);
  const auto text = names_.literal_of(key);
  for (Pair& pair : pairs) {
    if (pair.used || !pair.rejected || !text || !has_key(key, text, pair)) continue;
    report_.add(depth, *pair.rejected);
    pair.used = true;
    return false;
  }
  Finding out = report_.finding(Finding::Kind::missing, key);
  out.path += out.path.empty() ? "" : ".";
  out.path += text && text->kind == Kind::text ? schema_.text(*text) : describe(schema_, key.node);
  out.expected = describe(schema_, node(entry).b);
  report_.add(depth, std::move(out));
  return false;
}

bool Matcher::no_leftovers(Bound group, Pairs& pairs) {
  bool none = true;
  for (const Pair& pair : pairs) {
    if (pair.used) continue;
    none = false;
    if (!report_.wanted(report_.depth() + 1)) break;
    budget_.step(20);
    report_.add(report_.depth() + 1, pair.rejected ? *pair.rejected : leftover(group, pairs, pair));
  }
  return none;
}

// Tells why no entry has taken the pair.
Finding Matcher::leftover(Bound group, const Pairs& pairs, const Pair& pair) {
  const At key = bare(pair.key);
  const bool named = key->type == cbor::Type::text;
  std::vector<std::string> known;
  known_keys(group, known, 0);
  Finding out = report_.finding(Finding::Kind::unknown, group);
  {
    const Report::Step step(report_, pair.key);
    out.path = report_.path();
  }
  if (named && std::find(known.begin(), known.end(), key->text) != known.end()) {
    out.kind = Finding::Kind::wrong;
    const bool twice = std::any_of(pairs.begin(), pairs.end(), [&](const Pair& other) {
      return other.used && bare(other.key)->type == cbor::Type::text && bare(other.key)->text == key->text;
    });
    out.found = twice ? "given twice" : "not expected beside the other keys";
    out.expected = twice ? "one value" : describe(schema_, group.node);
    return out;
  }
  constexpr std::size_t most_named = 20;
  for (std::size_t i = 0; i < std::min(known.size(), most_named); ++i) {
    out.expected += (i == 0 ? "" : ", ") + known[i];
  }
  if (known.size() > most_named) out.expected += ", …";
  if (named) out.hint = did_you_mean(key->text, known);
  return out;
}

void Matcher::known_keys(Bound group, std::vector<std::string>& out, std::size_t depth) {
  constexpr std::size_t most_keys = 1000;
  if (depth > 16 || out.size() > most_keys) return;
  for (const NodeId sequence : schema_.children(node(group))) {
    for (const NodeId each : schema_.children(schema_.node(sequence))) {
      budget_.step();
      const Node& entry = schema_.node(each);
      if (entry.a == no_node) {
        if (const auto inner = names_.as_group(group.inside(entry.b))) known_keys(*inner, out, depth + 1);
      } else if (const auto key = names_.literal_of(group.inside(entry.a)); key && key->kind == Kind::text) {
        out.push_back(schema_.text(*key));
      }
    }
  }
}

}  // namespace backplane::host::cddl
