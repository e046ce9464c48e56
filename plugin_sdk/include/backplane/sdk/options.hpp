// SPDX-License-Identifier: Apache-2.0
//
// What an entry of BACKPLANE_MODULE takes after its name and function, in any order: a doc, a stack size, statuses.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "cbor.hpp"

namespace backplane {

/// The stack size of a fiber or handler, in bytes; bp_fiber_desc and bp_handler_desc have the bounds. Only touched
/// pages cost memory.
struct StackSize {
  std::uint64_t bytes = 0;  ///< 0: of a fiber 65536; of a handler see bp_handler_desc
};

/// An error that a name may answer, with the type of its detail; void: it has none. Name it once, list it at each
/// handler that answers it, and throw it:
///   constexpr auto too_far = backplane::fails<1001, Coordinate, "the place is outside of the map">;
///   throw too_far("x: 900 is outside of 0..800", in.place);
template <bp_status code, class T, FixedText text>
struct Fails {
  static_assert(code > BP_PARTIAL,
                "fails<>: the status is no error; a module's own begin at BP_STATUS_MODULE_FIRST, 1000");
  static constexpr bp_status status = code;

  Error operator()(std::string message) const requires std::is_void_v<T> { return Error(code, std::move(message)); }
  template <class Detail = T>
  Error operator()(std::string message, const std::type_identity_t<Detail>& detail) const {
    return Error(code, std::move(message), detail);
  }
};
template <bp_status status, class Detail = void, FixedText doc = "">
inline constexpr Fails<status, Detail, doc> fails{};

namespace detail {

/// One option. Text is the doc.
template <class T>
struct Option {
  using Type = T;
  T value;

  constexpr Option(T option) : value(option) {}  // NOLINT: implicit on purpose
  template <std::size_t N>
  consteval Option(const char (&literal)[N]) requires std::is_same_v<T, FixedText<N>> : value(literal) {}  // NOLINT
};
template <class T>
Option(T) -> Option<T>;
template <std::size_t N>
Option(const char (&)[N]) -> Option<FixedText<N>>;

template <class T>
inline constexpr bool is_text = false;
template <std::size_t N>
inline constexpr bool is_text<FixedText<N>> = true;
template <class T>
inline constexpr bool is_fails = false;
template <bp_status code, class T, FixedText text>
inline constexpr bool is_fails<Fails<code, T, text>> = true;
/// Whether both are the same status, with other details or another doc.
template <class A, class B>
inline constexpr bool fail_apart = false;
template <bp_status code, class T, FixedText text, class U, FixedText other>
inline constexpr bool fail_apart<Fails<code, T, text>, Fails<code, U, other>> =
    !std::is_same_v<Fails<code, T, text>, Fails<code, U, other>>;
template <class T>
inline constexpr bool is_flags = std::is_integral_v<T> || std::is_enum_v<T>;

/// Writes `<name>.error.<status> = Detail ; doc`.
template <class T>
struct StatusRule {
  static constexpr void write(TypeText&, std::string_view) {}
};
template <bp_status code, class T, FixedText text>
struct StatusRule<Fails<code, T, text>> {
  static constexpr void write(TypeText& out, std::string_view wire) {
    if (!out.begin_status(wire, static_cast<std::uint64_t>(code))) return;
    if constexpr (std::is_void_v<T>) {
      out << "null";
    } else {
      static_assert(WireType<T>::checked);
      out.type<T>();
    }
    out.end(text.view());
  }
};

/// The options of one entry.
template <Option... options>
struct Options {
  template <class T>
  static constexpr std::size_t count = (std::size_t{std::is_same_v<typename decltype(options)::Type, T>} + ... + 0);

  static_assert(((is_text<typename decltype(options)::Type> || is_fails<typename decltype(options)::Type> ||
                  is_flags<typename decltype(options)::Type> ||
                  std::is_same_v<typename decltype(options)::Type, StackSize> ||
                  std::is_same_v<typename decltype(options)::Type, Reading>)&&...),
                "an option of an entry is a doc (one string), a StackSize, a fails<…>, BP_HANDLER_… flags, or strict");
  static_assert((std::size_t{is_text<typename decltype(options)::Type>} + ... + 0) <= 1,
                "an entry takes one doc; join the strings");
  static_assert(count<StackSize> <= 1, "an entry takes one StackSize");

  template <class T>
  static constexpr bool fails_apart = (fail_apart<T, typename decltype(options)::Type> || ... || false);
  static_assert(!(fails_apart<typename decltype(options)::Type> || ... || false),
                "an entry names a status in two fails<> that differ: name it once");

  static constexpr std::string_view doc() {
    [[maybe_unused]] std::string_view out;
    (text_in(options.value, out), ...);
    return out;
  }
  static constexpr StackSize stack() {
    [[maybe_unused]] StackSize out;
    (assign(options.value, out), ...);
    return out;
  }
  static constexpr Reading reading() {
    Reading out = lenient;
    (assign(options.value, out), ...);
    return out;
  }
  static constexpr std::uint32_t flags() {
    std::uint32_t out = 0;
    (flags_in(options.value, out), ...);
    return out;
  }
  static constexpr void write_statuses([[maybe_unused]] TypeText& out, [[maybe_unused]] std::string_view wire) {
    (StatusRule<typename decltype(options)::Type>::write(out, wire), ...);
  }

 private:
  template <class T>
  static constexpr void text_in(const T& option, std::string_view& out) {
    if constexpr (is_text<T>) out = option.view();
  }
  template <class T, class Out>
  static constexpr void assign(const T& option, Out& out) {
    if constexpr (std::is_same_v<T, Out>) out = option;
  }
  template <class T>
  static constexpr void flags_in(const T& option, std::uint32_t& out) {
    if constexpr (is_flags<T> && !std::is_same_v<T, Reading>) out |= static_cast<std::uint32_t>(option);
  }
};

}  // namespace detail
}  // namespace backplane
