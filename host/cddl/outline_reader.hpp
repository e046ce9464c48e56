// SPDX-License-Identifier: Apache-2.0
//
// Reads types of CDDL as those of an outline.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/names.hpp"
#include "cddl/outline.hpp"
#include "cddl/outline_names.hpp"
#include "cddl/scalars.hpp"

namespace backplane::host::cddl {

/// Where a type is written.
struct Spot {
  std::string name;  ///< for a type that has no name of its own
  std::string path;  ///< for warnings

  Spot member(std::string_view key) const { return {name + type_name(key), path + "." + std::string(key)}; }
  Spot inside(const char* what) const { return {name + what, path}; }
};

/// Reads the types of one text. Its functions throw nothing but std::bad_alloc: what cannot be read is `any`.
class TypeReader {
 public:
  /// Both must outlive this.
  TypeReader(const Schema& schema, std::string_view module, std::vector<std::string>& warnings);

  /// Reads all types that have names. Call it once, before the others.
  void read_named();
  /// What a wire rule says. A type in it that has no name gets the name of the rule.
  Ref rule(const Rule& rule);
  /// The value of a constant; nothing if it is a type.
  std::optional<Constant> constant(const Rule& rule);
  /// Whether the rule is a map without members, or null.
  bool empty_map(const Rule& rule) const;
  bool null(const Rule& rule);

  /// The CDDL of what became `any` since the last call, for the doc of what has it.
  std::string take_unread();
  std::vector<OutlineType> take_types() { return std::move(types_); }

 private:
  /// A member of a map, or an element of an array.
  struct Part {
    NodeId entry = no_node;
    std::string key;    ///< of a map
    bool wild = false;  ///< the key is a type
    bool optional = false;
    std::uint64_t least = 1;
    std::uint64_t most = 1;
  };
  using Sequence = std::vector<Part>;

  Ref read(NodeId id, const Spot& spot, unsigned depth);
  Ref read_name(const Node& node, NodeId id, const Spot& spot);
  Ref read_range(NodeId id, const Spot& spot);
  Ref read_control(NodeId id, const Spot& spot, unsigned depth);
  Ref read_size(Ref base, NodeId argument) const;
  Ref read_major(NodeId id, const Spot& spot);
  Ref read_rule_inside(const Rule& rule, NodeId id, const Spot& spot);
  /// Integers, reals, and names for them that the SDK writes; nothing for other types.
  std::optional<Ref> scalar(NodeId id, unsigned depth = 0);
  std::optional<Ref> scalar_rule(const Rule& rule, unsigned depth = 0);
  std::optional<Wide> integer_of(NodeId id);

  // outline_choice.cpp
  Ref read_choice(NodeId id, const Spot& spot, unsigned depth);
  Ref read_enumeration(NodeId id, const Spot& spot);
  void choices(NodeId id, std::vector<NodeId>& to) const;
  std::optional<std::vector<std::string>> texts(NodeId id);
  bool values(NodeId group, std::vector<NodeId>& to, unsigned depth);
  std::string add_enumeration(std::vector<std::string> values, const Spot& spot);
  Ref integers(const std::vector<Wide>& numbers, NodeId id, const Spot& spot);

  // outline_structure.cpp
  Ref read_map(NodeId id, const Spot& spot, unsigned depth);
  Ref read_array(NodeId id, const Spot& spot, unsigned depth);
  std::optional<Ref> dictionary(NodeId id, const Spot& spot, unsigned depth);
  Ref key_type(NodeId id, const Spot& spot);
  std::optional<std::vector<Sequence>> members_of(NodeId id);
  void structure(const std::vector<Sequence>& ways, const Spot& spot, OutlineType& out);
  Ref add_structure(const std::vector<Sequence>& ways, const Spot& spot);
  bool parts(NodeId sequence, bool map, bool optional, Sequence& to, unsigned depth);
  std::optional<std::vector<Sequence>> sequences(NodeId id, bool map);
  OutlineMember member(const Part& part, const Spot& spot);
  NodeId default_of(NodeId id) const;
  std::optional<Constant> constant_of(NodeId id, unsigned depth);
  void fill(const Rule& rule);

  /// `any`, with a warning. `found`: instead of the text.
  Ref unknown(NodeId id, const Spot& spot, const std::string& found = {});
  void warn(const Spot& spot, const std::string& text);
  std::span<const NodeId> children(NodeId id) const { return schema_.children(schema_.node(id)); }

  const Schema& schema_;
  std::string_view module_;
  std::vector<std::string>& warnings_;
  Budget budget_;
  Names names_;
  UniqueNames unique_;
  std::map<const Rule*, std::string> type_names_;    // of rules that are types
  std::map<const Rule*, std::optional<Ref>> rules_;  // other rules that were read; nothing: is being read
  unsigned open_rules_ = 0;                          // that are being read
  std::vector<OutlineType> types_;
  std::vector<std::string> unread_;
};

/// The smallest integer type that has all of these; nothing if none has.
std::optional<Ref> integer_type(Wide from, Wide to);
/// The value of an integer literal.
Wide wide(const Node& literal);
bool same(const Ref& a, const Ref& b);
/// The members of an enumeration of these values, each once.
std::vector<OutlineMember> enumerators(std::vector<std::string> values);

}  // namespace backplane::host::cddl
