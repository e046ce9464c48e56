// SPDX-License-Identifier: Apache-2.0
//
// Values of interface texts for which the SDK has no type: members that always have one value, as in
// `{ kind: "circle", radius: uint }`, and members that must be there but may be null.
#pragma once

#include <backplane/sdk/cbor.hpp>
#include <memory>
#include <optional>

namespace backplane::client {

/// A text that never differs.
template <FixedText text>
struct TextLiteral {
  static constexpr std::string_view value = text.view();
  friend bool operator==(TextLiteral, TextLiteral) = default;
};

/// An integer or bool that never differs.
template <auto literal>
struct ValueLiteral {
  static constexpr auto value = literal;
  friend bool operator==(ValueLiteral, ValueLiteral) = default;
};

/// A std::optional that a struct must have on the wire: an empty one is written as null.
template <class T>
struct Nullable : std::optional<T> {
  using std::optional<T>::optional;
};

/// The same of a type that contains itself.
template <class T>
struct NullablePointer : std::unique_ptr<T> {
  using std::unique_ptr<T>::unique_ptr;
};

namespace detail {

template <class Base, class T>
struct NullableCodec {
  static constexpr bool takes(cbor::Type type) { return Codec<Base>::takes(type); }
  static std::string expected() { return Codec<Base>::expected(); }
  static void decode(backplane::detail::Decoder& in, Base& out) { Codec<Base>::decode(in, out); }
  static void encode(backplane::detail::Encoder& out, const Base& value) { Codec<Base>::encode(out, value); }
  using Inside = backplane::detail::Parts<T>;
  using Wire = std::optional<backplane::detail::WireForm<T>>;
};

}  // namespace detail
}  // namespace backplane::client

namespace backplane {

template <class T>
struct Codec<client::Nullable<T>> : client::detail::NullableCodec<std::optional<T>, T> {};
template <class T>
struct Codec<client::NullablePointer<T>> : client::detail::NullableCodec<std::unique_ptr<T>, T> {};

template <FixedText text>
struct Codec<client::TextLiteral<text>> {
  using Literal = client::TextLiteral<text>;
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::text; }
  static std::string expected() { return detail::quoted(text.view()); }
  static void decode(detail::Decoder& in, Literal&) {
    std::string found;
    Codec<std::string>::decode(in, found);
    if (found != text.view()) in.fail(join("expected ", expected(), ", got ", detail::quoted(found)));
  }
  static void encode(detail::Encoder& out, Literal) { out.text(text.view()); }
  using Wire = std::string;
};

template <auto literal>
struct Codec<client::ValueLiteral<literal>> {
  using Literal = client::ValueLiteral<literal>;
  using Value = std::remove_const_t<decltype(literal)>;
  static constexpr bool takes(cbor::Type type) { return Codec<Value>::takes(type); }
  static std::string expected() {
    if constexpr (std::is_same_v<Value, bool>) {
      return literal ? "true" : "false";
    } else {
      return std::to_string(literal);
    }
  }
  static void decode(detail::Decoder& in, Literal&) {
    Value found{};
    Codec<Value>::decode(in, found);
    if (found != literal) in.fail("expected " + expected());
  }
  static void encode(detail::Encoder& out, Literal) { Codec<Value>::encode(out, literal); }
  using Wire = Value;
};

}  // namespace backplane
