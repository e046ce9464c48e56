// SPDX-License-Identifier: Apache-2.0
//
// Codec<T> makes T a wire type: it reads, writes and describes T. To add a type, specialise Codec:
//
//   static constexpr bool takes(cbor::Type)         the CBOR types that T may be read from (for variants)
//   static std::string expected()                   the name of T in errors: "expected int, got text"
//   static void decode(detail::Decoder&, T&)        overwrites the value; throws DecodeError
//   static void encode(detail::Encoder&, const T&)
//   static constexpr void cddl(detail::TextSink&)   writes one CDDL type
//
// If the wire form is that of another type, such as std::string: `using Wire = std::string;` instead of cddl().
// Optional, for a type whose encoding fails before anything is written:
//
//   static bool try_encode(detail::Encoder&, const T&)  writes nothing and returns false where encode() would throw
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "decoder.hpp"
#include "encoder.hpp"
#include "interface_text.hpp"

namespace backplane {

/// A type without a wire form. Whoever uses it says so in one static_assert; the functions here keep the compiler from
/// saying more.
template <class T>
struct Codec {
  using no_wire_form = void;
  static constexpr bool takes(cbor::Type) { return false; }
  static std::string expected() { return {}; }
  static void decode(detail::Decoder&, T&) {}
  static void encode(detail::Encoder&, const T&) {}
  static constexpr void cddl(detail::TextSink&) {}
};

namespace detail {

template <class T>
constexpr bool is_wire();

template <class... T>
constexpr bool all_wire(Parts<T...>) {
  return (is_wire<T>() && ...);
}

/// Whether T has a wire form. A described struct has one; its members are checked on their own.
template <class T>
constexpr bool is_wire() {
  if constexpr (requires { typename Codec<T>::no_wire_form; }) {
    return false;
  } else if constexpr (requires { typename Codec<T>::Inside; }) {
    return all_wire(typename Codec<T>::Inside());
  } else {
    return true;
  }
}

/// Ends the compilation unless T has a wire form.
template <class T>
struct WireType {
  static_assert(is_wire<T>(),
                "this type has no wire form: describe a struct with BOOST_DESCRIBE_STRUCT and an enum with "
                "BOOST_DESCRIBE_ENUM, use one of the types that docs/sdk.md lists, or specialise backplane::Codec");
  static constexpr bool checked = true;
};

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
                  !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

/// The type of <cstdint> with the same values.
template <Integer T>
using FixedWidth = std::tuple_element_t<
    std::countr_zero(sizeof(T)),
    std::conditional_t<std::is_signed_v<T>, std::tuple<std::int8_t, std::int16_t, std::int32_t, std::int64_t>,
                       std::tuple<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>>>;

/// Types of which every value can be encoded, so that no error needs a path. Described structs add themselves.
template <class T>
inline constexpr bool always_encodes =
    Integer<T> || std::is_same_v<T, bool> || std::is_floating_point_v<T> || std::is_same_v<T, Bytes>;

template <class T, class Where>
[[gnu::cold, gnu::noinline]] void encode_to_fail(Encoder& out, const Where& where, const T& value) {
  const Step step(out.here(), where);
  Codec<T>::encode(out, value);
}

/// Encodes a part of a larger value. `where` is its key or index. A Step is made of it only if an error may need one.
template <class T, class Where>
void encode_part(Encoder& out, const Where& where, const T& value) {
  if constexpr (always_encodes<T>) {
    Codec<T>::encode(out, value);
  } else if constexpr (requires { Codec<T>::try_encode(out, value); }) {
    if (!Codec<T>::try_encode(out, value)) [[unlikely]]
      encode_to_fail<T>(out, where, value);
  } else {
    const Step step(out.here(), where);
    Codec<T>::encode(out, value);
  }
}

inline std::string integer_text(const cbor::Item& item) {
  if (item.type == cbor::Type::uint) return std::to_string(item.value);
  if (item.value == std::numeric_limits<std::uint64_t>::max()) return "-18446744073709551616";
  return join('-', item.value + 1);
}

}  // namespace detail

template <>
struct Codec<bool> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::boolean; }
  static std::string expected() { return "bool"; }
  static void decode(detail::Decoder& in, bool& out) {
    if (in.take(is_true)) {
      out = true;
    } else {
      out = !in.take(is_false) && in.next(cbor::Type::boolean, "bool").value != 0;
    }
  }
  static void encode(detail::Encoder& out, bool value) { out.boolean(value); }
  static constexpr detail::Form form = detail::Form::plain;
  static constexpr void cddl(detail::TextSink& out) { out << "bool"; }
  static constexpr void part_name(detail::TextSink& out) { out << "Bool"; }

 private:
  static constexpr std::array<std::uint8_t, 1> is_false = {0xf4};
  static constexpr std::array<std::uint8_t, 1> is_true = {0xf5};
};

