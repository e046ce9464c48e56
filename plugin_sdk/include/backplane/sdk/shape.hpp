// SPDX-License-Identifier: Apache-2.0
//
// What a handler takes and returns, deduced from its signature.
#pragma once

#include <functional>

#include "fibers.hpp"

namespace backplane::detail {

template <class... T>
struct Types {};

template <class F>
struct Function;
template <class R, class... A>
struct Function<R (*)(A...)> {
  using Return = R;
  using Arguments = Types<A...>;
  using Owner = void;  // the class of a member function
  static constexpr bool throws = true;
};
template <class R, class... A>
struct Function<R (*)(A...) noexcept> : Function<R (*)(A...)> {
  static constexpr bool throws = false;
};
template <class C, class R, class... A>
struct Function<R (C::*)(A...)> : Function<R (*)(A...)> {
  using Owner = C;
};
template <class C, class R, class... A>
struct Function<R (C::*)(A...) const> : Function<R (*)(A...)> {
  using Owner = C;
};
template <class C, class R, class... A>
struct Function<R (C::*)(A...) noexcept> : Function<R (*)(A...) noexcept> {
  using Owner = C;
};
template <class C, class R, class... A>
struct Function<R (C::*)(A...) const noexcept> : Function<R (*)(A...) noexcept> {
  using Owner = C;
};

/// A handler as a function or member. A lambda that captures nothing is its function.
template <class F>
constexpr auto callable(F fn) {
  if constexpr (!std::is_class_v<F>) {
    return fn;
  } else if constexpr (requires { +fn; }) {
    return +fn;
  } else {
    static_assert(std::is_void_v<F>, "a lambda as a handler captures nothing, and names the types of its parameters");
    return static_cast<void (*)()>(nullptr);
  }
}

/// Of Stream<Part> and Input<Part>: Part; of others void.
template <class A>
struct PartOf {
  using type = void;
};
template <template <class> class Parts, class Part>
struct PartOf<Parts<Part>> {
  using type = Part;
};
template <class A>
inline constexpr bool is_stream = false;
template <class Part>
inline constexpr bool is_stream<Stream<Part>> = true;
template <class A>
inline constexpr bool is_input = false;
template <class Part>
inline constexpr bool is_input<Input<Part>> = true;
template <class A>
inline constexpr bool is_later = false;
template <class Reply>
inline constexpr bool is_later<Later<Reply>> = true;

enum class Role { module, call, input, fibers, later, request };

template <class Class, class Argument>
constexpr Role role() {
  using Plain = std::remove_cvref_t<Argument>;
  if constexpr (std::is_same_v<Plain, Class>) {
    return Role::module;
  } else if constexpr (std::is_same_v<Plain, Call> || is_stream<Plain>) {
    static_assert(std::is_same_v<Argument, Plain&>, "a handler takes its call as Call& or Stream<Part>&");
    return Role::call;
  } else if constexpr (is_input<Plain>) {
    static_assert(std::is_same_v<Argument, Plain&>, "a handler takes the parts of its request as Input<Part>&");
    return Role::input;
  } else if constexpr (std::is_same_v<Plain, Fibers>) {
    static_assert(std::is_same_v<Argument, Fibers&>, "a handler takes its fibers as Fibers&");
    return Role::fibers;
  } else if constexpr (is_later<Plain>) {
    static_assert(std::is_rvalue_reference_v<Argument>, "a handler that answers later takes a Later<Reply>&&");
    return Role::later;
  } else {
    static_assert(!std::is_lvalue_reference_v<Argument> || std::is_const_v<std::remove_reference_t<Argument>>,
                  "a handler takes its request by value or as const&");
    return Role::request;
  }
}

/// The arguments among A that have the role `wanted`, as plain types.
template <class Class, Role wanted, class Found, class... A>
struct Select {
  using type = Found;
};
template <class Class, Role wanted, class... F, class First, class... Rest>
struct Select<Class, wanted, Types<F...>, First, Rest...>
    : Select<Class, wanted,
             std::conditional_t<role<Class, First>() == wanted, Types<F..., std::remove_cvref_t<First>>, Types<F...>>,
             Rest...> {};

template <class Found, class Default>
struct OnlyOne {
  static_assert(!std::is_same_v<Found, Found>,
                "a handler takes at most one Call&, one request, one Input<Part>&, one Later<Reply>&& and one Fibers&, "
                "in any order");
};
template <class Default>
struct OnlyOne<Types<>, Default> {
  using type = Default;
};
template <class T, class Default>
struct OnlyOne<Types<T>, Default> {
  using type = T;
};

template <class L>
struct LaterReply;
template <class Reply>
struct LaterReply<Later<Reply>> {
  using type = Reply;
};

template <class Class, Role wanted, class Default, class Arguments>
struct Argument;
template <class Class, Role wanted, class Default, class... A>
struct Argument<Class, wanted, Default, Types<A...>>
    : OnlyOne<typename Select<Class, wanted, Types<>, A...>::type, Default> {};

/// A handler `fn` of the module `Class`.
template <class Class, auto fn>
struct Shape {
  using Arguments = typename Function<decltype(fn)>::Arguments;
  using Return = std::remove_cvref_t<typename Function<decltype(fn)>::Return>;
  using Request = typename Argument<Class, Role::request, Nothing, Arguments>::type;
  using CallType = typename Argument<Class, Role::call, Nothing, Arguments>::type;
  using InputType = typename Argument<Class, Role::input, Nothing, Arguments>::type;
  using FibersType = typename Argument<Class, Role::fibers, Nothing, Arguments>::type;
  using LaterType = typename Argument<Class, Role::later, Nothing, Arguments>::type;

  static constexpr bool takes_call = !std::is_same_v<CallType, Nothing>;
  static constexpr bool takes_fibers = !std::is_same_v<FibersType, Nothing>;
  static constexpr bool takes_input = is_input<InputType>;
  static constexpr bool waits = takes_call || takes_fibers || takes_input;
  static constexpr bool answers_later = is_later<LaterType>;
  static constexpr bool is_member = std::is_member_function_pointer_v<decltype(fn)>;
  using Part = typename PartOf<CallType>::type;
  using InputPart = typename PartOf<InputType>::type;
  static_assert(!is_member || std::is_base_of_v<typename Function<decltype(fn)>::Owner, Class>,
                "a member handler belongs to the class that BACKPLANE_MODULE names");
  static_assert(!waits || Function<decltype(fn)>::throws,
                "a handler that waits must not be noexcept: a cancellation is thrown through it");
  static_assert(!answers_later || !takes_input,
                "a handler that takes an Input reads it before it returns, so it does not answer later");
  static_assert(!answers_later || std::is_void_v<Return>, "a handler that takes a Later returns void");
};

template <class S, bool later>
struct ReplyOf {
  using type = typename S::Return;
};
template <class S>
struct ReplyOf<S, true> : LaterReply<typename S::LaterType> {};
/// The type of the answer, now or later. void means null.
template <class S>
using Reply = typename ReplyOf<S, S::answers_later>::type;

}  // namespace backplane::detail
