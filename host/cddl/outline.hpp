// SPDX-License-Identifier: Apache-2.0
//
// What generators of bindings need to know of an interface: its names and types, without the ways in which CDDL can
// write them. docs/bindings.md describes its JSON form, which outline_write.cpp writes.
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/compare.hpp"
#include "cddl/model.hpp"

namespace backplane::host::cddl {

/// A value that the text has: a default, a constant, a literal.
struct Constant {
  enum class Kind : std::uint8_t { null, boolean, integer, real, text, bytes, list, map };
  Kind kind = Kind::null;
  bool flag = false;         ///< boolean; of an integer: it is -1 - number
  std::uint64_t number = 0;  ///< integer
  double real = 0;
  std::string text;             ///< text or bytes
  std::vector<Constant> items;  ///< list; map: key, value, key, value, …
};

/// A use of a type.
struct Ref {
  enum class Kind : std::uint8_t {
    boolean,
    integer,  ///< of `bits`, `is_signed`, and perhaps in a `unit`
    real,     ///< of `bits`
    text,
    bytes,  ///< of exactly `size`, if there is one
    any,
    null,
    raw,       ///< a payload of bytes without CBOR
    named,     ///< the type `name`
    nullable,  ///< of[0], or null
    list,      ///< `least` to `most` times of[0]
    map,       ///< from of[0] to of[1]
    tuple,     ///< all of `of`
    choice,    ///< one of `of`
    literal,   ///< `value` alone
  };
  Kind kind = Kind::any;
  unsigned bits = 0;
  bool is_signed = false;
  std::string unit;
  std::optional<std::uint64_t> size;
  std::string name;
  std::uint64_t least = 0;
  std::uint64_t most = no_limit;
  std::vector<Ref> of;
  Constant value;
};

struct OutlineMember {
  std::string name;  ///< on the wire; of an enumeration, its value
  std::string doc;
  Ref type;
  bool optional = false;
  std::optional<Constant> default_value;
};

struct OutlineType {
  enum class Kind : std::uint8_t {
    structure,
    enumeration,  ///< one of the names of `members`, as text
    tagged,       ///< a map with exactly one of `members`
    alias,        ///< of `type`
  };
  std::string name;
  std::string doc;
  Kind kind = Kind::alias;
  std::vector<OutlineMember> members;
  Ref type;
  bool sent = false;      ///< by the application
  bool received = false;  ///< by the application
};

struct OutlineError {
  bp_status status = 0;
  std::optional<Ref> detail;
  std::string doc;
};

struct OutlineCall {
  std::string name;
  std::string doc;
  std::optional<Ref> request, request_part, reply, partial;
  std::vector<OutlineError> errors;
};

struct OutlineEvent {
  std::string name;
  std::string doc;
  std::optional<Ref> payload;
};

struct OutlineConstant {
  std::string name;
  std::string doc;
  Constant value;
};

struct Outline {
  std::string name, version, summary, hash, cddl;
  std::vector<OutlineType> types;
  std::vector<OutlineCall> calls;      ///< that the module answers
  std::vector<OutlineCall> functions;  ///< that the application provides
  std::vector<OutlineEvent> events;    ///< that the module emits
  std::vector<OutlineEvent> listens;   ///< that others emit
  std::vector<OutlineConstant> constants;
  std::optional<Ref> config;
  std::string config_doc;
  std::vector<std::string> warnings;  ///< what bindings cannot express, each with its rule; at most `most_warnings`
};

/// REFs within one REF.
inline constexpr unsigned most_levels_of_types = 20;
inline constexpr std::size_t most_outline_warnings = 100;

/// What `interface` says, whose text `schema` is of. `version`, `summary` and `hash` stay empty. Never fails: what is
/// beyond the outline, or takes too long, becomes `any`, with a warning.
Outline outline_of(const Interface& interface, const Schema& schema);

/// The names that a text without a manifest has.
struct TextNames {
  std::string module;
  std::vector<std::string> provides, emits, calls, listens;
};
/// Names that begin with `module` are the module's. If it is empty, the module is the most frequent first word of the
/// names; it stays empty if there are none.
TextNames names_of(const Schema& schema, std::string module);

/// Writes the outlines as a document of form 1. `generator` is the version of the program that made it.
void write_outlines(cbor::Writer& out, std::string_view generator, const std::vector<Outline>& modules);

}  // namespace backplane::host::cddl
