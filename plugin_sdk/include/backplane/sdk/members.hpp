// SPDX-License-Identifier: Apache-2.0
//
// The members of a described struct, and what the compiler checks of them.
#pragma once

#include <boost/describe.hpp>
#include <boost/mp11.hpp>

#include <array>
#include <backplane/cbor/head.hpp>
#include <memory>
#include <optional>

#include "codec.hpp"

namespace backplane::detail {

template <class T>
concept DescribedStruct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;

template <class T>
concept DescribedEnum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_optional<std::unique_ptr<T>> = true;

/// The wire name of a member or enumerator: its C++ name without a trailing underscore. So `delete_` and `class_` stand
/// for C++ keywords.
constexpr std::string_view wire_name(std::string_view name) {
  if (name.size() > 1 && name.back() == '_') name.remove_suffix(1);
  return name;
}

/// The wire name of a member or enumerator as encoded CBOR text.
template <class Member>
struct Key {
  static constexpr std::string_view name = wire_name(Member::name);
  static_assert(name.size() < 256, "a member's name is too long");
  static constexpr std::size_t head = cbor::head_size(name.size());
  static constexpr auto bytes = [] {
    std::array<std::uint8_t, head + name.size()> out{};
    cbor::write_head(out.data(), cbor::Major::text, name.size());
    for (std::size_t i = 0; i < name.size(); ++i) out[head + i] = static_cast<std::uint8_t>(name[i]);
    return out;
  }();
};

/// Whether no name appears twice.
template <std::size_t count>
constexpr bool all_distinct(const std::array<std::string_view, count>& names) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = i + 1; k < count; ++k) {
      if (names[i] == names[k]) return false;
    }
  }
  return true;
}

template <class T>
struct Members {
  using List = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;
  static constexpr std::size_t count = boost::mp11::mp_size<List>::value;

  template <std::size_t I>
  using At = boost::mp11::mp_at_c<List, I>;
  template <class Member>
  using Type = std::remove_cvref_t<decltype(std::declval<T&>().*Member::pointer)>;

  static constexpr std::array<std::string_view, count> names = []<class... M>(boost::mp11::mp_list<M...>) {
    return std::array<std::string_view, count>{Key<M>::name...};
  }(boost::mp11::mp_rename<List, boost::mp11::mp_list>());
  static_assert(all_distinct(names),
                "two members have the same name on the wire, where a trailing underscore is dropped: rename one");

  /// Whether a request may leave it out.
  template <class M>
  static constexpr bool may_be_absent = is_optional<Type<M>> || is_defaulted<T>(M::name);

  static constexpr bool any_optional = []<class... M>(boost::mp11::mp_list<M...>) {
    return (is_optional<Type<M>> || ...);
  }(boost::mp11::mp_rename<List, boost::mp11::mp_list>());

  /// Returns the index of the member `key`, or `count` if there is none. It looks at `guess` first.
  static constexpr std::size_t find(std::string_view key, std::size_t guess) {
    if (guess < count && names[guess] == key) return guess;
    std::size_t i = 0;
    while (i < count && names[i] != key) ++i;
    return i;
  }

  static std::string known() {
    std::string out;
    for (const std::string_view name : names) out += join(out.empty() ? "" : ", ", name);
    return out.empty() ? "none" : out;
  }
};

/// Ends the compilation unless the member has a wire form.
template <class T, auto member>
struct MemberOf {
  using Type = std::remove_cvref_t<decltype(std::declval<T&>().*member)>;
  static_assert(is_wire<Type>(),
                "a member of a described struct has no wire form (see T and member): describe its type, use one of the "
                "types that docs/sdk.md lists (a type that contains itself goes through std::vector, std::map or "
                "std::unique_ptr), or specialise backplane::Codec");
  static constexpr bool checked = true;
};

/// Whether T takes one more initializer than members and bases are described.
template <class T, class... M>
concept TakesOneMore = requires {
  T{std::declval<M>()..., {}};
};

/// Converts to any member. For structs whose members are described in another order than they are declared.
struct AnyMember {
  template <class T>
  operator T() const;  // NOLINT: implicit on purpose
};

template <class T>
struct StructChecks {
  using Own = boost::describe::describe_members<T, boost::describe::mod_public>;
  using Bases = boost::describe::describe_bases<T, boost::describe::mod_any_access>;

  template <class M>
  using Type = std::remove_cvref_t<decltype(std::declval<T&>().*M::pointer)>;

  static constexpr bool all_described() {
    if constexpr (!std::is_aggregate_v<T>) {
      return true;
    } else {
      return []<class... B, class... M>(boost::mp11::mp_list<B...>, boost::mp11::mp_list<M...>) {
        if constexpr (requires { T{std::declval<typename B::type>()..., std::declval<Type<M>>()...}; }) {
          return !TakesOneMore<T, typename B::type..., Type<M>...>;
        } else {
          return !TakesOneMore<T, boost::mp11::mp_if_c<true, AnyMember, B>...,
                               boost::mp11::mp_if_c<true, AnyMember, M>...>;
        }
      }(boost::mp11::mp_rename<Bases, boost::mp11::mp_list>(), boost::mp11::mp_rename<Own, boost::mp11::mp_list>());
    }
  }
  static_assert(all_described(),
                "a member or base of the struct is missing from its BOOST_DESCRIBE_STRUCT (see T): add it there, or "
                "take it out of the struct");

  static constexpr bool known_names() {
    for (const Doc& doc : docs_of<T>()) {
      if (!doc.member.empty() && Members<T>::find(wire_name(doc.member), 0) == Members<T>::count) return false;
    }
    for (const std::string_view name : defaulted_members<T>()) {
      if (Members<T>::find(wire_name(name), 0) == Members<T>::count) return false;
    }
    return true;
  }
  static_assert(known_names(),
                "BACKPLANE_DOCS or BACKPLANE_DEFAULTS names a member that the struct does not have (see T)");

  static constexpr bool checked = []<class... M>(boost::mp11::mp_list<M...>) {
    return (MemberOf<T, M::pointer>::checked && ...);
  }(boost::mp11::mp_rename<typename Members<T>::List, boost::mp11::mp_list>());
};

}  // namespace backplane::detail
