// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cddl/model.hpp"

namespace backplane::host::cddl {
namespace {

/// Looks whether members of a map may be taken for each other, so that the order of the members counts. What it is not
/// sure of, or what takes too long, may.
class MapKeys {
 public:
  /// Adds the maps and rules whose members the map has; not all of them if `steps` is 0 in the end.
  MapKeys(const Schema& schema, std::size_t& steps, std::set<NodeId>& maps, std::set<std::size_t>& rules)
      : schema_(schema), steps_(steps), maps_(maps), rules_(rules) {}

  bool may_clash(NodeId map) {
    maps_.insert(map);
    for (const NodeId form : schema_.children(schema_.node(schema_.node(map).a))) {
      Keys keys;
      seen_.clear();
      clash_ = !members(form, keys, 0) || clash_;
    }
    return clash_;
  }

 private:
  /// The keys of a group.
  struct Keys {
    std::set<std::string> literals;
    std::set<std::string> required;  // of these
    std::string kinds;               // of the literals: i, t, b, ?
    std::string wild;                // kinds of the keys that are types
  };

  static bool meet(char one, char other) { return one == other || one == '?' || other == '?'; }

  // Adds what another part of the same map has. Returns false if that may clash.
  static bool add(Keys& to, const Keys& more) {
    const auto any_meet = [](const std::string& some, const std::string& others) {
      return std::any_of(some.begin(), some.end(), [&](char one) {
        return std::any_of(others.begin(), others.end(), [&](char other) { return meet(one, other); });
      });
    };
    bool fine = !any_meet(to.wild, more.wild) && !any_meet(to.wild, more.kinds) && !any_meet(to.kinds, more.wild);
    for (const std::string& key : more.literals) fine = to.literals.insert(key).second && fine;
    to.required.insert(more.required.begin(), more.required.end());
    for (const char kind : more.kinds) {
      if (to.kinds.find(kind) == std::string::npos) to.kinds += kind;
    }
    to.wild += more.wild;
    return fine && to.wild.size() < 8;
  }

  bool members(NodeId sequence, Keys& to, std::size_t depth) {
    bool fine = true;
    for (const NodeId each : schema_.children(schema_.node(sequence))) {
      Keys keys;
      fine = entry(schema_.node(each), keys, depth) && fine;
      fine = add(to, keys) && fine;
    }
    return fine;
  }

  bool entry(const Node& node, Keys& to, std::size_t depth) {
    if (steps_ == 0) return false;
    --steps_;
    if (node.a == no_node) {
      const bool fine = group(node.b, to, depth + 1);
      if (node.number == 0) to.required.clear();
      return fine;
    }
    NodeId key = node.a;
    const char kind = kind_of(key, 0);
    if (schema_.node(key).kind > Kind::bytes) {
      to.wild += kind;
      return true;
    }
    const std::string text = canonical(schema_, key);
    to.literals.insert(text);
    if (node.number != 0) to.required.insert(text);
    to.kinds += kind;
    return node.number <= 1;
  }

  bool group(NodeId id, Keys& to, std::size_t depth) {
    if (depth > most_depth) {
      steps_ = 0;
      return false;
    }
    id = schema_.inside_parentheses(id);
    const Node& node = schema_.node(id);
    if (node.kind == Kind::name && node.number == no_rule) return true;
    if (node.kind == Kind::name && node.count == 0) {
      rules_.insert(node.number);
      if (!seen_.insert(node.number).second) return false;  // twice
      return group(schema_.rules()[node.number].body, to, depth + 1);
    }
    if (node.kind == Kind::unwrap || node.kind == Kind::map) {
      if (node.kind == Kind::map) maps_.insert(id);
      return group(node.a, to, depth + 1);
    }
    if (node.kind != Kind::group) return false;
    const auto forms = schema_.children(node);
    if (forms.size() == 1) return members(forms[0], to, depth);
    return choice(forms, to, depth);
  }

