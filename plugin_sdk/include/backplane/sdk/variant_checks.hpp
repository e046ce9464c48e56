// SPDX-License-Identifier: Apache-2.0
//
// Whether a reader can tell the alternatives of a std::variant apart.
#pragma once

#include <map>
#include <string>

#include "members.hpp"

namespace backplane {
class Cbor;

namespace detail {

template <class T>
inline constexpr bool is_text_map = false;
template <class T>
inline constexpr bool is_text_map<std::map<std::string, T>> = true;

/// Whether both are read from items of the same type.
template <class A, class B>
constexpr bool takes_same() {
  for (int type = 0; type < static_cast<int>(cbor::Type::end); ++type) {
    if (Codec<A>::takes(static_cast<cbor::Type>(type)) && Codec<B>::takes(static_cast<cbor::Type>(type))) return true;
  }
  return false;
}

/// Whether B has each member that A needs, with a type that may look the same.
template <class A, class B>
constexpr bool has_members_of() {
  return []<class... M>(boost::mp11::mp_list<M...>) {
    return ((Members<A>::template may_be_absent<M> || Members<B>::find(Key<M>::name, 0) != Members<B>::count) && ...);
  }(boost::mp11::mp_rename<typename Members<A>::List, boost::mp11::mp_list>());
}

template <class A, class B>
constexpr bool common_members_look_alike() {
  bool alike = true;
  boost::mp11::mp_for_each<typename Members<A>::List>([&]<class MA>(MA) {
    boost::mp11::mp_for_each<typename Members<B>::List>([&]<class MB>(MB) {
      if (Key<MA>::name != Key<MB>::name) return;
      if (!takes_same<typename Members<A>::template Type<MA>, typename Members<B>::template Type<MB>>()) alike = false;
    });
  });
  return alike;
}

/// Whether a value of the struct may be read as a map of T.
template <class Struct, class T>
constexpr bool members_look_like() {
  return []<class... M>(boost::mp11::mp_list<M...>) {
    return (
        (Members<Struct>::template may_be_absent<M> || takes_same<typename Members<Struct>::template Type<M>, T>()) &&
        ...);
  }(boost::mp11::mp_rename<typename Members<Struct>::List, boost::mp11::mp_list>());
}

template <class A, class B>
constexpr bool have_a_word_in_common() {
  bool common = false;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<A>>([&]<class EA>(EA) {
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<B>>(
        [&]<class EB>(EB) { common = common || wire_name(EA::name) == wire_name(EB::name); });
  });
  return common;
}

/// Whether a value of the later alternative B may be read as an A.
template <class A, class B>
constexpr bool look_alike() {
  if constexpr (std::is_same_v<A, B>) {
    return true;
  } else if constexpr (!takes_same<A, B>()) {
    return false;
  } else if constexpr (std::is_same_v<B, Cbor>) {
    return false;  // any other item, in the last place
  } else if constexpr (DescribedStruct<A> && DescribedStruct<B>) {
    return has_members_of<A, B>() && has_members_of<B, A>() && common_members_look_alike<A, B>();
  } else if constexpr (DescribedStruct<A> && is_text_map<B>) {
    return members_look_like<A, typename B::mapped_type>();
  } else if constexpr (is_text_map<A> && DescribedStruct<B>) {
    return members_look_like<B, typename A::mapped_type>();
  } else if constexpr (DescribedEnum<A> && DescribedEnum<B>) {
    return have_a_word_in_common<A, B>();
  } else if constexpr (DescribedEnum<A> && std::is_same_v<B, std::string>) {
    return false;  // a known word, or else any text
  } else if constexpr (Integer<A> && std::is_floating_point_v<B>) {
    return false;  // an integer, or else a float
  } else {
    return true;
  }
}

template <class A, class B>
struct ToldApart {
  static_assert(
      !look_alike<WireForm<A>, WireForm<B>>(),
      "two alternatives of a std::variant may look alike on the wire, so a reader could take one for the other "
      "(see A and B); say which it is: backplane::Tagged<backplane::As<\"a\", A>, backplane::As<\"b\", B>>");
  static constexpr bool checked = true;
};

template <class... T>
struct VariantForms {
  static constexpr bool checked = true;
};
template <class First, class... Rest>
struct VariantForms<First, Rest...> {
  static constexpr bool checked = (ToldApart<First, Rest>::checked && ...) && VariantForms<Rest...>::checked;
};

}  // namespace detail
}  // namespace backplane
