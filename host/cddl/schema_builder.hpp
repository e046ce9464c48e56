// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/model.hpp"

namespace backplane::host::cddl {

/// Puts a Schema together, for the parser. Functions that find a fault throw ParseError.
class SchemaBuilder {
 public:
  NodeId add(Node node);
  NodeId new_list(Kind kind, const std::vector<NodeId>& children, Place place);
  /// A literal, a name or a parameter.
  NodeId new_text(Kind kind, std::string_view text, Place place);
  /// A name, which resolve() will look up.
  NodeId new_name(std::string_view name, const std::vector<NodeId>& arguments, Place place);
  std::uint32_t add_text(std::string_view text);
  Node& node(NodeId id) { return schema_.nodes_[id]; }
  NodeId inside_parentheses(NodeId id) const { return schema_.inside_parentheses(id); }
  void warn(std::string text);

  /// Adds a rule, or an alternative to one. `more`: it was assigned with "/=" or "//=". `groups`: with "//=".
  void add_rule(Rule rule, bool more, bool groups, NodeId body);
  /// Finds the rules of all names that were added since the last call.
  void resolve();
  /// May be called once.
  Schema finish();

 private:
  struct Body {
    std::vector<NodeId> alternatives;
    bool groups = false;  // "//=" was used
  };

  void set_children(Node& node, const std::vector<NodeId>& children);
  std::string cure_of(const std::string& name) const;
  void finish_rule(std::size_t index);

  std::vector<NodeId> names_;  // not resolved yet
  std::vector<Body> bodies_;   // of each rule
  Schema schema_;
};

/// Text of the CDDL in a message.
std::string quoted(std::string_view text);

}  // namespace backplane::host::cddl
