// SPDX-License-Identifier: Apache-2.0
//
// Codecs of more types of the standard library: sequences, sets, tuples, maps with integer keys, durations, paths and
// pointers.
#pragma once

#include <charconv>
#include <chrono>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <list>
#include <memory>
#include <set>
#include <tuple>
#include <unordered_set>

#include "codec_containers.hpp"

namespace backplane {
namespace detail {

/// A sequence or a set, as an array.
template <class List>
struct ListCodec {
  using T = typename List::value_type;

  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::array; }
  static std::string expected() { return "array"; }
  static void decode(Decoder& in, List& out) {
    const cbor::Item head = in.next(cbor::Type::array, "array");
    out.clear();
    in.elements(head, [&](std::size_t) {
      if constexpr (requires { out.emplace_back(); }) {
        Codec<T>::decode(in, out.emplace_back());
      } else {
        T element{};
        Codec<T>::decode(in, element);
        if (!out.insert(std::move(element)).second) in.fail("given twice");
      }
    });
  }
  static void encode(Encoder& out, const List& value) {
    out.array(value.size());
    std::size_t i = 0;
    for (const T& element : value) encode_part<T>(out, i++, element);
  }

  using Inside = Parts<T>;
  using Wire = std::vector<WireForm<T>>;
};

/// Exactly `count` elements.
inline void check_count(Decoder& in, const cbor::Item& head, std::size_t count) {
  if (head.until_end || head.value == count) return;
  in.fail(join("expected ", count, " elements, got ", head.value));
}

template <class Tuple>
struct TupleCodec {
  static constexpr std::size_t count = std::tuple_size_v<Tuple>;
  using Indices = std::make_index_sequence<count>;
  template <std::size_t i>
  using At = std::tuple_element_t<i, Tuple>;

  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::array; }
  static std::string expected() { return "array"; }
  static void decode(Decoder& in, Tuple& out) {
    const cbor::Item head = in.next(cbor::Type::array, "array");
    check_count(in, head, count);
    std::size_t read = 0;
    in.elements(head, [&](std::size_t index) {
      if (index >= count) in.fail(join("expected only ", count, " elements"));
      [&]<std::size_t... i>(std::index_sequence<i...>) {
        (void)((i == index && (Codec<At<i>>::decode(in, std::get<i>(out)), true)) || ...);
      }
      (Indices());
      ++read;
    });
    if (read != count) in.fail(join("expected ", count, " elements, got ", read));
  }
  static void encode(Encoder& out, const Tuple& value) {
    out.array(count);
    [&]<std::size_t... i>(std::index_sequence<i...>) { (encode_part<At<i>>(out, i, std::get<i>(value)), ...); }
    (Indices());
  }
};

/// A map whose keys are integers. Text with an integer is taken, too, since JSON has no other keys.
template <class Map>
struct IntegerMapCodec {
  using Key = typename Map::key_type;
  using T = typename Map::mapped_type;
  static constexpr bool is_signed = std::is_signed_v<Key>;

  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::map; }
  static std::string expected() { return "map"; }
  static void decode(Decoder& in, Map& out) {
    const cbor::Item head = in.next(cbor::Type::map, "map");
    out.clear();
    in.items_in_pairs(head, [&] {
      Key key{};
      decode_key(in, key);
      const std::string name = std::to_string(key);
      const Step step(in.here(), name);
      const auto [place, fresh] = out.try_emplace(key);
      if (!fresh) in.fail("given twice");
      Codec<T>::decode(in, place->second);
    });
  }
  static void encode(Encoder& out, const Map& value) {
    out.map(value.size());
    for (const auto& [key, element] : value) {
      const std::string name = std::to_string(key);
      const Step step(out.here(), std::string_view(name));
      Codec<Key>::encode(out, key);
      Codec<T>::encode(out, element);
    }
  }

  using Inside = Parts<T>;
  using Wire = std::map<FixedWidth<Key>, WireForm<T>>;
  // Public tools know no keys but int and uint. So the name of the rule says what a narrower key may be.
  static constexpr Form form = sizeof(Key) == 8 ? Form::compound : Form::rule;
  static constexpr void describe(TypeText& out) {
    out << (is_signed ? "{ * int => " : "{ * uint => ");
    out.type<T>(Place::element);
    out << " }";
  }
  static constexpr void part_name(TextSink& out) {
    name_part<T>(out);
    out << (is_signed ? "ByInt" : "ByUint");
    if (sizeof(Key) != 8) out.number(sizeof(Key) * 8);
  }

 private:
  static void decode_key(Decoder& in, Key& key) {
    const cbor::Item head = in.peek();
    if (head.type != cbor::Type::text) return Codec<Key>::decode(in, key);
    in.next();
    std::string scratch;
    const std::string_view text = in.text(head, scratch);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key);
    if (error != std::errc() || end != text.data() + text.size()) {
      in.fail(join("expected an integer as key, got ", quoted(text)));
    }
  }
};

