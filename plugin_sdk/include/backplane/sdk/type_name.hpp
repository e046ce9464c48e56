// SPDX-License-Identifier: Apache-2.0
//
// The names, docs and defaults that a type has in the interface text. docs/interfaces.md shows how to use the macros.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "fixed_text.hpp"

namespace backplane {

/// The doc of a type, or of one of its members.
struct Doc {
  std::string_view member;  ///< empty: of the type
  std::string_view text;
};

namespace detail {

/// The C++ name of T without its namespaces, such as "EchoRequest" or "Page<int>".
template <class T>
constexpr std::string_view cpp_name() {
  // "… [with T = timer::Message; …]" of g++, "… [T = timer::Message]" of clang
  std::string_view name = __PRETTY_FUNCTION__;
  name.remove_prefix(name.find("T = ") + 4);
  std::size_t end = 0;
  std::size_t begin = 0;
  int depth = 0;  // inside of <>, () and {}, where :: belongs to something else
  for (; end < name.size(); ++end) {
    const char c = name[end];
    if (depth == 0 && (c == ';' || c == ']')) break;
    if (c == '<' || c == '(' || c == '{') ++depth;
    if (c == '>' || c == ')' || c == '}') --depth;
    if (depth == 0 && c == ':') begin = end + 1;
  }
  return name.substr(begin, end - begin);
}

template <class T>
concept HasTypeName = requires {
  backplane_type_name(static_cast<T*>(nullptr));
};

/// The name of T's rule in the interface text.
template <class T>
constexpr std::string_view type_name() {
  if constexpr (HasTypeName<T>) {
    return backplane_type_name(static_cast<T*>(nullptr));
  } else {
    return cpp_name<T>();
  }
}

template <class T>
constexpr auto docs_of() {
  if constexpr (requires { backplane_docs(static_cast<T*>(nullptr)); }) {
    return backplane_docs(static_cast<T*>(nullptr));
  } else {
    return std::array<Doc, 0>{};
  }
}

/// The doc of T's member, or with "" of T itself. Empty if there is none.
template <class T>
constexpr std::string_view doc_of(std::string_view member) {
  for (const Doc& doc : docs_of<T>()) {
    if (doc.member == member) return doc.text;
  }
  return {};
}

template <class T>
constexpr bool has_member_docs() {
  for (const Doc& doc : docs_of<T>()) {
    if (!doc.member.empty()) return true;
  }
  return false;
}

template <class T>
constexpr auto defaulted_members() {
  if constexpr (requires { backplane_defaults(static_cast<T*>(nullptr)); }) {
    return backplane_defaults(static_cast<T*>(nullptr));
  } else {
    return std::array<std::string_view, 0>{};
  }
}

/// Whether BACKPLANE_DEFAULTS names the member, so that it may be absent everywhere.
template <class T>
constexpr bool is_defaulted(std::string_view member) {
  for (const std::string_view name : defaulted_members<T>()) {
    if (name == member) return true;
  }
  return false;
}

/// What a rule may be called: what CDDL and the languages of callers accept.
constexpr bool valid_type_name(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  for (const char c : name) {
    if (!((c >= 'A' && c <= 'Z') || is_name_char(c))) return false;
  }
  return name[0] > '9' && name[0] != '_';
}

/// The names that CDDL itself defines (RFC 8610, appendix D), those of the interface text, and two types of TypeScript
/// that stand for maps and bytes.
constexpr bool reserved_type_name(std::string_view name) {
  constexpr std::string_view names[] = {
      "any",     "uint",      "nint",    "int",        "bstr",    "bytes",       "tstr",         "text",
      "tdate",   "time",      "number",  "biguint",    "bignint", "bigint",      "integer",      "unsigned",
      "decfrac", "bigfloat",  "eb64url", "eb64legacy", "eb16",    "uri",         "b64url",       "b64legacy",
      "regexp",  "undefined", "float16", "float32",    "float64", "float",       "false",        "true",
      "bool",    "nil",       "null",    "int8",       "int16",   "int32",       "int64",        "uint8",
      "uint16",  "uint32",    "uint64",  "single",     "double",  "nanoseconds", "microseconds", "milliseconds",
      "seconds", "minutes",   "hours",   "days",       "Record",  "Uint8Array"};
  for (const std::string_view each : names) {
    if (name == each) return true;
  }
  return false;
}

}  // namespace detail
}  // namespace backplane