template <detail::Integer T>
struct Codec<T> {
  using Limits = std::numeric_limits<T>;

  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::uint || type == cbor::Type::negint; }
  static std::string expected() { return "int"; }

  static void decode(detail::Decoder& in, T& out) {
    const cbor::Probe probe = in.probe();
    if (fits(probe)) [[likely]] {
      in.pass(probe);
      out = of(probe);
    } else {
      decode_any(in, out);
    }
  }

  static void encode(detail::Encoder& out, T value) {
    if constexpr (std::is_signed_v<T>) {
      out.integer(value);
    } else {
      out.uint(value);
    }
  }

  using Wire = detail::FixedWidth<T>;
  static constexpr detail::Form form = detail::Form::rule;
  static constexpr std::string_view scalar_name =
      std::array<std::string_view, 9>{"",
                                      std::is_signed_v<T> ? "int8" : "uint8",
                                      std::is_signed_v<T> ? "int16" : "uint16",
                                      "",
                                      std::is_signed_v<T> ? "int32" : "uint32",
                                      "",
                                      "",
                                      "",
                                      std::is_signed_v<T> ? "int64" : "uint64"}[sizeof(T)];
  static constexpr void part_name(detail::TextSink& out) {
    out << (std::is_signed_v<T> ? "Int" : "Uint");
    out.number(sizeof(T) * 8);
  }
  static constexpr void describe(detail::TypeText& out) {
    if constexpr (std::is_signed_v<T>) out << "-";
    out.sink().number(std::uint64_t{0} - static_cast<std::uint64_t>(Limits::min())) << "..";
    out.sink().number(static_cast<std::uint64_t>(Limits::max()));
  }

 private:
  // For both Probe and Item.
  static bool fits(const auto& number) {
    return (number.type == cbor::Type::uint || (std::is_signed_v<T> && number.type == cbor::Type::negint)) &&
           number.value <= static_cast<std::uint64_t>(Limits::max());
  }
  static T of(const auto& number) {
    if (number.type == cbor::Type::uint) return static_cast<T>(number.value);
    return static_cast<T>(-static_cast<std::int64_t>(number.value) - 1);
  }

  // For an item that is tagged or wrong.
  [[gnu::cold, gnu::noinline]] static void decode_any(detail::Decoder& in, T& out) {
    const cbor::Item item = in.next();
    if (fits(item)) {
      out = of(item);
    } else if (takes(item.type)) {
      in.fail(join("expected ", Limits::min(), "..", Limits::max(), ", got ", detail::integer_text(item)));
    } else {
      in.mismatch(expected(), item);
    }
  }
};

template <std::floating_point T>
struct Codec<T> {
  static_assert(sizeof(T) <= 8, "float and double have a wire form, long double has none");

  static constexpr bool takes(cbor::Type type) {
    return type == cbor::Type::real || type == cbor::Type::uint || type == cbor::Type::negint;
  }
  static std::string expected() { return "number"; }