template <class Period>
constexpr std::string_view unit_name() {
  if constexpr (std::is_same_v<Period, std::nano>) return "nanoseconds";
  if constexpr (std::is_same_v<Period, std::micro>) return "microseconds";
  if constexpr (std::is_same_v<Period, std::milli>) return "milliseconds";
  if constexpr (std::is_same_v<Period, std::ratio<1>>) return "seconds";
  if constexpr (std::is_same_v<Period, std::ratio<60>>) return "minutes";
  if constexpr (std::is_same_v<Period, std::ratio<3600>>) return "hours";
  if constexpr (std::is_same_v<Period, std::ratio<86400>>) return "days";
  return {};
}

/// "milliseconds" of 64 bits with a sign, "milliseconds_int32", …
template <class Rep, class Period>
struct DurationName {
  static constexpr void write(TextSink& out) {
    out << unit_name<Period>();
    if (!std::is_same_v<Rep, std::int64_t>) out << "_" << Codec<Rep>::scalar_name;
  }
  static constexpr auto text = text_constant<DurationName>();
  static constexpr std::string_view view{text.data(), text.size()};
};

}  // namespace detail

template <class T, class Allocator>
struct Codec<std::deque<T, Allocator>> : detail::ListCodec<std::deque<T, Allocator>> {};
template <class T, class Allocator>
struct Codec<std::list<T, Allocator>> : detail::ListCodec<std::list<T, Allocator>> {};
/// An element that comes twice is an error.
template <class T, class Compare, class Allocator>
struct Codec<std::set<T, Compare, Allocator>> : detail::ListCodec<std::set<T, Compare, Allocator>> {};
template <class T, class Hash, class Equal, class Allocator>
struct Codec<std::unordered_set<T, Hash, Equal, Allocator>>
    : detail::ListCodec<std::unordered_set<T, Hash, Equal, Allocator>> {};

template <detail::Integer K, class T, class Compare, class Allocator>
struct Codec<std::map<K, T, Compare, Allocator>> : detail::IntegerMapCodec<std::map<K, T, Compare, Allocator>> {};
template <detail::Integer K, class T, class Hash, class Equal, class Allocator>
struct Codec<std::unordered_map<K, T, Hash, Equal, Allocator>>
    : detail::IntegerMapCodec<std::unordered_map<K, T, Hash, Equal, Allocator>> {};

template <class First, class... Rest>
struct Codec<std::tuple<First, Rest...>> : detail::TupleCodec<std::tuple<First, Rest...>> {
  using Inside = detail::Parts<First, Rest...>;
  using Wire = std::tuple<detail::WireForm<First>, detail::WireForm<Rest>...>;
  static constexpr detail::Form form = detail::Form::rule;
  static constexpr void describe(detail::TypeText& out) {
    if constexpr ((std::is_same_v<First, Rest> && ...)) {
      out << "[";
      out.sink().number(1 + sizeof...(Rest)) << "*";
      out.sink().number(1 + sizeof...(Rest)) << " ";
      out.type<First>(detail::Place::element);
    } else {
      // Tools that know lists of one type only take the first entry for the type of all: it says which they may be, and
      // that it comes never.
      out << "[0*0 (";
      out.type<First>(detail::Place::choice);
      ((out << " / ", out.type<Rest>(detail::Place::choice)), ...);
      out << "), ";
      out.type<First>(detail::Place::element);
      ((out << ", ", out.type<Rest>(detail::Place::element)), ...);
    }
    out << "]";
  }
  static constexpr void part_name(detail::TextSink& out) {
    detail::name_part<First>(out);
    (detail::name_part<Rest>(out), ...);
    out << (sizeof...(Rest) == 1 ? "Pair" : "Tuple");
  }
};
template <class A, class B>
struct Codec<std::pair<A, B>> : detail::TupleCodec<std::pair<A, B>> {
  using Inside = detail::Parts<A, B>;
  using Wire = std::tuple<detail::WireForm<A>, detail::WireForm<B>>;
};

