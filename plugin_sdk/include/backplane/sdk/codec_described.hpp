// SPDX-License-Identifier: Apache-2.0
//
// Codecs of the structs and enums that Boost.Describe describes.
#pragma once

#include <array>
#include <bitset>

#include "codec.hpp"
#include "described_text.hpp"

namespace backplane {
namespace detail {

template <DescribedStruct T>
inline constexpr bool always_encodes<T> = []<class... M>(boost::mp11::mp_list<M...>) {
  return (always_encodes<typename Members<T>::template Type<M>> && ...);
}(boost::mp11::mp_rename<typename Members<T>::List, boost::mp11::mp_list>());

}  // namespace detail

/// A map from member names to values. Each member must occur once; optionals may be absent. Another key is an error, or
/// with `lenient` it is skipped with its value. An empty optional is not written, unless its absence would mean a
/// value: the member's initializer. Then it is written as null.
template <detail::DescribedStruct T>
struct Codec<T> {
  using All = detail::Members<T>;
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::map; }
  static std::string expected() { return "map"; }

  static void decode(detail::Decoder& in, T& out) {
    static_assert(detail::StructChecks<T>::checked);
    const std::uint64_t count = decode_head(in);
    const detail::Decoder::Depth depth(in);
    Seen seen;
    const std::uint64_t done = read_in_order(in, count, out, seen);
    if (done == count && done == All::count) return;  // all members are there
    read_rest(in, count == in.to_the_end ? count : count - done, out, seen);
  }

  static void encode(detail::Encoder& out, const T& value) {
    static_assert(detail::StructChecks<T>::checked);
    encode_head(out, value);
    each([&]<class M>(M) {
      if (!written<M>(value)) return;
      out.encoded(detail::Key<M>::bytes);
      detail::encode_part<typename All::template Type<M>>(out, detail::Key<M>::name, value.*M::pointer);
    });
  }

  using struct_members = void;
  static constexpr detail::Form form = detail::Form::rule;
  static constexpr void describe(detail::TypeText& out) {
    static_assert(detail::StructChecks<T>::checked);
    detail::describe_struct<T>(out);
  }

 private:
  template <class Use>
  static constexpr void each(Use use) {
    boost::mp11::mp_for_each<typename All::List>(use);
  }

  // If no member may be absent, the head does not depend on the value.
  static constexpr bool head_is_known = All::count < 24 && !All::any_optional;
  static constexpr std::array<std::uint8_t, 1> known_head = {cbor::short_head(cbor::Major::map, All::count % 24)};

  static std::uint64_t decode_head(detail::Decoder& in) {
    // If the rest of the bytes cannot hold the map, next() refuses it.
    if (head_is_known && in.rest().size() > 2 * All::count && in.take(known_head)) return All::count;
    const cbor::Item head = in.next(cbor::Type::map, "map");
    return head.until_end ? in.to_the_end : head.value;
  }

  static void encode_head(detail::Encoder& out, const T& value) {
    if constexpr (head_is_known) {
      out.encoded(known_head);
    } else {
      std::size_t count = 0;
      each([&]<class M>(M) { count += written<M>(value); });
      out.map(count);
    }
  }

  template <class M>
  static constexpr bool written(const T& value) {
    if constexpr (detail::is_optional<typename All::template Type<M>>) {
      return static_cast<bool>(value.*M::pointer) || has_initializer<M>();
    } else {
      return true;
    }
  }

  /// Whether a reader takes the absence of this optional member for a value.
  template <class M>
  static bool has_initializer() {
    if constexpr (std::is_default_constructible_v<T>) {
      static const bool has = static_cast<bool>(T{}.*M::pointer);
      return has;
    } else {
      return false;
    }
  }

  using Seen = std::bitset<All::count + 1>;

  /// Reads pairs while their keys come in the order of the members and in their shortest form, at most `count`. Most
  /// encoders write them so. Returns how many it read; the rest may be anything.
  static std::uint64_t read_in_order(detail::Decoder& in, std::uint64_t count, T& out, Seen& seen) {
    std::uint64_t done = 0;
    std::size_t i = 0;
    detail::Step step(in.here());
    each([&]<class M>(M) {
      if (done != count && in.take(detail::Key<M>::bytes)) {
        step.go_to(detail::Key<M>::name);
        read_member<M>(in, out);
        seen[i] = true;
        ++done;
      }
      ++i;
    });
    return done;
  }