// One step of a loop over the arguments of a macro, up to 256 of them.
#define BACKPLANE_PARENS ()
#define BACKPLANE_EXPAND(...) BACKPLANE_EXPAND4(BACKPLANE_EXPAND4(BACKPLANE_EXPAND4(BACKPLANE_EXPAND4(__VA_ARGS__))))
#define BACKPLANE_EXPAND4(...) BACKPLANE_EXPAND3(BACKPLANE_EXPAND3(BACKPLANE_EXPAND3(BACKPLANE_EXPAND3(__VA_ARGS__))))
#define BACKPLANE_EXPAND3(...) BACKPLANE_EXPAND2(BACKPLANE_EXPAND2(BACKPLANE_EXPAND2(BACKPLANE_EXPAND2(__VA_ARGS__))))
#define BACKPLANE_EXPAND2(...) BACKPLANE_EXPAND1(BACKPLANE_EXPAND1(BACKPLANE_EXPAND1(BACKPLANE_EXPAND1(__VA_ARGS__))))
#define BACKPLANE_EXPAND1(...) __VA_ARGS__
#define BACKPLANE_EACH(macro, ...) __VA_OPT__(BACKPLANE_EXPAND(BACKPLANE_EACH_STEP(macro, __VA_ARGS__)))
#define BACKPLANE_EACH_STEP(macro, first, ...) \
  macro(first) __VA_OPT__(BACKPLANE_EACH_AGAIN BACKPLANE_PARENS(macro, __VA_ARGS__))
#define BACKPLANE_EACH_AGAIN() BACKPLANE_EACH_STEP
#define BACKPLANE_STRING(name) #name,
#define BACKPLANE_DOC(pair) ::backplane::Doc BACKPLANE_DOC_BRACES pair,
#define BACKPLANE_DOC_BRACES(member, text) \
  { #member, text }

/// Gives T another name in the interface text. Write it in the namespace of T, before BACKPLANE_MODULE. It is needed
/// for instances of templates, and if two types of a module have one name:
///   using EntryPage = Page<Entry>;
///   BACKPLANE_TYPE_NAME(EntryPage, "EntryPage")
#define BACKPLANE_TYPE_NAME(T, name)                                                                       \
  [[maybe_unused]] constexpr ::std::string_view backplane_type_name(T*) { return name; }                   \
  static_assert(::backplane::detail::valid_type_name(name),                                                \
                "BACKPLANE_TYPE_NAME: a name is a letter, then letters, digits and _, at most 64 in all"); \
  static_assert(::backplane::detail::HasTypeName<T>, "BACKPLANE_TYPE_NAME belongs into the namespace of the type");

/// Documents a struct or an enum, and its members, in the interface text. Write it in the namespace of T, before
/// BACKPLANE_MODULE. "" leaves the type itself without a doc:
///   BACKPLANE_DOCS(Greet, "whom to greet", (name, "as it shall be said"), (times, "how often; 1 if absent"))
#define BACKPLANE_DOCS(T, doc, ...)                                                             \
  [[maybe_unused]] constexpr auto backplane_docs(T*) {                                          \
    return ::std::array{::backplane::Doc{"", doc}, BACKPLANE_EACH(BACKPLANE_DOC, __VA_ARGS__)}; \
  }

/// Members of a struct that may be absent wherever the struct is read: such a member keeps the value of its
/// initializer, which the interface text shows as its default:
///   BACKPLANE_DEFAULTS(Greet, times)
#define BACKPLANE_DEFAULTS(T, ...)                                                               \
  [[maybe_unused]] constexpr auto backplane_defaults(T*) {                                       \
    return ::std::to_array<::std::string_view>({BACKPLANE_EACH(BACKPLANE_STRING, __VA_ARGS__)}); \
  }
