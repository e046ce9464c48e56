// SPDX-License-Identifier: Apache-2.0
//
// Puts a Schema together: nodes, rules with their alternatives, and the rules of names.
#include "cddl/schema_builder.hpp"

#include <backplane/cbor/escape.hpp>
#include <utility>

#include "cddl/scanner.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cddl {

std::string quoted(std::string_view text) {
  return "\"" + cbor::escaped(text.substr(0, 100), cbor::Escape::line) + (text.size() > 100 ? "…" : "") + "\"";
}

void SchemaBuilder::add_rule(Rule rule, bool more, bool groups, NodeId body) {
  const auto found = schema_.by_name_.find(rule.name);
  const bool known = found != schema_.by_name_.end() && schema_.rules_[found->second].standard == rule.standard;
  if (!known) {
    schema_.by_name_[rule.name] = static_cast<std::uint32_t>(schema_.rules_.size());
    schema_.rules_.push_back(std::move(rule));
    bodies_.push_back({{body}, groups});
    return;
  }
  const Rule& first = schema_.rules_[found->second];
  Body& all = bodies_[found->second];
  if (!more) {
    throw ParseError(rule.place, "found the rule " + quoted(rule.name) + " again, which line " +
                                     std::to_string(first.place.line) + " has; expected another name, or \"/=\"");
  }
  if (rule.parameters.size() != first.parameters.size()) {
    throw ParseError(rule.place, "found " + std::to_string(rule.parameters.size()) + " parameters, but line " +
                                     std::to_string(first.place.line) + " has " +
                                     std::to_string(first.parameters.size()));
  }
  all.alternatives.push_back(body);
  all.groups = all.groups || groups;
}

void SchemaBuilder::finish_rule(std::size_t index) {
  const Body& body = bodies_[index];
  Rule& rule = schema_.rules_[index];
  if (body.alternatives.size() == 1) {
    rule.body = body.alternatives.front();
  } else if (!body.groups) {
    rule.body = new_list(Kind::choice, body.alternatives, rule.place);
  } else {
    std::vector<NodeId> sequences;
    for (const NodeId each : body.alternatives) {
      const NodeId entry = add({.kind = Kind::entry, .place = rule.place, .b = each, .number = 1, .max = 1});
      sequences.push_back(new_list(Kind::sequence, {entry}, rule.place));
    }
    rule.body = new_list(Kind::group, sequences, rule.place);
  }
}

// What to write for a name without a rule.
std::string SchemaBuilder::cure_of(const std::string& name) const {
  if (name.find("..") != std::string::npos) return "write a space before the dots of a range";
  constexpr std::size_t most = 1000;
  std::vector<std::string> known;
  for (const Rule& rule : schema_.rules_) {
    if (known.size() < most) known.push_back(rule.name);
  }
  const std::string hint = did_you_mean(name, known);
  return hint.empty() ? "add a rule " + quoted(name.substr(0, 50) + " = …") : hint;
}

void SchemaBuilder::resolve() {
  for (const NodeId id : names_) {
    Node& node = schema_.nodes_[id];
    const std::string& name = schema_.text(node);
    const auto found = schema_.by_name_.find(name);
    if (found == schema_.by_name_.end()) {
      if (name.starts_with('$')) continue;  // a socket may stay empty
      throw ParseError(node.place, "found the name " + quoted(name) + ", expected that of a rule; " + cure_of(name));
    }
    const std::size_t expected = schema_.rules_[found->second].parameters.size();
    if (node.count != expected) {
      throw ParseError(node.place, "found " + quoted(name) + " with " + std::to_string(node.count) +
                                       " arguments, expected " + std::to_string(expected));
    }
    node.number = found->second;
  }
  names_.clear();
}

NodeId SchemaBuilder::add(Node node) {
  if (schema_.nodes_.size() >= most_nodes) {
    throw ParseError(node.place, "found more than " + std::to_string(most_nodes) + " types and groups, expected fewer");
  }
  schema_.nodes_.push_back(node);
  return static_cast<NodeId>(schema_.nodes_.size() - 1);
}

void SchemaBuilder::set_children(Node& node, const std::vector<NodeId>& children) {
  node.first = static_cast<std::uint32_t>(schema_.links_.size());
  node.count = static_cast<std::uint32_t>(children.size());
  schema_.links_.insert(schema_.links_.end(), children.begin(), children.end());
}

NodeId SchemaBuilder::new_list(Kind kind, const std::vector<NodeId>& children, Place place) {
  Node node{.kind = kind, .place = place};
  set_children(node, children);
  return add(node);
}

NodeId SchemaBuilder::new_text(Kind kind, std::string_view text, Place place) {
  return add({.kind = kind, .place = place, .text = add_text(text)});
}

NodeId SchemaBuilder::new_name(std::string_view name, const std::vector<NodeId>& arguments, Place place) {
  Node node{.kind = Kind::name, .place = place, .text = add_text(name), .number = no_rule};
  set_children(node, arguments);
  names_.push_back(add(node));
  return names_.back();
}

std::uint32_t SchemaBuilder::add_text(std::string_view text) {
  schema_.texts_.emplace_back(text);
  return static_cast<std::uint32_t>(schema_.texts_.size() - 1);
}

void SchemaBuilder::warn(std::string text) {
  if (schema_.warnings_.size() < 16) schema_.warnings_.push_back(std::move(text));
}

Schema SchemaBuilder::finish() {
  for (std::size_t i = 0; i < bodies_.size(); ++i) finish_rule(i);
  return std::move(schema_);
}

}  // namespace backplane::host::cddl
