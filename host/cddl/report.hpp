// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cddl/names.hpp"
#include "cddl/tree.hpp"
#include "cddl/validate.hpp"

namespace backplane::host::cddl {

/// A finding, and how deep in the item it is.
using Deepest = std::optional<std::pair<std::size_t, Finding>>;

/// What a search has found, and where in the item it is.
class Report {
 public:
  Report(const Schema& schema, const Options& options) : schema_(schema), options_(options) {}

  using PathStep = std::variant<std::uint64_t, At>;  // an index, or a key

  /// One level of the path, as long as it lives.
  class Step {
   public:
    Step(Report& report, PathStep step) : report_(report) { report_.path_.push_back(step); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() { report_.path_.pop_back(); }

   private:
    Report& report_;
  };

  /// What is compared as long as this lives may fail. Its findings are kept apart: of them the deepest one.
  class Attempt {
   public:
    explicit Attempt(Report& report) : report_(report), outer_(std::exchange(report.deepest_, std::nullopt)) {
      ++report_.attempts_;
    }
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    ~Attempt() {
      if (!over_) end();
    }
    Deepest end() {
      over_ = true;
      --report_.attempts_;
      return std::exchange(report_.deepest_, std::move(outer_));
    }

   private:
    Report& report_;
    Deepest outer_;
    bool over_ = false;
  };

  /// What is compared as long as this lives has no findings.
  class Quiet {
   public:
    explicit Quiet(Report& report) : report_(report) { ++report_.quiet_; }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;
    ~Quiet() { --report_.quiet_; }

   private:
    Report& report_;
  };

  /// Whether findings may be given up again.
  bool in_attempt() const noexcept { return attempts_ != 0; }
  std::size_t depth() const noexcept { return path_.size(); }
  /// Whether a finding of this depth would be kept.
  bool wanted(std::size_t depth) const;
  void add(std::size_t depth, Finding finding);
  /// Adds what an attempt has left.
  void add(Deepest deepest) {
    if (deepest) add(deepest->first, std::move(deepest->second));
  }

  /// A finding about `what` at the current path.
  Finding finding(Finding::Kind kind, Bound what) const;
  std::string path() const;
  /// An item in a message.
  std::string shown(At item) const;

  std::vector<Finding> take() { return std::move(findings_); }
  bool empty() const noexcept { return findings_.empty(); }

 private:
  const Schema& schema_;
  const Options& options_;
  std::size_t attempts_ = 0;
  std::size_t quiet_ = 0;
  Deepest deepest_;  // of the innermost attempt
  std::vector<Finding> findings_;
  std::vector<PathStep> path_;
};

}  // namespace backplane::host::cddl