  static void decode(detail::Decoder& in, T& out) {
    const cbor::Probe probe = in.probe();
    if (sizeof(T) == 8 && probe.type == cbor::Type::real) [[likely]] {
      in.pass(probe);
      out = static_cast<T>(probe.real);
    } else {
      decode_any(in, out);
    }
  }
  static void encode(detail::Encoder& out, T value) { out.real(value); }
  // Integers, too: encoders of JSON write 3.0 as 3.
  static constexpr detail::Form form = detail::Form::rule;
  static constexpr std::string_view scalar_name = sizeof(T) == 8 ? "double" : "single";
  static constexpr std::string_view doc = sizeof(T) == 8 ? "64 bits" : "32 bits";
  static constexpr void describe(detail::TypeText& out) { out << "float / int"; }
  static constexpr void part_name(detail::TextSink& out) { out << (sizeof(T) == 8 ? "Double" : "Single"); }

 private:
  static void decode_any(detail::Decoder& in, T& out) {
    const cbor::Item item = in.next();
    if (!takes(item.type)) in.mismatch(expected(), item);
    if (item.type == cbor::Type::real) return from_double(in, item.real, out);
    // Each case rounds once, from the integer to T.
    if (item.type == cbor::Type::uint) {
      out = static_cast<T>(item.value);
    } else if (item.value == std::numeric_limits<std::uint64_t>::max()) {
      out = static_cast<T>(-0x1p64);
    } else {
      out = -static_cast<T>(item.value + 1);
    }
  }

  static void from_double(detail::Decoder& in, double value, T& out) {
    if constexpr (sizeof(T) < 8) {
      constexpr double rounded_up = 0x1.ffffffp127;  // from here on, a float would be infinite
      constexpr T max = std::numeric_limits<T>::max();
      const double size = value < 0 ? -value : value;
      if (size >= rounded_up && size <= std::numeric_limits<double>::max()) {
        in.fail(join("expected ", -max, "..", max, ", got ", value));
      }
      if (size > max && size < rounded_up) {
        out = value < 0 ? -max : max;
        return;
      }
    }
    out = static_cast<T>(value);
  }
};

template <>
struct Codec<std::string> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::text; }
  static std::string expected() { return "text"; }
  static void decode(detail::Decoder& in, std::string& out) {
    const cbor::Probe probe = in.probe();
    if (probe.type == cbor::Type::text && cbor::valid_utf8(probe.text())) [[likely]] {
      in.pass(probe);
      out.assign(probe.text());
      return;
    }
    decode_any(in, out);
  }
  static void encode(detail::Encoder& out, const std::string& value) { out.text(value); }
  static bool try_encode(detail::Encoder& out, const std::string& value) { return out.try_text(value); }
  static constexpr detail::Form form = detail::Form::plain;
  static constexpr void cddl(detail::TextSink& out) { out << "tstr"; }
  static constexpr void part_name(detail::TextSink& out) { out << "Text"; }

 private:
  [[gnu::noinline]] static void decode_any(detail::Decoder& in, std::string& out) {
    const cbor::Item head = in.next(cbor::Type::text, "text");
    out.clear();
    in.chunks(head, [&](const cbor::Item& chunk) { out += chunk.text(); });
  }
};

template <>
struct Codec<Bytes> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::bytes; }
  static std::string expected() { return "bytes"; }
  static void decode(detail::Decoder& in, Bytes& out) {
    const cbor::Probe probe = in.probe();
    if (probe.type == cbor::Type::bytes) [[likely]] {
      in.pass(probe);
      out.assign(probe.data, probe.data + probe.size);
    } else {
      decode_any(in, out);
    }
  }
  static void encode(detail::Encoder& out, const Bytes& value) { out.bytes(value); }
  static constexpr detail::Form form = detail::Form::plain;
  static constexpr void cddl(detail::TextSink& out) { out << "bstr"; }
  static constexpr void part_name(detail::TextSink& out) { out << "Bytes"; }

 private:
  [[gnu::noinline]] static void decode_any(detail::Decoder& in, Bytes& out) {
    const cbor::Item head = in.next(cbor::Type::bytes, "bytes");
    out.clear();
    in.chunks(head, [&](const cbor::Item& chunk) { out.insert(out.end(), chunk.data, chunk.data + chunk.size); });
  }
};

}  // namespace backplane
