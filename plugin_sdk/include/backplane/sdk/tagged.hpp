// SPDX-License-Identifier: Apache-2.0
//
// Tagged: a variant that says by name which alternative it is.
#pragma once

#include "codec_containers.hpp"

namespace backplane {

/// An alternative of Tagged.
template <FixedText name, class T>
struct As {
  T value{};
  friend bool operator==(const As&, const As&) = default;
};

/// A std::variant whose alternatives have names, for alternatives that would look alike on the wire. It is a map with
/// one member:
///   using Shape = backplane::Tagged<backplane::As<"circle", Circle>, backplane::As<"square", Square>>;
///   Shape shape = backplane::As<"circle", Circle>{{3}};   // {"circle": {"radius": 3}}
///   if (const Circle* circle = shape.get<"circle">()) …
template <class... Alternatives>
struct Tagged : std::variant<Alternatives...> {
  using std::variant<Alternatives...>::variant;

  /// Returns the value of the alternative, or null if the value is of another one.
  template <FixedText name>
  const auto* get() const {
    return find<name>(*this, static_cast<const Alternatives*>(nullptr)...);
  }

 private:
  template <FixedText name, class T, class... Rest>
  static const auto* find(const Tagged& in, const As<name, T>*, const Rest*...) {
    const auto* const found = std::get_if<As<name, T>>(&in);
    return found != nullptr ? &found->value : nullptr;
  }
  template <FixedText name, class First, class... Rest>
  static const auto* find(const Tagged& in, const First*, const Rest*... rest) {
    static_assert(sizeof...(Rest) != 0, "this Tagged has no alternative of that name");
    return find<name>(in, rest...);
  }
};

template <FixedText... names, class... Ts>
struct Codec<Tagged<As<names, Ts>...>> {
  using Value = Tagged<As<names, Ts>...>;
  static_assert(detail::all_distinct(std::array<std::string_view, sizeof...(Ts)>{names.view()...}),
                "two alternatives of a Tagged have one name");
  static_assert((detail::valid_type_name(names.view()) && ...), "a name in a Tagged has letters, digits and _ only");

  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::map; }
  static std::string expected() { return "map with one of: " + known(); }
  static void decode(detail::Decoder& in, Value& out) {
    const cbor::Item head = in.next(cbor::Type::map, expected());
    bool found = false;
    in.pairs(head, [&](std::string_view key) {
      const bool known_key = ((names.view() == key) || ...);
      if (!known_key && in.ignores_unknown()) return in.ignore_item();
      if (!known_key) in.fail("unknown field; expected one of: " + known());
      if (found) in.fail("expected one field only, of: " + known());
      found = true;
      (void)((names.view() == key && (Codec<Ts>::decode(in, out.template emplace<As<names, Ts>>().value), true)) ||
             ...);
    });
    if (!found) in.fail("found none of the fields: " + known());
  }
  static void encode(detail::Encoder& out, const Value& value) {
    out.map(1);
    std::visit(
        [&]<FixedText name, class T>(const As<name, T>& each) {
          out.text(name.view());
          detail::encode_part<T>(out, name.view(), each.value);
        },
        static_cast<const std::variant<As<names, Ts>...>&>(value));
  }

  using Inside = detail::Parts<Ts...>;
  static constexpr detail::Form form = detail::Form::rule;
  static constexpr void describe(detail::TypeText& out) {
    bool first = true;
    out << "{ ";
    ((out << (first ? "" : " // ") << names.view() << ": ", first = false, out.type<Ts>()), ...);
    out << " }";
  }
  static constexpr void part_name(detail::TextSink& out) {
    if constexpr (detail::HasTypeName<Value>) {
      out << detail::type_name<Value>();
    } else {
      bool first = true;
      ((out << (first ? "" : "Or"), first = false, detail::put_capital(out, names.view())), ...);
    }
  }

 private:
  static std::string known() {
    std::string out;
    ((out += join(out.empty() ? "" : ", ", names.view())), ...);
    return out;
  }
};

}  // namespace backplane
