// SPDX-License-Identifier: Apache-2.0
//
// Control operators, such as .size and .bits.
#include <bit>
#include <cmath>

#include "cddl/matcher.hpp"

namespace backplane::host::cddl {

bool Matcher::control(Bound what, At item) {
  const Node& expected = node(what);
  if (!type(what.inside(expected.a), item)) return false;
  const Bound argument = what.inside(expected.b);
  switch (expected.control) {
    case Control::unchecked:
    case Control::default_:
      return true;
    case Control::within:
    case Control::both:
      return type(argument, item);
    default:
      return controlled(expected, argument, bare(item)) || wrong(what, item);
  }
}

bool Matcher::controlled(const Node& expected, Bound argument, At item) {
  switch (expected.control) {
    case Control::size:
      return size(argument, *item);
    case Control::bits:
      return bits(argument, *item);
    case Control::cbor:
    case Control::cborseq:
      return item->type == cbor::Type::bytes && embedded(argument, item->text, expected.control == Control::cborseq);
    case Control::eq:
      return quietly(argument, item);
    case Control::ne:
      return !quietly(argument, item);
    default:
      return ordered(expected.control, argument, *item);
  }
}

// The length of a string in bytes, or how many bytes an unsigned integer may have.
bool Matcher::size(Bound argument, const TreeItem& item) {
  if (item.type == cbor::Type::uint) {
    const auto bytes = static_cast<std::uint64_t>(std::bit_width(item.value) + 7) / 8;
    for (std::uint64_t n = bytes; n <= 32; ++n) {
      const Tree number(n);
      if (quietly(argument, {&number, 0})) return true;
    }
    return false;
  }
  if (item.type != cbor::Type::text && item.type != cbor::Type::bytes) return false;
  const Tree number(item.text.size());
  return quietly(argument, {&number, 0});
}

bool Matcher::is_bit(Bound argument, std::uint64_t bit) {
  const Tree number(bit);
  return quietly(argument, {&number, 0});
}

// Only bits whose numbers the argument has may be set.
bool Matcher::bits(Bound argument, const TreeItem& item) {
  if (item.type == cbor::Type::uint) {
    for (std::uint64_t bit = 0; bit < 64; ++bit) {
      if ((item.value >> bit & 1) != 0 && !is_bit(argument, bit)) return false;
    }
    return true;
  }
  if (item.type != cbor::Type::bytes) return false;
  budget_.step(item.text.size());
  for (std::uint64_t bit = 0; bit < item.text.size() * 8; ++bit) {
    const auto byte = static_cast<unsigned char>(item.text[bit / 8]);
    if ((byte >> bit % 8 & 1) != 0 && !is_bit(argument, bit)) return false;
  }
  return true;
}

// The items of the bytes fit the argument: one item, or as the elements of an array.
bool Matcher::embedded(Bound argument, std::string_view bytes, bool sequence) try {
  const cbor::View input(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  budget_.step(bytes.size() / 16);
  const Tree& tree = trees_.emplace_back(input, options_.most_items - items_);
  items_ += tree.size();
  if (!sequence) return tree.size() != 0 && tree[0].end == tree.size() && quietly(argument, {&tree, 0});
  const Bound list = names_.resolved(argument);
  if (node(list).kind != Kind::array) {
    throw Unchecked{line_of(node(list)) + "found another type than an array behind .cborseq"};
  }
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < tree.size(); i = tree[i].end) ++count;
  const Report::Quiet quiet(report_);
  const Bound group = list.inside(node(list).a);
  for (const NodeId each : schema_.children(node(group))) {
    Cursor cursor{{&tree, 0}, 0, count};
    if (array_sequence(group.inside(each), cursor) && cursor.index == count) return true;
  }
  return false;
} catch (const cbor::Error&) {
  return false;
}

bool Matcher::ordered(Control control, Bound argument, const TreeItem& item) {
  const auto bound = names_.literal_of(argument);
  if (!bound || (bound->kind != Kind::integer && bound->kind != Kind::real)) {
    throw Unchecked{"line " + std::to_string(node(argument).place.line) +
                    ": found another thing than a number to compare with"};
  }
  // An integer of 64 bits and its sign fit a long double without rounding.
  const auto value = [](bool negative, std::uint64_t number) {
    const auto size = static_cast<long double>(number);
    return negative ? -1 - size : size;
  };
  const long double limit = bound->kind == Kind::real ? bound->real : value(bound->flag, bound->number);
  long double given = 0;
  if (item.type == cbor::Type::real) {
    given = item.real;
  } else if (item.type == cbor::Type::uint || item.type == cbor::Type::negint) {
    given = value(item.type == cbor::Type::negint, item.value);
  } else {
    return false;
  }
  switch (control) {
    case Control::lt:
      return given < limit;
    case Control::le:
      return given <= limit;
    case Control::gt:
      return given > limit;
    default:
      return given >= limit;
  }
}

}  // namespace backplane::host::cddl