  // Each two forms must have a required key that the other one lacks.
  bool choice(std::span<const NodeId> forms, Keys& to, std::size_t depth) {
    std::vector<Keys> all(forms.size());
    bool fine = forms.size() <= most_forms;
    for (std::size_t i = 0; i < forms.size(); ++i) {  // all of them: they may have more rules
      fine = members(forms[i], all[i], depth) && all[i].wild.empty() && fine;
      for (std::size_t k = 0; fine && k < i; ++k) fine = lacks(all[i], all[k]) && lacks(all[k], all[i]);
    }
    Keys whole;
    for (const Keys& each : all) static_cast<void>(add(whole, each));  // the same key in two forms is fine
    whole.required.clear();
    return add(to, whole) && fine;
  }

  bool lacks(const Keys& other, const Keys& one) {
    return std::any_of(one.required.begin(), one.required.end(), [&](const std::string& key) {
      steps_ -= steps_ == 0 ? 0 : 1;
      return !other.literals.contains(key);
    });
  }

  // What the key is, if that is simple. Follows names, so that `key` is a literal if it stands for one.
  char kind_of(NodeId& key, std::size_t depth) const {
    for (; depth < most_depth; ++depth) {
      key = schema_.inside_parentheses(key);
      const Node& node = schema_.node(key);
      if (node.kind != Kind::name || node.number == no_rule || node.count != 0) break;
      key = schema_.rules()[node.number].body;
    }
    const Node& node = schema_.node(key);
    NodeId inner = node.a;
    switch (node.kind) {
      case Kind::integer:
        return 'i';
      case Kind::text:
        return 't';
      case Kind::bytes:
        return 'b';
      case Kind::major:
        return node.number < 4 ? "iibt"[node.number] : '?';
      case Kind::range:
      case Kind::control:
        return depth < most_depth ? kind_of(inner, depth + 1) : '?';
      case Kind::choice: {
        if (node.count > 4 || depth + 10 > most_depth) return '?';
        char out = 0;
        for (NodeId each : schema_.children(node)) {
          const char kind = kind_of(each, depth + 10);
          out = out == 0 || out == kind ? kind : '?';
        }
        return out;
      }
      default:
        return '?';
    }
  }

  static constexpr std::size_t most_depth = 50;
  static constexpr std::size_t most_forms = 64;

  const Schema& schema_;
  std::size_t& steps_;
  std::set<NodeId>& maps_;
  std::set<std::size_t>& rules_;
  std::set<std::size_t> seen_;  // rules in this form of the map
  bool clash_ = false;
};

/// Looks where groups are used by their names.
class GroupUses {
 public:
  explicit GroupUses(const Schema& schema)
      : schema_(schema), in_array_(schema.rules().size()), uses_(schema.rules().size()) {}

  GroupOrder run() {
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      rule_ = i;
      read(schema_.rules()[i].body, Place::rule);
    }
    while (!open_.empty()) {
      const std::size_t rule = open_.back();
      open_.pop_back();
      for (const std::size_t used : uses_[rule]) mark(used);
    }
    return {std::move(in_array_), std::move(maps_), steps_ == 0};
  }

 private:
  enum class Place { rule, map, array };

  void read_map(NodeId map) {
    std::set<NodeId> groups;
    std::set<std::size_t> rules;
    if (!MapKeys(schema_, steps_, groups, rules).may_clash(map)) return;
    maps_.insert(groups.begin(), groups.end());
    for (const std::size_t rule : rules) mark(rule);
  }

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
        read_map(id);
        return read(node.a, Place::map);
      case Kind::unwrap:
      case Kind::enumeration:
      case Kind::tag:
        return read(node.a, Place::map);
      default:
        return;
    }
  }

  const Schema& schema_;
  std::vector<bool> in_array_;  // or in a map whose members may be taken for each other
  std::set<NodeId> maps_;
  std::size_t steps_ = 1'000'000;
  std::vector<std::vector<std::size_t>> uses_;  // by rule: those that stand where it stands
  std::vector<std::size_t> open_;
  std::size_t rule_ = 0;
};

}  // namespace

GroupOrder group_order(const Schema& schema) { return GroupUses(schema).run(); }

}  // namespace backplane::host::cddl
