// SPDX-License-Identifier: Apache-2.0
//
// The rules of described structs and enums in the interface text.
#pragma once

#include "members.hpp"

namespace backplane::detail {

/// Whether T{} can be made at compile time, so that the initializers of its members are known.
template <class T>
constexpr bool make_default() {
  static_cast<void>(T{});
  return true;
}
template <class T>
concept KnownDefault = requires {
  typename std::bool_constant<make_default<T>()>;
};

constexpr void write_quoted(TextSink& out, std::string_view text) {
  out.put('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out.put('\\');
    out.put(c);
  }
  out.put('"');
}

/// A number with at most nine decimals, as few as give the value back. Returns false and writes nothing for others.
constexpr bool write_real(TextSink& out, double value) {
  const double size = value < 0 ? -value : value;
  if (!(size < 9e15)) return false;
  std::uint64_t scale = 1;
  for (int decimals = 0; decimals < 10; ++decimals, scale *= 10) {
    const double scaled = size * static_cast<double>(scale);
    if (!(scaled < 9e15)) return false;
    const auto digits = static_cast<std::uint64_t>(scaled + 0.5);
    if (static_cast<double>(digits) / static_cast<double>(scale) != size) continue;
    if (value < 0) out.put('-');
    out.number(digits / scale).put('.');
    if (decimals == 0) out.put('0');
    for (std::uint64_t part = scale / 10; part != 0; part /= 10) out.put(static_cast<char>('0' + digits / part % 10));
    return true;
  }
  return false;
}

/// Writes ` .default …` for a number, a bool, text or a named enum value. Other types show no default.
template <class T>
constexpr void write_default(TextSink& out, const T& value) {
  if constexpr (is_optional<T>) {
    if (value) write_default(out, *value);
  } else if constexpr (std::is_same_v<T, bool>) {
    out << " .default " << (value ? "true" : "false");
  } else if constexpr (Integer<T>) {
    out << " .default ";
    out.integer(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    TextSink tried;
    if (!write_real(tried, value)) return;
    out << " .default ";
    write_real(out, value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    for (const char c : value) {
      if (static_cast<unsigned char>(c) < ' ') return;
    }
    out << " .default ";
    write_quoted(out, value);
  } else if constexpr (DescribedEnum<T>) {
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&]<class E>(E) {
      if (E::value != value) return;
      out << " .default ";
      write_quoted(out, wire_name(E::name));
    });
  }
}

constexpr bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

template <class T, class M>
constexpr void describe_member(TypeText& out) {
  using Type = typename Members<T>::template Type<M>;
  constexpr bool defaulted = is_defaulted<T>(M::name);
  const bool absent = out.in_settings() || Members<T>::template may_be_absent<M>;
  if (absent) out << "? ";
  constexpr std::string_view name = Key<M>::name;
  const bool plain = is_ascii(name);
  out << (plain ? "" : "\"") << name << (plain ? ": " : "\": ");  // names of CDDL are ASCII
  constexpr bool nullable = is_optional<Type>;
  if constexpr (nullable) {
    using Value = std::remove_cvref_t<decltype(*std::declval<Type&>())>;
    out.type<Value>(Place::choice);
    if constexpr (KnownDefault<T>) {
      T made{};  // not const: g++ 12 does not evaluate const std::string
      write_default(out.sink(), made.*M::pointer);
    }
    if (!Codec<Value>::takes(cbor::Type::null)) out << " / null";
  } else {
    out.type<Type>();
    if (out.in_settings() || defaulted) {
      if constexpr (KnownDefault<T>) {
        T made{};  // not const: g++ 12 does not evaluate const std::string
        write_default(out.sink(), made.*M::pointer);
      }
    }
  }
}

template <class T>
constexpr void describe_struct(TypeText& out) {
  using All = Members<T>;
  if constexpr (All::count == 0) {
    out << "{}";
  } else {
    std::size_t width = 0;
    for (const std::string_view name : All::names) width += name.size() + (out.in_settings() ? 24 : 14);
    const bool lines = has_member_docs<T>() || width > 100;
    out << (lines ? "{\n" : "{ ");
    std::size_t left = All::count;
    boost::mp11::mp_for_each<typename All::List>([&]<class M>(M) {
      if (lines) out << "  ";
      describe_member<T, M>(out);
      if (--left != 0) out << ",";
      if (lines) {
        std::string_view doc = doc_of<T>(M::name);
        out.end(doc);
      } else {
        out << " ";
      }
    });
    out << "}";
  }
}

template <class T>
constexpr void describe_enum(TypeText& out) {
  bool first = true;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&]<class E>(E) {
    out << (first ? "" : " / ");
    write_quoted(out.sink(), wire_name(E::name));
    first = false;
  });
  if (!has_member_docs<T>()) return;
  out << " ; ";
  out.comment(doc_of<T>(""));
  first = doc_of<T>("").empty();
  for (const Doc& doc : docs_of<T>()) {
    if (doc.member.empty()) continue;
    out << (first ? "" : "; ") << wire_name(doc.member) << ": ";
    out.comment(doc.text);
    first = false;
  }
}

}  // namespace backplane::detail
