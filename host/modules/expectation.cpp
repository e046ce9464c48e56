// SPDX-License-Identifier: Apache-2.0
#include "modules/expectation.hpp"

#include <algorithm>
#include <set>

#include "cddl/compare.hpp"
#include "cddl/parser.hpp"
#include "support/report.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

using Names = std::set<std::string, std::less<>>;

/// The wire names and events that the rules of a text describe.
struct Described {
  explicit Described(std::string_view cddl) {
    const cddl::Schema schema = cddl::parse(cddl);
    for (const cddl::Rule& rule : schema.rules()) {
      for (const std::string_view end : {".request", ".reply"}) {
        if (rule.name.ends_with(end)) calls.insert(rule.name.substr(0, rule.name.size() - end.size()));
      }
      constexpr std::string_view event = ".event";
      if (rule.name.ends_with(event)) events.insert(rule.name.substr(0, rule.name.size() - event.size()));
    }
  }

  Names calls, events;
};

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The lists of names that a program's text implies: it has no manifest.
struct Lists {
  Lists(const Described& described, const Manifest& now) {
    const std::string prefix = now.name + ".";
    for (const std::string& name : described.calls) {
      auto& list = has(now.offers, name) ? offers : name.starts_with(prefix) ? provides : calls;
      list.push_back(name);
    }
    for (const std::string& name : described.events) (name.starts_with(prefix) ? emits : listens).push_back(name);
  }

  std::vector<std::string> provides, offers, emits, calls, listens;
};

/// What nobody describes says nothing to a program that was built from a text.
std::vector<std::string> only(const std::vector<std::string>& names, const Names& described) {
  std::vector<std::string> out;
  std::copy_if(names.begin(), names.end(), std::back_inserter(out),
               [&](const std::string& name) { return described.contains(name); });
  return out;
}

cddl::Comparison compare(const Manifest& now, std::string_view cddl) try {
  const Described was(cddl);
  const Described is(now.cddl);
  const Lists expected(was, now);
  const std::vector<std::string> calls = only(now.calls, is.calls);
  const std::vector<std::string> listens = only(now.listens, is.events);
  return cddl::compare(
      {now.name, cddl, expected.provides, expected.offers, expected.emits, expected.calls, expected.listens},
      {now.name, now.cddl, now.provides, now.offers, now.emits, calls, listens});
} catch (const cddl::ParseError& fault) {
  throw Failure{BP_INVALID_ARGUMENT, std::string("the program's interface text cannot be read: ") + fault.what()};
}

}  // namespace

Expectation check_expected(const Manifest& now, std::uint64_t generation, std::string_view hash,
                           std::string_view cddl) {
  if (hash == now.interface_hash) return {};
  const std::string which = "the interface of \"" + now.name + "\" has changed since this program was built: found " +
                            now.interface_hash + ", of version " + now.version + "; expected " + std::string(hash);
  if (cddl.empty()) {
    return {
        BP_INTERFACE_CHANGED, which + "; without the text of that interface the host cannot say what is different", {}};
  }
  const cddl::Comparison found = compare(now, cddl);
  Expectation out;
  out.message = which + ". " + cddl::summary(found);
  if (found.verdict >= cddl::Judgement::cannot_tell) {
    out.status = BP_INTERFACE_CHANGED;
    out.message += ". Build the program against the interface that runs, or load the module that it was built for";
  }
  cbor::Writer report(out.report);
  report.map(3 + cddl::comparison_members);
  field(report, "module", now.name);
  report.text("from");
  report.map(2);
  field(report, "version", "");
  field(report, "interface_hash", hash);
  report.text("to");
  report.map(3);
  field(report, "version", now.version);
  field(report, "interface_hash", now.interface_hash);
  field(report, "generation", generation);
  cddl::write(report, found);
  return out;
}

}  // namespace backplane::host
