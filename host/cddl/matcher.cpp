// SPDX-License-Identifier: Apache-2.0
//
// Compares items with types, and keeps what did not fit. Groups are in group_match.cpp, control operators in
// controls.cpp.
#include "cddl/matcher.hpp"

#include <algorithm>

namespace backplane::host::cddl {
namespace {

bool is_number(Kind kind) { return kind == Kind::integer || kind == Kind::real; }
bool is_integer(const TreeItem& item) { return item.type == cbor::Type::uint || item.type == cbor::Type::negint; }

// Of integers in the form of CBOR: `negative` means -1 - value.
bool below(bool a_negative, std::uint64_t a, bool b_negative, std::uint64_t b) {
  if (a_negative != b_negative) return a_negative;
  return a_negative ? a > b : a < b;
}

}  // namespace

std::vector<Finding> Matcher::run(const Rule& rule, cbor::View item) {
  const Tree& tree = trees_.emplace_back(item, options_.most_items);
  if (tree.size() == 0) throw cbor::Error("the CBOR ends too early", 0);
  if (tree[0].end != tree.size()) throw cbor::Error("found more bytes after the end of the item", item.size());
  items_ = tree.size();
  const Scope scope{&rule, {}};
  const Bound what{rule.body, &scope};
  if (!type(what, {&tree, 0}) && report_.empty()) wrong(what, {&tree, 0});
  return report_.take();
}

bool Matcher::type(Bound what, At item) {
  budget_.step();
  const Depth depth(*this);
  what.node = schema_.inside_parentheses(what.node);
  const Node& expected = node(what);
  switch (expected.kind) {
    case Kind::name:
      return name(what, item);
    case Kind::parameter:
      return type(what.scope->arguments[expected.number], item);
    case Kind::choice:
      return choice(what, item);
    case Kind::control:
      return control(what, item);
    case Kind::any:
      return true;
    case Kind::tag:
      return tag(what, item);
    case Kind::unwrap:
      return unwrapped(what, item);
    case Kind::enumeration:
      return one_of(what.inside(expected.a), item) || wrong(what, item);
    case Kind::map:
      return map(what, bare(item));
    case Kind::array:
      return array(what, bare(item));
    case Kind::group:
    case Kind::sequence:
    case Kind::entry:
      throw Unchecked{line_of(expected) + "found a group, expected a type"};
    default:
      return leaf(what, *bare(item)) || wrong(what, item);
  }
}

At Matcher::bare(At item) const {
  while (options_.lenient && item->type == cbor::Type::tag) item = item.first();
  return item;
}

bool Matcher::leaf(Bound what, const TreeItem& item) {
  const Node& expected = node(what);
  if (expected.kind == Kind::range) return range(what, item);
  if (expected.kind == Kind::major) return major(expected, item);
  return literal(expected, item);
}

bool Matcher::literal(const Node& expected, const TreeItem& item) const {
  switch (expected.kind) {
    case Kind::integer:
      return item.type == (expected.flag ? cbor::Type::negint : cbor::Type::uint) && item.value == expected.number;
    case Kind::real:
      return item.type == cbor::Type::real && item.real == expected.real;
    case Kind::text:
      return item.type == cbor::Type::text && item.text == schema_.text(expected);
    default:
      return item.type == cbor::Type::bytes && item.text == schema_.text(expected);
  }
}

bool Matcher::range(Bound what, const TreeItem& item) {
  const Node& expected = node(what);
  const auto from = names_.literal_of(what.inside(expected.a));
  const auto to = names_.literal_of(what.inside(expected.b));
  if (!from || !to || !is_number(from->kind) || from->kind != to->kind) {
    throw Unchecked{line_of(expected) + "found a range of other things than two integers or two reals"};
  }
  if (from->kind == Kind::real) {
    return item.type == cbor::Type::real && item.real >= from->real &&
           (expected.flag ? item.real < to->real : item.real <= to->real);
  }
  if (!is_integer(item)) return false;
  const bool negative = item.type == cbor::Type::negint;
  if (below(negative, item.value, from->flag, from->number)) return false;
  return expected.flag ? below(negative, item.value, to->flag, to->number)
                       : !below(to->flag, to->number, negative, item.value);
}

bool Matcher::major(const Node& expected, const TreeItem& item) const {
  using cbor::Type;
  if (expected.number < 6) {
    constexpr Type types[] = {Type::uint, Type::negint, Type::bytes, Type::text, Type::array, Type::map};
    if (item.type != types[expected.number]) return false;
    const bool string = item.type == Type::bytes || item.type == Type::text;
    return expected.max == no_limit || expected.max == (string ? item.text.size() : item.value);
  }
  switch (item.type) {
    case Type::boolean:
      return expected.max == no_limit || expected.max == 20 + item.value;
    case Type::null:
      return expected.max == no_limit || expected.max == 22;
    case Type::undefined:
      return expected.max == no_limit || expected.max == 23 || (expected.max == 22 && options_.lenient);
    case Type::simple:
      return expected.max == no_limit || expected.max == item.value;
    case Type::real: {
      if (expected.max == no_limit) return true;
      if (options_.lenient) return expected.max >= 25 && expected.max <= 27;
      return expected.max == (item.width == 2 ? 25u : item.width == 4 ? 26u : 27u);
    }
    default:
      return false;
  }
}

bool Matcher::tag(Bound what, At item) {
  const Node& expected = node(what);
  if (item->type != cbor::Type::tag || (expected.number != no_limit && expected.number != item->value)) {
    return wrong(what, item);
  }
  return type(what.inside(expected.a), item.first());
}

// The contents of a tag. Of maps and arrays, the contents are a group.
bool Matcher::unwrapped(Bound what, At item) {
  const Bound wrapped = names_.resolved(what.inside(node(what).a));
  const Node& expected = node(wrapped);
  if (expected.kind == Kind::map || expected.kind == Kind::array) {
    throw Unchecked{line_of(node(what)) + "found the group of a map or array, expected a type"};
  }
  return expected.kind == Kind::tag ? type(wrapped.inside(expected.a), item) : type(wrapped, item);
}

bool Matcher::choice(Bound what, At item) {
  Deepest deepest;
  {
    Report::Attempt attempt(report_);
    for (const NodeId each : schema_.children(node(what))) {
      if (type(what.inside(each), item)) return true;
    }
    deepest = attempt.end();
  }
  // If a map or an array failed inside, tell that.
  if (!deepest || deepest->first <= report_.depth()) return wrong(what, item);
  report_.add(std::move(deepest));
  return false;
}

bool Matcher::name(Bound what, At item) {
  const Node& expected = node(what);
  if (expected.number == no_rule) return wrong(what, item);
  // Of standard types, only the name is told.
  if (schema_.rules()[expected.number].standard) return quietly(names_.body_of(what), item) || wrong(what, item);
  return type(names_.body_of(what), item);
}

bool Matcher::one_of(Bound group, At item) {
  const Depth depth(*this);
  group = names_.resolved(group);
  if (node(group).kind != Kind::group) return quietly(group, item);
  for (const NodeId sequence : schema_.children(node(group))) {
    for (const NodeId entry : schema_.children(schema_.node(sequence))) {
      budget_.step();
      if (one_of(group.inside(schema_.node(entry).b), item)) return true;
    }
  }
  return false;
}

bool Matcher::quietly(Bound what, At item) {
  const Report::Quiet quiet(report_);
  return type(what, item);
}

bool Matcher::wrong(Bound what, At item) {
  if (!report_.wanted(report_.depth())) return false;
  budget_.step(20);
  Finding out = report_.finding(Finding::Kind::wrong, what);
  out.found = report_.shown(item);
  out.expected = describe(schema_, what.node);
  report_.add(report_.depth(), std::move(out));
  return false;
}

}  // namespace backplane::host::cddl
