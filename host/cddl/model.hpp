// SPDX-License-Identifier: Apache-2.0
//
// The rules of a CDDL text (RFC 8610) as a tree of nodes. parser.hpp makes it; the validator and other readers use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/scanner.hpp"

namespace backplane::host::cddl {

using NodeId = std::uint32_t;
inline constexpr NodeId no_node = UINT32_MAX;
inline constexpr std::uint32_t no_rule = UINT32_MAX;
inline constexpr std::uint64_t no_limit = UINT64_MAX;

/// Larger texts are refused. The text of a module's section has a bound of its own.
inline constexpr std::size_t most_nodes = std::size_t{1} << 18;
/// Brackets within brackets.
inline constexpr std::size_t most_nesting = 100;

enum class Kind : std::uint8_t {
  // Types
  integer,      ///< a literal: `number`, or -1 - `number` if `flag`
  real,         ///< a literal: `real`
  text,         ///< a literal: Schema::text()
  bytes,        ///< the same
  name,         ///< a rule: `number` is its index, or no_rule for a socket without rules. The children are arguments
  parameter,    ///< of the generic rule around it: `number` is its index
  range,        ///< from `a` to `b`, without `b` if `flag`
  control,      ///< `a`, controlled by `b`
  map,          ///< `a` is a group
  array,        ///< `a` is a group
  unwrap,       ///< what is inside of `a`, which is a name
  enumeration,  ///< one of the values of `a`, which is a group or a name
  tag,          ///< tag `number`, or any if it is no_limit, around `a`
  major,        ///< major type `number`, with the argument `max` unless it is no_limit
  any,
  choice,  ///< one of the children, which are types
  // Groups
  group,     ///< one of the children, which are sequences
  sequence,  ///< the children, which are entries
  entry,     ///< `number` to `max` times `b`, a type or a group; with the key `a`, unless it is no_node. `flag`: a cut
};

enum class Control : std::uint8_t {
  size,
  bits,
  cbor,
  cborseq,
  within,
  both,  ///< .and
  lt,
  le,
  gt,
  ge,
  eq,
  ne,
  default_,
  unchecked,  ///< one that this host knows but cannot check, such as .regexp
};

struct Node {
  Kind kind = Kind::any;
  Control control = Control::size;
  bool flag = false;
  Place place;
  NodeId a = no_node;
  NodeId b = no_node;
  std::uint32_t first = 0;  // of the children
  std::uint32_t count = 0;
  std::uint32_t text = 0;  // index; of literals, names, parameters and controls; of an entry, its comment
  std::uint64_t number = 0;
  union {
    std::uint64_t max = no_limit;
    double real;
  };
};

struct Rule {
  std::string name;
  std::vector<std::string> parameters;  ///< of a generic rule
  NodeId body = no_node;                ///< a type or a group
  Place place;
  std::string comment;    ///< behind the rule, on its last line
  bool standard = false;  ///< of the prelude, which every text has
};

class Schema {
 public:
  /// Returns null if there is no such rule.
  const Rule* find(std::string_view name) const;
  /// Those of the text in its order, and before them those of the prelude.
  const std::vector<Rule>& rules() const noexcept { return rules_; }
  const Node& node(NodeId id) const { return nodes_[id]; }
  std::span<const NodeId> children(const Node& node) const { return {links_.data() + node.first, node.count}; }
  const std::string& text(const Node& node) const { return texts_[node.text]; }
  /// What this host cannot check, with its line.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// The type of a group that is only a type in parentheses; any other node is returned as it is.
  NodeId inside_parentheses(NodeId id) const;

 private:
  friend class SchemaBuilder;

  std::vector<Rule> rules_;
  std::map<std::string, std::uint32_t, std::less<>> by_name_;
  std::vector<Node> nodes_;
  std::vector<NodeId> links_;  // the children of nodes
  std::vector<std::string> texts_ = {""};
  std::vector<std::string> warnings_;
};

/// A node as CDDL on one line, with at most about `most` bytes.
std::string describe(const Schema& schema, NodeId node, std::size_t most = 100);

/// Where the order of the parts of a group counts.
struct GroupOrder {
  std::vector<bool> rules;  ///< by rule: as a group, an array may have it, or a map of `maps`
  std::set<NodeId> maps;    ///< whose members may be taken for each other, so that the first one counts
  bool everywhere = false;  ///< it took too long to find out
};
GroupOrder group_order(const Schema& schema);

/// A node as CDDL, whole, with what may stand in any order sorted, and with one name for types that have several: equal
/// texts mean the same.
std::string canonical(const Schema& schema, NodeId node);
/// The same of the body of a rule, with the order of its groups kept where it counts.
std::string canonical(const Schema& schema, const Rule& rule, const GroupOrder& order);

}  // namespace backplane::host::cddl
