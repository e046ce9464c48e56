// SPDX-License-Identifier: Apache-2.0
//
// What a type takes on the wire, with its names followed and its choices joined, one level deep.
#pragma once

#include <cstddef>
#include <cstdint>
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
  std::string label;  ///< the key for people
  Bound key_type;
  Bound value;
  std::uint64_t least = 1;
  std::uint64_t most = 1;

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
};

struct Shape {
  bool any = false;
  bool any_map = false;
  bool any_array = false;
  bool any_tag = false;
  Scalars scalars;
  std::vector<Alternative> alternatives;
  std::string default_value;    ///< CDDL for people, at most about 100 bytes; empty: none
  std::string default_form;     ///< canonical CDDL, whole
  std::set<std::string> units;  ///< of times, as names of its types say: "seconds"
};

/// The unit of time that a name of a type says: "milliseconds" of Milliseconds and of milliseconds_int32. Empty: none.
std::string unit_of(std::string_view name);

class Shapes {
 public:
  /// Both must outlive this. Functions throw Unchecked.
  Shapes(const Schema& schema, Budget& budget) : schema_(schema), budget_(budget), names_(schema, budget) {}

  Shape of(Bound what);
  /// The body of a rule without parameters.
  Bound body(const Rule& rule) { return names_.rule_body(static_cast<std::size_t>(&rule - schema_.rules().data())); }
  Bound resolved(Bound what) { return names_.resolved(what); }
  /// The rule of the text whose body this is; null: there is none. `what` must be resolved.
  const Rule* rule_at(Bound what) const;
  /// The rule of the text that this is named by: `a` of a = b, b = int. Null: there is none.
  const Rule* named(Bound what) const;
  const Schema& schema() const noexcept { return schema_; }

 private:
  using Sequences = std::vector<std::vector<Part>>;
  struct Reading;

  void add(Bound what, Reading& to, std::size_t depth);
  void add_choice(Bound what, Reading& to, std::size_t depth);
  void add_control(Bound what, Reading& to, std::size_t depth);
  void add_sized(Bound argument, Scalars& sized, const Scalars& from, std::size_t depth);
  void add_ordered(const Node& node, Scalars& from, Bound argument);
  void add_range(Bound what, Scalars& out);
  void add_major(const Node& node, Shape& out);
  void add_enumeration(Bound what, Reading& to, std::size_t depth);
  void add_structure(Bound what, Alternative::Kind kind, Shape& out);
  void add_opaque(Bound what, Shape& out);
  Sequences sequences(Bound group, bool map, std::size_t depth);
  Sequences entry(Bound entry, bool map, std::size_t depth);
  Part part(Bound entry, bool map);

  const Schema& schema_;
  Budget& budget_;
  Names names_;
};

}  // namespace backplane::host::cddl
