// SPDX-License-Identifier: Apache-2.0
//
// Compares types of two texts, by what they are on the wire.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cddl/compare.hpp"
#include "cddl/shape.hpp"

namespace backplane::host::cddl {

/// Two types that stand at the same place are a pair; the pairs inside of it follow from it. Each is compared once,
/// so types that refer to themselves end, and a type that many names use is told once. Nothing here is recursive.
class TypeCompare {
 public:
  TypeCompare(const Schema& before, const Schema& after, std::size_t steps)
      : budget_(steps), before_(before, budget_), after_(after, budget_), old_(before), new_(after) {}
  TypeCompare(const TypeCompare&) = delete;
  TypeCompare& operator=(const TypeCompare&) = delete;

  /// Compares the rule of this name, as far as both texts have it; a missing one counts as an empty map.
  void add(const std::string& rule, Flow flow);
  /// May be called once.
  std::vector<Change> run();

 private:
  /// The two sides of one place.
  struct Sides {
    Bound before;
    Bound after;
  };
  struct Pair {
    Sides at;
    Flow flow;
    std::string where;
    std::vector<std::size_t> changes;
    std::vector<std::size_t> inner;
  };
  struct Root {
    std::string name;
    std::size_t pair;
  };
  using Links = std::vector<std::pair<std::size_t, std::size_t>>;  // alternatives that belong together

  static bool reads_strictly(Flow flow) { return flow == Flow::request || flow == Flow::request_by; }
  static bool sent_by_callers(Flow flow) { return flow == Flow::request || flow == Flow::answer_to; }

  std::size_t intern(const Sides& at, Flow flow, const std::string& where);
  void compare(std::size_t pair);
  void visit(std::size_t from, const Sides& at, const std::string& where);
  void note(std::size_t pair, What what, const std::string& where, std::string text);
  bool scalars(std::size_t pair, const Shape& before, const Shape& after, const Sides& at, const std::string& where);
  void name_change(std::size_t pair, const Rule* before, const Rule* after, const std::string& where, bool changed);
  void alternatives(std::size_t pair, const Shape& before, const Shape& after, const Links& links);
  void type_change(std::size_t pair, What what, const Sides& at, const std::string& where);
  Links link(const std::vector<Alternative>& before, const std::vector<Alternative>& after, Flow flow);
  bool may_take(const Alternative& sent, const Alternative& taken, Flow flow);
  void parts(std::size_t pair, const Alternative& before, const Alternative& after);
  void members(std::size_t pair, const Alternative& before, const Alternative& after);
  void elements(std::size_t pair, const Alternative& before, const Alternative& after);
  void presence(std::size_t pair, const Part& before, const Part& after, const std::string& where);
  void opaque(std::size_t pair, const Alternative& before, const Alternative& after);
  void labels(std::size_t pair, const Shape& before, const Shape& after, const std::string& where);
  void visit_checked(std::size_t from, const Sides& at, const std::string& where);

  // part_compare.cpp
  struct Members;
  void one_sided(Members& all, const Part& part, bool was);
  void routed(Members& all, const Part& part, bool was);
  void wildcards(Members& all);
  static bool covers(const Shape& keys, const Shape& key);
  bool ignored(const Members& all, const Part& part);

  // alike.cpp
  using Renames = std::vector<std::pair<const Rule*, const Rule*>>;
  bool alike(std::size_t pair, const Sides& at, const std::string& where);
  bool alike_here(const Sides& at, std::vector<Sides>& open, Renames& renames);

  // form_compare.cpp
  void forms(std::size_t pair, const Shape& before, const Shape& after, const Links& links);
  bool may_read_as(Shapes& of_sent, const Alternative& sent, Shapes& of_read, const Alternative& read, bool strict);
  bool map_may_read_as(Shapes& of_sent, const Alternative& sent, Shapes& of_read, const Alternative& read, bool strict);
  std::string shown(const Shapes& side, Bound what) const { return describe(side.schema(), what.node, 60); }
  void attribute();

  using Key = std::tuple<NodeId, const Scope*, NodeId, const Scope*, Flow>;
  static Key key_of(const Sides& at, Flow flow) {
    return {at.before.node, at.before.scope, at.after.node, at.after.scope, flow};
  }

  Budget budget_;
  Shapes before_;
  Shapes after_;
  const Schema& old_;
  const Schema& new_;
  std::map<Key, std::size_t> known_;
  std::deque<Pair> pairs_;
  std::vector<Root> roots_;
  std::set<std::pair<std::string_view, std::string_view>> renamed_;
  std::vector<Change> changes_;
};

}  // namespace backplane::host::cddl
