// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "cddl/model.hpp"

namespace backplane::host::cddl {
namespace {

/// Looks where groups are used by their names.
class GroupUses {
 public:
  explicit GroupUses(const Schema& schema)
      : schema_(schema), in_array_(schema.rules().size()), uses_(schema.rules().size()) {}

  std::vector<bool> run() {
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      rule_ = i;
      read(schema_.rules()[i].body, Place::rule);
    }
    while (!open_.empty()) {
      const std::size_t rule = open_.back();
      open_.pop_back();
      for (const std::size_t used : uses_[rule]) mark(used);
    }
    return std::move(in_array_);
  }

 private:
  enum class Place { rule, map, array };

  void mark(std::size_t rule) {
    if (in_array_[rule]) return;
    in_array_[rule] = true;
    open_.push_back(rule);
  }

  // What is the body of a rule, as a group or as another name, is where that rule is.
  void read(NodeId id, Place place) {
    id = schema_.inside_parentheses(id);
    const Node& node = schema_.node(id);
    switch (node.kind) {
      case Kind::name:
        if (node.number != no_rule && place == Place::array) mark(node.number);
        if (node.number != no_rule && place == Place::rule) uses_[rule_].push_back(node.number);
        for (const NodeId each : schema_.children(node)) read(each, Place::array);  // the rule may put it anywhere
        return;
      case Kind::group:
      case Kind::sequence:
        for (const NodeId each : schema_.children(node)) read(each, place);
        return;
      case Kind::entry:
        if (node.a != no_node) read(node.a, Place::map);
        return read(node.b, node.a == no_node ? place : Place::map);
      case Kind::array:
        return read(node.a, Place::array);
      case Kind::choice:
        for (const NodeId each : schema_.children(node)) read(each, Place::map);
        return;
      case Kind::range:
      case Kind::control:
        read(node.a, Place::map);
        return read(node.b, Place::map);
      case Kind::map:
      case Kind::unwrap:
      case Kind::enumeration:
      case Kind::tag:
        return read(node.a, Place::map);
      default:
        return;
    }
  }

  const Schema& schema_;
  std::vector<bool> in_array_;
  std::vector<std::vector<std::size_t>> uses_;  // by rule: those that stand where it stands
  std::vector<std::size_t> open_;
  std::size_t rule_ = 0;
};

}  // namespace

std::vector<bool> rules_in_arrays(const Schema& schema) { return GroupUses(schema).run(); }

}  // namespace backplane::host::cddl
