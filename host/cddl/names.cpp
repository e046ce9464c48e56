// SPDX-License-Identifier: Apache-2.0
#include "cddl/names.hpp"

namespace backplane::host::cddl {
namespace {

/// Generic rules with different arguments.
constexpr std::size_t most_scopes = 10'000;

}  // namespace

Bound Names::rule_body(std::size_t index) {
  const Rule& rule = schema_.rules()[index];
  Scope& scope = scopes_[{static_cast<NodeId>(index), nullptr}];
  scope.rule = &rule;
  return {rule.body, &scope};
}

Bound Names::body_of(Bound name) {
  const Node& used = schema_.node(name.node);
  if (used.count == 0) return rule_body(used.number);  // each use is the same
  const Rule& rule = schema_.rules()[used.number];
  const auto [place, fresh] = scopes_.try_emplace({name.node, name.scope});
  Scope& scope = place->second;
  if (fresh) {
    if (scopes_.size() > most_scopes + schema_.rules().size()) {
      throw Unchecked{line_of(used) + "generic rules are used with too many different arguments"};
    }
    scope.rule = &rule;
    for (const NodeId argument : schema_.children(used)) scope.arguments.push_back(name.inside(argument));
  }
  return {rule.body, &scope};
}

Bound Names::resolved(Bound what) {
  std::vector<const Rule*> passed;
  return resolved(what, passed);
}

// Follows names and parameters to what they stand for.
Bound Names::resolved(Bound what, std::vector<const Rule*>& passed) {
  for (std::size_t i = 0; i < 100; ++i) {
    budget_.step();
    what.node = schema_.inside_parentheses(what.node);
    const Node& used = schema_.node(what.node);
    if (used.kind == Kind::parameter) {
      what = what.scope->arguments[used.number];
    } else if (used.kind == Kind::name && used.number != no_rule) {
      passed.push_back(&schema_.rules()[used.number]);
      what = body_of(what);
    } else {
      return what;
    }
  }
  throw Unchecked{line_of(schema_.node(what.node)) + "its rules refer to each other without an end"};
}

std::optional<Bound> Names::as_group(Bound what) {
  what = resolved(what);
  if (schema_.node(what.node).kind == Kind::unwrap) {
    what = resolved(what.inside(schema_.node(what.node).a));
    const Kind kind = schema_.node(what.node).kind;
    if (kind != Kind::map && kind != Kind::array) return std::nullopt;
    return what.inside(schema_.node(what.node).a);
  }
  if (schema_.node(what.node).kind == Kind::group) return what;
  return std::nullopt;
}

std::optional<Node> Names::literal_of(Bound what) {
  const Node& found = schema_.node(resolved(what).node);
  return found.kind <= Kind::bytes ? std::optional(found) : std::nullopt;
}

}  // namespace backplane::host::cddl
