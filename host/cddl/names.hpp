// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cddl/model.hpp"

namespace backplane::host::cddl {

/// The search cannot go on.
struct Unchecked {
  std::string why;
};

/// Counts the steps of a search.
class Budget {
 public:
  explicit Budget(std::size_t steps) : left_(steps) {}

  /// Throws Unchecked if there are too many.
  void step(std::size_t count = 1) {
    if (count > left_) {
      left_ = 0;
      throw Unchecked{"it takes more than the allowed steps to check"};
    }
    left_ -= count;
  }
  /// Counts a text of this size, which is copied and compared.
  void text(std::size_t bytes) { step(bytes / 32); }
  bool left() const noexcept { return left_ != 0; }

 private:
  std::size_t left_;
};

struct Scope;

/// A type or group, with the place where its parameters are looked up.
struct Bound {
  NodeId node = no_node;
  const Scope* scope = nullptr;

  Bound inside(NodeId other) const { return {other, scope}; }
};

/// A rule, and the arguments for its parameters.
struct Scope {
  const Rule* rule = nullptr;
  std::vector<Bound> arguments;
};

/// Finds what names stand for.
class Names {
 public:
  Names(const Schema& schema, Budget& budget) : schema_(schema), budget_(budget) {}

  /// The body of the rule that `name` names. The name must have a rule.
  Bound body_of(Bound name);
  /// The body of the rule of this index, which has no parameters.
  Bound rule_body(std::size_t index);
  /// Follows names and parameters up to something else, or to a socket without rules.
  Bound resolved(Bound what);
  /// The same. Adds the rules that it comes through to `passed`.
  Bound resolved(Bound what, std::vector<const Rule*>& passed);
  /// The group that `what` stands for, also as an unwrapped map or array. Nothing if it is a type.
  std::optional<Bound> as_group(Bound what);
  /// The literal that `what` stands for.
  std::optional<Node> literal_of(Bound what);

 private:
  const Schema& schema_;
  Budget& budget_;
  std::map<std::pair<NodeId, const Scope*>, Scope> scopes_;  // of a name where it is used
};

/// The beginning of a message about a fault of the rules.
inline std::string line_of(const Node& node) { return "line " + std::to_string(node.place.line) + ": "; }

}  // namespace backplane::host::cddl
