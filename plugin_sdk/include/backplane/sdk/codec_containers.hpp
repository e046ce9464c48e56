// SPDX-License-Identifier: Apache-2.0
//
// Codecs of vectors, maps with text keys, optionals and variants.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "variant_checks.hpp"

namespace backplane {

template <class T, class Allocator>
struct Codec<std::vector<T, Allocator>> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::array; }
  static std::string expected() { return "array"; }

  static void decode(detail::Decoder& in, std::vector<T, Allocator>& out) {
    const cbor::Item head = in.next(cbor::Type::array, "array");
    out.clear();
    // The count is at most the number of bytes left, but an element may need far more memory than bytes.
    if (!head.until_end) out.reserve(std::min<std::uint64_t>(head.value, 4096 / sizeof(T) + 1));
    in.elements(head, [&](std::size_t) {
      if constexpr (std::is_same_v<T, bool>) {  // std::vector<bool> has no references to its elements
        bool element = false;
        Codec<bool>::decode(in, element);
        out.push_back(element);
      } else {
        Codec<T>::decode(in, out.emplace_back());
      }
    });
  }

  static void encode(detail::Encoder& out, const std::vector<T, Allocator>& value) {
    out.array(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
      detail::encode_part<T>(out, i, value[i]);
    }
  }

  using Inside = detail::Parts<T>;
  using Wire = std::vector<detail::WireForm<T>>;
  static constexpr detail::Form form = detail::Form::compound;
  static constexpr void describe(detail::TypeText& out) {
    out << "[* ";
    out.type<T>(detail::Place::element);
    out << "]";
  }
  static constexpr void part_name(detail::TextSink& out) {
    detail::name_part<T>(out);
    out << "List";
  }
};

namespace detail {

template <class Map>
struct MapCodec {
  using T = typename Map::mapped_type;

  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::map; }
  static std::string expected() { return "map"; }

  static void decode(Decoder& in, Map& out) {
    const cbor::Item head = in.next(cbor::Type::map, "map");
    out.clear();
    in.pairs(head, [&](std::string_view key) {
      const auto [place, fresh] = out.try_emplace(std::string(key));
      if (!fresh) in.fail("given twice");
      Codec<T>::decode(in, place->second);
    });
  }

  static void encode(Encoder& out, const Map& value) {
    out.map(value.size());
    for (const auto& [key, element] : value) {
      const Step step(out.here(), std::string_view(key));
      out.text(key);
      Codec<T>::encode(out, element);
    }
  }

  using Inside = Parts<T>;
  using Wire = std::map<std::string, WireForm<T>>;
  static constexpr Form form = Form::compound;
  static constexpr void describe(TypeText& out) {
    out << "{ * tstr => ";
    out.type<T>(Place::element);
    out << " }";
  }
  static constexpr void part_name(TextSink& out) {
    name_part<T>(out);
    out << "Map";
  }
};

}  // namespace detail

template <class T, class Compare, class Allocator>
struct Codec<std::map<std::string, T, Compare, Allocator>>
    : detail::MapCodec<std::map<std::string, T, Compare, Allocator>> {};

template <class T, class Hash, class Equal, class Allocator>
struct Codec<std::unordered_map<std::string, T, Hash, Equal, Allocator>>
    : detail::MapCodec<std::unordered_map<std::string, T, Hash, Equal, Allocator>> {};

template <class T>
inline constexpr bool detail::always_encodes<std::optional<T>> = detail::always_encodes<T>;

/// Reads CBOR null or undefined as nullopt. As a member of a struct, an optional may be absent; an empty one is not
/// written.
template <class T>
struct Codec<std::optional<T>> {
  static constexpr bool takes(cbor::Type type) {
    return type == cbor::Type::null || type == cbor::Type::undefined || Codec<T>::takes(type);
  }
  static std::string expected() { return Codec<T>::expected() + " or null"; }

  static void decode(detail::Decoder& in, std::optional<T>& out) {
    if (in.null_ahead()) {
      in.next();
      out.reset();
    } else {
      Codec<T>::decode(in, out.emplace());
    }
  }

  static void encode(detail::Encoder& out, const std::optional<T>& value) {
    if (value) {
      Codec<T>::encode(out, *value);
    } else {
      out.null();
    }
  }

  using Inside = detail::Parts<T>;
  using Wire = std::optional<detail::WireForm<T>>;
  static constexpr detail::Form form = detail::Form::choice;
  static constexpr void describe(detail::TypeText& out) {
    out.type<T>(detail::Place::choice);
    if (!Codec<T>::takes(cbor::Type::null)) out << " / null";
  }
  static constexpr void part_name(detail::TextSink& out) {
    out << "Optional";
    detail::name_part<T>(out);
  }
};

template <>
struct Codec<std::monostate> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::null || type == cbor::Type::undefined; }
  static std::string expected() { return "null"; }
  static void decode(detail::Decoder& in, std::monostate&) {
    const cbor::Item item = in.next();
    if (!takes(item.type)) in.mismatch("null", item);
  }
  static void encode(detail::Encoder& out, std::monostate) { out.null(); }
  static constexpr detail::Form form = detail::Form::plain;
  static constexpr void cddl(detail::TextSink& out) { out << "null"; }
  static constexpr void part_name(detail::TextSink& out) { out << "Null"; }
};

