// SPDX-License-Identifier: Apache-2.0
//
// The search of validate(): compares items with nodes.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/names.hpp"
#include "cddl/report.hpp"
#include "cddl/tree.hpp"
#include "cddl/validate.hpp"

namespace backplane::host::cddl {

/// Calls of the search within each other. An item of 64 levels needs about 200.
inline constexpr std::size_t most_depth = 400;

class Matcher {
 public:
  Matcher(const Schema& schema, const Options& options)
      : schema_(schema),
        options_(options),
        budget_(options.most_steps),
        names_(schema, budget_),
        report_(schema, options) {}
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  /// May be called once. Throws Unchecked, TooManyItems or cbor::Error.
  std::vector<Finding> run(const Rule& rule, cbor::View item);

 private:
  /// Where a search continues in an array.
  struct Cursor {
    At next;
    std::uint64_t index = 0;
    std::uint64_t count = 0;
  };

  /// A pair of a map.
  struct Pair {
    At key;
    At value;
    bool used = false;
    std::unique_ptr<Finding> rejected;  // why the value did not fit the key's type
  };
  using Pairs = std::vector<Pair>;

  /// One level of the search, as long as it lives.
  class Depth {
   public:
    explicit Depth(Matcher& matcher) : matcher_(matcher) {
      if (matcher_.depth_ == most_depth) throw Unchecked{"its rules refer to each other without an end"};
      ++matcher_.depth_;
    }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    ~Depth() { --matcher_.depth_; }

   private:
    Matcher& matcher_;
  };

  // matcher.cpp: types
  bool type(Bound what, At item);
  bool literal(const Node& node, const TreeItem& item) const;
  bool leaf(Bound what, const TreeItem& item);
  bool choice(Bound what, At item);
  bool name(Bound what, At item);
  bool range(Bound what, const TreeItem& item);
  bool major(const Node& node, const TreeItem& item) const;
  bool tag(Bound what, At item);
  bool unwrapped(Bound what, At item);
  bool one_of(Bound group, At item);

  const Node& node(Bound what) const { return schema_.node(what.node); }
  bool wrong(Bound what, At item);
  At bare(At item) const;

  // controls.cpp
  bool control(Bound what, At item);
  bool controlled(const Node& node, Bound argument, At item);
  bool size(Bound argument, const TreeItem& item);
  bool bits(Bound argument, const TreeItem& item);
  bool is_bit(Bound argument, std::uint64_t bit);
  bool embedded(Bound argument, std::string_view bytes, bool sequence);
  bool ordered(Control control, Bound argument, const TreeItem& item);
  bool quietly(Bound what, At item);

  // group_match.cpp
  bool array(Bound what, At item);
  bool array_group(Bound group, Cursor& cursor);
  bool array_sequence(Bound sequence, Cursor& cursor);
  bool array_entry(Bound entry, Cursor& cursor);
  bool array_one(Bound value, Cursor& cursor);
  static std::vector<bool> used_of(const Pairs& pairs);
  static void set_used(Pairs& pairs, const std::vector<bool>& used);
  bool map(Bound what, At item);
  bool whole_map(Bound sequence, Bound group, Pairs& pairs);
  bool map_sequence(Bound sequence, Pairs& pairs);
  bool map_group(Bound group, Pairs& pairs);
  bool map_entry(Bound entry, Pairs& pairs);
  bool map_groups(Bound entry, Pairs& pairs);
  bool has_key(Bound key, const std::optional<Node>& text, const Pair& pair);
  bool value_fits(const Node& entry, Bound value, Pair& pair);
  bool missing(Bound entry, Pairs& pairs);
  bool no_leftovers(Bound group, Pairs& pairs);
  Finding leftover(Bound group, const Pairs& pairs, const Pair& pair);
  void known_keys(Bound group, std::vector<std::string>& out, std::size_t depth);

  const Schema& schema_;
  const Options& options_;
  Budget budget_;
  Names names_;
  Report report_;
  std::size_t depth_ = 0;
  std::size_t items_ = 0;  // of all trees
  std::deque<Tree> trees_;
};

}  // namespace backplane::host::cddl
