// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cddl/compare.hpp"
#include "cddl/parser.hpp"
#include "sample.hpp"

namespace sample {

/// The interface of a module `m` with this text. It provides the names, and emits the events, that begin with its name;
/// it calls and listens to the others.
class Texts {
 public:
  explicit Texts(std::string text) : text_(std::move(text)) {
    using namespace backplane::host::cddl;
    const Schema schema = parse(text_);
    for (const Rule& rule : schema.rules()) {
      const auto named = [&](std::string_view end, std::vector<std::string>& own, std::vector<std::string>& others) {
        if (!rule.name.ends_with(end)) return;
        const std::string name = rule.name.substr(0, rule.name.size() - end.size());
        (name.starts_with("m.") ? own : others).push_back(name);
      };
      named(".request", provides_, calls_);
      named(".reply", provides_, calls_);
      named(".event", emits_, listens_);
    }
  }

  backplane::host::cddl::Interface view() const { return {"m", text_, provides_, {}, emits_, calls_, listens_}; }

 private:
  std::string text_;
  std::vector<std::string> provides_, emits_, calls_, listens_;
};

inline backplane::host::cddl::Comparison compared(const std::string& before, const std::string& after) {
  return compare(Texts(before).view(), Texts(after).view());
}

}  // namespace sample