template <class T, std::size_t n>
struct Codec<std::array<T, n>> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::array; }
  static std::string expected() { return "array"; }
  static void decode(detail::Decoder& in, std::array<T, n>& out) {
    const cbor::Item head = in.next(cbor::Type::array, "array");
    detail::check_count(in, head, n);
    std::size_t read = 0;
    in.elements(head, [&](std::size_t index) {
      if (index >= n) in.fail(join("expected only ", n, " elements"));
      Codec<T>::decode(in, out[index]);
      ++read;
    });
    if (read != n) in.fail(join("expected ", n, " elements, got ", read));
  }
  static void encode(detail::Encoder& out, const std::array<T, n>& value) {
    out.array(n);
    for (std::size_t i = 0; i < n; ++i) detail::encode_part<T>(out, i, value[i]);
  }

  using Inside = detail::Parts<T>;
  using Wire = std::array<detail::WireForm<T>, n>;
  static constexpr detail::Form form = detail::Form::compound;
  static constexpr void describe(detail::TypeText& out) {
    out << "[";
    out.sink().number(n) << "*";
    out.sink().number(n) << " ";
    out.type<T>(detail::Place::element);
    out << "]";
  }
  static constexpr void part_name(detail::TextSink& out) {
    detail::name_part<T>(out);
    out << "Array";
    out.number(n);
  }
};

/// Exactly n bytes.
template <class Byte, std::size_t n>
requires(std::is_same_v<Byte, std::uint8_t> || std::is_same_v<Byte, std::byte>) struct Codec<std::array<Byte, n>> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::bytes; }
  static std::string expected() { return join(n, " bytes"); }
  static void decode(detail::Decoder& in, std::array<Byte, n>& out) {
    const cbor::Item head = in.next(cbor::Type::bytes, expected());
    std::size_t size = 0;
    in.chunks(head, [&](const cbor::Item& chunk) {
      if (chunk.size <= n - std::min(n, size))
        std::copy_n(chunk.data, chunk.size, reinterpret_cast<std::uint8_t*>(out.data()) + size);
      size += chunk.size;
    });
    if (size != n) in.fail(join("expected ", expected(), ", got ", size));
  }
  static void encode(detail::Encoder& out, const std::array<Byte, n>& value) {
    out.bytes({reinterpret_cast<const std::uint8_t*>(value.data()), n});
  }

  using Wire = std::array<std::uint8_t, n>;
  static constexpr detail::Form form = detail::Form::rule;
  static constexpr void describe(detail::TypeText& out) {
    out << "bstr .size ";
    out.sink().number(n);
  }
  static constexpr void part_name(detail::TextSink& out) {
    out << "Bytes";
    out.number(n);
  }
};

/// An integer, whose unit is the name of its rule.
template <detail::Integer Rep, class Period>
requires(!detail::unit_name<Period>().empty()) struct Codec<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;

  static constexpr bool takes(cbor::Type type) { return Codec<Rep>::takes(type); }
  static std::string expected() { return join("int (", detail::unit_name<Period>(), ")"); }
  static void decode(detail::Decoder& in, Duration& out) {
    Rep count{};
    Codec<Rep>::decode(in, count);
    out = Duration(count);
  }
  static void encode(detail::Encoder& out, const Duration& value) { Codec<Rep>::encode(out, value.count()); }

  using Wire = std::chrono::duration<detail::FixedWidth<Rep>, Period>;
  static constexpr detail::Form form = detail::Form::rule;
  static constexpr std::string_view scalar_name = detail::DurationName<detail::FixedWidth<Rep>, Period>::view;
  static constexpr std::string_view doc = "a time in this unit";
  static constexpr void describe(detail::TypeText& out) { out.type<Rep>(); }
  static constexpr void part_name(detail::TextSink& out) { detail::put_capital(out, scalar_name); }
};

/// Text. A path that is not UTF-8 cannot be sent.
template <>
struct Codec<std::filesystem::path> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::text; }
  static std::string expected() { return "text"; }
  static void decode(detail::Decoder& in, std::filesystem::path& out) {
    std::string text;
    Codec<std::string>::decode(in, text);
    out = std::move(text);
  }
  static void encode(detail::Encoder& out, const std::filesystem::path& value) { out.text(value.native()); }
  using Wire = std::string;
};

/// The object, or null. As a member it is like std::optional: it may be absent, and an empty one is not written.
template <class T>
struct Codec<std::unique_ptr<T>> {
  static constexpr bool takes(cbor::Type type) { return Codec<std::optional<T>>::takes(type); }
  static std::string expected() { return Codec<T>::expected() + " or null"; }
  static void decode(detail::Decoder& in, std::unique_ptr<T>& out) {
    if (in.null_ahead()) {
      in.next();
      out.reset();
    } else {
      out = std::make_unique<T>();
      Codec<T>::decode(in, *out);
    }
  }
  static void encode(detail::Encoder& out, const std::unique_ptr<T>& value) {
    if (value) {
      Codec<T>::encode(out, *value);
    } else {
      out.null();
    }
  }
  using Inside = detail::Parts<T>;
  using Wire = std::optional<detail::WireForm<T>>;
};

}  // namespace backplane
