// SPDX-License-Identifier: Apache-2.0
#include "cli/comparison.hpp"

#include <vector>

#include "cddl/compare.hpp"
#include "cddl/scanner.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "support/report.hpp"

namespace backplane::host::cli {
namespace {

/// An interface with the texts that it points to.
struct Texts {
  explicit Texts(const Value& module) : name(module["name"].raw()), cddl(module["cddl"].raw()) {
    for (const char* const key : {"provides", "names"}) add(module[key], provides);
    for (const char* const key : {"offers", "functions"}) add(module[key], offers);
    for (const char* const key : {"emits", "events"}) add(module[key], emits);
    add(module["calls"], calls);
    add(module["listens"], listens);
  }

  // A module-list has maps for wire names.
  static void add(const Value& list, std::vector<std::string>& to) {
    for (const Value& each : list.items()) {
      const std::string text = each["name"].raw();
      to.push_back(text.empty() ? each.raw() : text);
    }
  }

  cddl::Interface view() const { return {name, cddl, provides, offers, emits, calls, listens}; }

  std::string name;
  std::string cddl;
  std::vector<std::string> provides, offers, emits, calls, listens;
};

void side(cbor::Writer& out, const char* key, const Value& module) {
  const std::uint64_t generation = module["generation"].number();
  out.text(key);
  out.map(generation == 0 ? 2 : 3);
  field(out, "version", module["version"].raw());
  field(out, "interface_hash", module["interface_hash"].raw());
  if (generation != 0) field(out, "generation", generation);
}

std::string count_words(std::size_t count) { return cat(std::to_string(count), count == 1 ? " change" : " changes"); }

}  // namespace

cbor::Bytes compare_modules(const Value& before, const Value& after) try {
  const Texts old(before);
  const Texts next(after);
  cbor::Bytes bytes;
  cbor::Writer out(bytes);
  out.map(3 + cddl::comparison_members);
  field(out, "module", next.name);
  side(out, "from", before);
  side(out, "to", after);
  cddl::write(out, cddl::compare(old.view(), next.view()));
  return bytes;
} catch (const cddl::ParseError& fault) {
  throw CommandFailure{exit_refused, BP_LOAD_REFUSED,
                       cat("the CDDL of the loaded module cannot be read: ", fault.what())};
}

std::string comparison_words(const Value& report) {
  const auto& changes = report["changes"].items();
  const std::uint64_t left_out = report["left_out"].number();
  const auto hash = [&](const char* which) { return report[which]["interface_hash"].text(); };
  if (changes.empty()) return cat("interface ", hash("to"), ": no changes\n");
  std::vector<std::vector<std::string>> rows = {{"VERDICT", "CALLERS", "WHERE", "CHANGE"}};
  for (const Value& change : changes) {
    const std::string names = change["names"].joined();
    const std::uint64_t more = change["more_names"].number();
    const bool itself = names.empty() || names == change["where"].text();
    const std::string reaches =
        itself ? "" : cat(" (", names, more == 0 ? "" : cat(" and ", std::to_string(more), " more"), ")");
    const std::string direction = change["direction"].text();
    rows.push_back({change["verdict"].text(), direction.empty() ? "-" : direction, change["where"].text(),
                    cat(change["text"].text(), reaches)});
  }
  std::string out = cat("interface ", hash("from"), " -> ", hash("to"), ": ", count_words(changes.size() + left_out),
                        ", ", report["verdict"].text(), "\n", table(rows));
  if (left_out != 0) out += cat("and ", count_words(left_out), " that are not shown\n");
  return out;
}

bool may_break(const Value& report) {
  const std::string verdict = report["verdict"].text();
  return verdict == "breaks callers" || verdict == "cannot tell";
}

}  // namespace backplane::host::cli