  /// Reads `count` more pairs, in any order and form.
  [[gnu::noinline]] static void read_rest(detail::Decoder& in, std::uint64_t count, T& out, Seen& seen) {
    std::size_t next = All::count;
    in.pairs_left(count, [&](std::string_view key) {
      const std::size_t i = All::find(key, next);
      if (i == All::count) {
        if (!in.ignores_unknown()) in.fail(join("unknown field; known: ", All::known()));
        in.ignore_item();
        return;
      }
      if (seen[i]) in.fail("given twice");
      seen.set(i);
      next = i + 1;
      read(in, out, i);
    });
    if (!in.absent_is_default()) check_missing(in, seen);
  }

  template <class M>
  static void read_member(detail::Decoder& in, T& out) {
    Codec<typename All::template Type<M>>::decode(in, out.*M::pointer);
  }

  static void read(detail::Decoder& in, T& out, std::size_t index) {
    if constexpr (All::count != 0) {
      boost::mp11::mp_with_index<All::count>(index,
                                             [&](auto i) { read_member<typename All::template At<i>>(in, out); });
    }
  }

  template <class M, class Type>
  static void missing(detail::Decoder& in) {
    const detail::Step step(in.here(), detail::Key<M>::name);
    in.fail(join("missing, expected ", Codec<Type>::expected()));
  }

  static void check_missing(detail::Decoder& in, const Seen& seen) {
    std::size_t i = 0;
    each([&]<class M>(M) {
      if constexpr (!All::template may_be_absent<M>) {
        if (!seen[i]) missing<M, typename All::template Type<M>>(in);
      }
      ++i;
    });
  }
};

/// An enum as text: the name of the enumerator.
template <detail::DescribedEnum T>
struct Codec<T> {
  using List = boost::describe::describe_enumerators<T>;
  static_assert(
      []<class... E>(boost::mp11::mp_list<E...>) {
        return detail::all_distinct(std::array<std::string_view, sizeof...(E)>{detail::wire_name(E::name)...});
      }(boost::mp11::mp_rename<List, boost::mp11::mp_list>()),
      "two enumerators have the same name on the wire, where a trailing underscore is dropped: rename one");

  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::text; }

  static std::string expected() {
    constexpr std::size_t count = boost::mp11::mp_size<List>::value;
    std::string out;
    std::size_t i = 0;
    each([&]<class E>(E) {
      if (i != 0) out += i + 1 == count ? " or " : ", ";
      ++i;
      out += '"';
      out += detail::wire_name(E::name);
      out += '"';
    });
    return out;
  }

  static void decode(detail::Decoder& in, T& out) {
    bool found = false;
    each([&]<class E>(E) {
      if (found || !in.take(detail::Key<E>::bytes)) return;
      out = E::value;
      found = true;
    });
    if (!found) decode_any(in, out);
  }

  static void encode(detail::Encoder& out, T value) {
    if (!try_encode(out, value)) {
      out.fail(join("enum value ", static_cast<std::int64_t>(value), " has no name; names: ", expected()));
    }
  }

  static bool try_encode(detail::Encoder& out, T value) {
    bool found = false;
    // If a value has several names, the last one counts.
    boost::mp11::mp_for_each<boost::mp11::mp_reverse<List>>([&]<class E>(E) {
      if (found || E::value != value) return;
      out.encoded(detail::Key<E>::bytes);
      found = true;
    });
    return found;
  }

  static constexpr detail::Form form = detail::Form::rule;
  static constexpr void describe(detail::TypeText& out) { detail::describe_enum<T>(out); }

 private:
  // For text that is tagged, in chunks, with a head longer than needed, or wrong.
  static void decode_any(detail::Decoder& in, T& out) {
    const cbor::Item head = in.next();
    if (head.type != cbor::Type::text) in.mismatch(expected(), head);
    std::string scratch;
    const std::string_view text = in.text(head, scratch);
    bool found = false;
    each([&]<class E>(E) {
      if (found || detail::wire_name(E::name) != text) return;
      out = E::value;
      found = true;
    });
    if (!found) in.fail(join("expected ", expected(), ", got ", detail::quoted(text)));
  }

  template <class Use>
  static constexpr void each(Use use) {
    boost::mp11::mp_for_each<List>(use);
  }
};

}  // namespace backplane
