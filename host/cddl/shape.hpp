// SPDX-License-Identifier: Apache-2.0
//
// What a type takes on the wire, with its names followed and its choices joined, one level deep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cddl/names.hpp"
#include "cddl/scalars.hpp"

namespace backplane::host::cddl {

/// A member of a map, or an element of an array.
struct Part {
  std::string key;    ///< CDDL of a literal key; empty: `key_type` says which keys, or an element
  std::string label;  ///< the key for people; of an element, its label
  Bound key_type;
  Bound value;
  std::uint64_t least = 1;
  std::uint64_t most = 1;
  bool cut = false;  ///< what has this key must have this value

  /// Whether it counts how often it comes.
  bool counted() const noexcept { return least != 0 || most != no_limit; }
  bool optional() const noexcept { return least == 0; }
};

/// One of the ways in which a type has parts.
struct Alternative {
  enum class Kind : std::uint8_t {
    map,
    array,
    tag,     ///< `number`, around the only part
    opaque,  ///< a control that cannot be compared: only with the same text
  };
  Kind kind = Kind::map;
  Bound what;
  const Rule* rule = nullptr;  ///< that `what` is the body of; may be null
  std::uint64_t number = 0;
  std::vector<Part> parts;
  /// Why a receiver may refuse what its parts take, because it reads from the left and does not go back. Empty: it
  /// takes exactly what the parts say.
  std::string inexact;
};

struct Shape {
  bool any = false;
  bool any_map = false;
  bool any_array = false;
  bool any_tag = false;
  Scalars scalars;
  std::vector<Alternative> alternatives;
  std::string default_value;                            ///< CDDL for people, at most about 100 bytes; empty: none
  std::string default_form;                             ///< canonical CDDL, whole
  std::set<std::string> units;                          ///< of times, as names of its types say: "seconds"
  std::map<std::string, std::set<std::string>> labels;  ///< of an enumeration, by value
};

/// The unit of time that a name of a type says: "milliseconds" of Milliseconds and of milliseconds_int32. Empty: none.
std::string unit_of(std::string_view name);

class Shapes {
 public:
  /// Both must outlive this. Functions throw Unchecked.
  Shapes(const Schema& schema, Budget& budget) : schema_(schema), budget_(budget), names_(schema, budget) {}

  Shape of(Bound what);
  /// The same without the parts of its alternatives. `depth`: how many types this is within.
  Shape outside_of(Bound what, std::size_t depth = 0);
  /// Whether a reader may take a value of one type for one of the other. May say so if it is not sure.
  bool may_meet(Bound one, Bound other);
  static bool may_meet(const Shape& one, const Shape& other);
  /// The body of a rule without parameters.
  Bound body(const Rule& rule) { return names_.rule_body(static_cast<std::size_t>(&rule - schema_.rules().data())); }
  Bound resolved(Bound what) { return names_.resolved(what); }
  /// The rule of the text whose body this is; null: there is none. `what` must be resolved.
  const Rule* rule_at(Bound what) const;
  /// The rule of the text that this is named by: `a` of a = b, b = int. Null: there is none.
  const Rule* named(Bound what) const;
  /// The first rule on the way to what this stands for whose name says a unit of time. Null: there is none.
  const Rule* unit_rule(Bound what);
  const Schema& schema() const noexcept { return schema_; }

 private:
  using Sequence = std::vector<Part>;
  using Sequences = std::vector<Sequence>;
  /// All that a group may be.
  struct Expansion {
    Sequences all;
    bool chosen = false;    ///< there is a choice within it, which a reader makes once
    bool open_end = false;  ///< in an array: more may follow at its end, and the reader tries that first
    std::string inexact;
  };
  struct Reading;

  void add(Bound what, Reading& to, std::size_t depth);
  void add_choice(Bound what, Reading& to, std::size_t depth);
  void add_control(Bound what, Reading& to, std::size_t depth);
  void add_sized(const Intervals& allowed, Scalars& sized, const Scalars& from);
  void add_ordered(Control control, const Node& bound, const Scalars& from, Scalars& to);
  void add_range(Bound what, Scalars& out);
  void add_major(const Node& node, Shape& out);
  void add_enumeration(Bound what, Reading& to, std::size_t depth);
  void add_structure(Bound what, Alternative::Kind kind, Reading& to);
  void add_opaque(Bound what, Shape& out);
  void add_eq(Bound what, const Shape& from, Reading& to, std::size_t depth);
  Expansion sequences(Bound group, bool map, std::size_t depth);
  Expansion sequence(Bound sequence, bool map, std::size_t depth);
  Expansion entry(Bound entry, bool map, std::size_t depth);
  Part part(Bound entry, bool map);
  // shape_exact.cpp
  void check_choice(Expansion& group, bool map);
  bool told_apart(const Sequence& first, const Sequence& later);
  void check_members(Alternative& alternative, bool chosen);
  void check_elements(Alternative& alternative);
  bool same(const Part& one, const Part& other);

  const Schema& schema_;
  Budget& budget_;
  Names names_;
};

}  // namespace backplane::host::cddl