namespace detail {
/// The request of a handler that takes none. The payload must be empty, null or an empty map. It is sent as an empty
/// map.
struct Nothing {};
}  // namespace detail

template <>
struct Codec<detail::Nothing> {
  static constexpr bool takes(cbor::Type type) { return type == cbor::Type::map || type == cbor::Type::null; }
  static std::string expected() { return "an empty map"; }
  static void decode(detail::Decoder& in, detail::Nothing&) {
    if (in.null_ahead()) {
      in.next();
      return;
    }
    in.pairs(in.next(cbor::Type::map, "an empty map"), [&](std::string_view) {
      if (!in.ignores_unknown()) in.fail("unknown field; known: none");
      in.ignore_item();
    });
  }
  static void encode(detail::Encoder& out, detail::Nothing) { out.map(0); }
  static constexpr detail::Form form = detail::Form::plain;
  static constexpr void cddl(detail::TextSink& out) { out << "{}"; }
};

/// Tries the alternatives that take the item's CBOR type, in order. The first that fits wins; read leniently, the first
/// among those that ignore the fewest members.
template <class... Ts>
struct Codec<std::variant<Ts...>> {
  using Variant = std::variant<Ts...>;

  static constexpr bool takes(cbor::Type type) { return (Codec<Ts>::takes(type) || ...); }

  static std::string expected() {
    std::string out;
    ((out += join(out.empty() ? "" : " or ", Codec<Ts>::expected())), ...);
    return out;
  }

  static void decode(detail::Decoder& in, Variant& out) {
    static_assert(detail::VariantForms<Ts...>::checked);
    const cbor::Item head = in.peek();
    const int candidates = (static_cast<int>(Codec<Ts>::takes(head.type)) + ...);
    if (candidates == 0) in.mismatch(expected(), head);
    std::string reasons;
    bool done = false;
    if (candidates > 1 && in.ignores_unknown()) {
      Variant best;
      Fit fit{in.mark(), in.mark(), never};
      in.set_ignored(0);
      (void)((attempt<Ts>(in, out, head.type, false, reasons) && take_better(in, out, best, fit)) || ...);
      done = fit.ignored != never;
      if (done) {
        in.go_to(fit.end);
        in.set_ignored(fit.begin.ignored + fit.ignored);
        out = std::move(best);
      }
    } else {
      // A single candidate is read directly, so that the error is its own.
      (void)((done = attempt<Ts>(in, out, head.type, candidates == 1, reasons)) || ...);
    }
    if (!done) in.fail(join("fits none of ", candidates, " forms (", reasons, ")"));
  }

  static void encode(detail::Encoder& out, const Variant& value) {
    std::visit([&]<class T>(const T& v) { Codec<T>::encode(out, v); }, value);
  }

  using Inside = detail::Parts<Ts...>;
  using Wire = std::variant<detail::WireForm<Ts>...>;
  static constexpr detail::Form form = detail::Form::choice;
  static constexpr void describe(detail::TypeText& out) {
    static_assert(detail::VariantForms<Ts...>::checked);
    bool first = true;
    ((out << (first ? "" : " / "), first = false, out.type<Ts>(detail::Place::choice)), ...);
  }
  static constexpr void part_name(detail::TextSink& out) {
    bool first = true;
    ((out << (first ? "" : "Or"), first = false, detail::name_part<Ts>(out)), ...);
  }

 private:
  static constexpr std::size_t never = SIZE_MAX;
  struct Fit {
    detail::Decoder::Mark begin;
    detail::Decoder::Mark end;
    std::size_t ignored;
  };

  // { a, b } leniently fits a struct of `a` alone, too. So the form that ignores the fewest members wins. Returns
  // whether no other can be better.
  static bool take_better(detail::Decoder& in, Variant& read, Variant& best, Fit& fit) {
    const std::size_t ignored = in.mark().ignored;
    if (ignored < fit.ignored) {
      best = std::move(read);
      fit.end = in.mark();
      fit.ignored = ignored;
    }
    if (ignored != 0) in.again_from(fit.begin);
    in.set_ignored(0);
    return ignored == 0;
  }

  template <class T>
  static bool attempt(detail::Decoder& in, Variant& out, cbor::Type type, bool only, std::string& reasons) {
    if (!Codec<T>::takes(type)) return false;
    T value{};
    if (only) {
      Codec<T>::decode(in, value);
    } else {
      const auto mark = in.mark();
      try {
        Codec<T>::decode(in, value);
      } catch (const DecodeError& e) {
        in.again_from(mark);
        constexpr std::size_t most = 1000;  // bytes; a variant inside of a variant has the reasons of both
        if (reasons.size() < most) reasons += join(reasons.empty() ? "" : "; ", detail::shortened(e.message(), most));
        return false;
      }
    }
    out = std::move(value);
    return true;
  }
};

}  // namespace backplane
