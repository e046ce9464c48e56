// SPDX-License-Identifier: Apache-2.0
#include "cddl/compare.hpp"

#include <algorithm>
#include <backplane/cbor/utf8.hpp>
#include <map>
#include <set>
#include <utility>

#include "cddl/parser.hpp"
#include "cddl/type_compare.hpp"
#include "support/digest.hpp"

namespace backplane::host::cddl {
namespace {

using Names = std::set<std::string, std::less<>>;
using Statuses = std::map<std::string, Names, std::less<>>;

constexpr std::string_view error_part = ".error.";
constexpr std::string_view constant_end = ".constant";

Names set_of(std::span<const std::string> names) { return {names.begin(), names.end()}; }

// A wire name may have `error` in it: m.error.get.request is no status of m.
bool is_status(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A constant may be a name for its value.
NodeId constant_of(const Schema& schema, const std::string& name) {
  NodeId out = schema.inside_parentheses(schema.find(name)->body);
  for (std::size_t i = 0; i < 100; ++i) {
    const Node& node = schema.node(out);
    if (node.kind != Kind::name || node.number == no_rule || node.count != 0) break;
    out = schema.inside_parentheses(schema.rules()[node.number].body);
  }
  return out;
}

/// One side of the comparison.
struct Side {
  explicit Side(const Interface& interface)
      : schema(parse(interface.text)),
        form(canonical(interface, schema)),
        provides(set_of(interface.provides)),
        offers(set_of(interface.offers)),
        emits(set_of(interface.emits)) {
    for (const std::string& name : interface.calls) {
      if (!provides.contains(name) && !offers.contains(name)) calls.insert(name);
    }
    for (const std::string& name : interface.listens) {
      if (!emits.contains(name)) listens.insert(name);
    }
    for (const Rule& rule : schema.rules()) {
      const std::size_t at = rule.name.rfind(error_part);
      if (at != std::string::npos && is_status(rule.name.substr(at + error_part.size()))) {
        statuses[rule.name.substr(0, at)].insert(rule.name.substr(at + error_part.size()));
      }
      if (rule.name.ends_with(constant_end)) constants.insert(rule.name);
    }
  }

  bool describes(const std::string& rule) const { return schema.find(rule) != nullptr; }
  const Names& statuses_of(const std::string& name) const {
    static const Names none;
    const auto found = statuses.find(name);
    return found == statuses.end() ? none : found->second;
  }

  Schema schema;
  std::string form;  // canonical
  Names provides, offers, emits, calls, listens;
  Statuses statuses;  // by wire name
  Names constants;
};

class Comparer {
 public:
  Comparer(const Side& before, const Side& after, std::size_t steps)
      : before_(before), after_(after), types_(before.schema, after.schema, steps) {}

  std::vector<Change> run(std::string_view module) {
    names(before_.provides, after_.provides, "the wire name", Flow::request, Flow::reply);
    names(before_.offers, after_.offers, "the host function", Flow::request, Flow::reply);
    needed(before_.calls, after_.calls, What::call_added, What::call_gone, "calls");
    needed(before_.listens, after_.listens, What::listen_added, What::listen_gone, "listens to");
    events();
    constants();
    const std::string config = std::string(module) + ".config";
    if (before_.describes(config) || after_.describes(config)) types_.add(config, Flow::request);
    std::vector<Change> types = types_.run();
    std::move(types.begin(), types.end(), std::back_inserter(out_));
    return std::move(out_);
  }

 private:
  void note(What what, Flow flow, const std::string& name, std::string text) {
    out_.push_back(
        {what, flow, consequence(what, flow).judgement, name, sentence(std::move(text), what, flow), {name}, 0});
  }

  void names(const Names& before, const Names& after, const std::string& kind, Flow asked, Flow answered) {
    for (const std::string& name : before) {
      if (after.contains(name)) {
        call(name, asked, answered);
      } else {
        note(What::name_gone, Flow::none, name, kind + " is gone");
      }
    }
    for (const std::string& name : after) {
      if (!before.contains(name)) note(What::name_added, Flow::none, name, kind + " is new");
    }
  }

  // What the module expects of others.
  void needed(const Names& before, const Names& after, What added, What gone, const std::string& verb) {
    for (const std::string& name : before) {
      if (!after.contains(name)) {
        note(gone, Flow::none, name, "the module no longer " + verb + " it");
      } else if (added == What::call_added) {
        call(name, Flow::request_by, Flow::answer_to);
      } else {
        rule(name + ".event", Flow::answer_to);
      }
    }
    for (const std::string& name : after) {
      if (!before.contains(name)) note(added, Flow::none, name, "the module " + verb + " it now");
    }
  }

  void events() {
    for (const std::string& name : before_.emits) {
      if (after_.emits.contains(name)) {
        rule(name + ".event", Flow::reply);
      } else {
        note(What::name_gone, Flow::none, name, "the event is gone");
      }
    }
    for (const std::string& name : after_.emits) {
      if (!before_.emits.contains(name)) note(What::name_added, Flow::none, name, "the event is new");
    }
  }

  void call(const std::string& name, Flow asked, Flow answered) {
    rule(name + ".request", asked);
    rule(name + ".reply", answered);
    const auto both = [&](const char* end) { return before_.describes(name + end) && after_.describes(name + end); };
    const bool requests = both(".request");
    parts(name, ".request.part", asked, requests, What::parts_added, What::parts_gone, "requests in parts");
    parts(name, ".partial", answered, requests || both(".reply"), What::partials_added, What::partials_gone,
          "partial replies");
    for (const std::string& status : before_.statuses_of(name)) {
      if (after_.statuses_of(name).contains(status)) {
        types_.add(name + std::string(error_part) + status, answered);
      } else {
        note(What::status_gone, answered, name, "the status " + status + " is gone");
      }
    }
    for (const std::string& status : after_.statuses_of(name)) {
      if (!before_.statuses_of(name).contains(status)) {
        note(What::status_added, answered, name, "the status " + status + " is new");
      }
    }
  }

  void rule(const std::string& name, Flow flow) {
    const bool was = before_.describes(name);
    const bool is = after_.describes(name);
    if (was && is) return types_.add(name, flow);
    if (is) note(What::described, flow, name, "it is described now");
    if (was) note(What::undescribed, flow, name, "it is no longer described");
  }

  // `known`: both sides describe the call, so a rule that one of them lacks means that there are none.
  void parts(const std::string& name, const char* end, Flow flow, bool known, What added, What gone,
             const std::string& words) {
    if (!known) return rule(name + end, flow);
    const bool was = before_.describes(name + end);
    const bool is = after_.describes(name + end);
    if (was && is) return types_.add(name + end, flow);
    if (is) note(added, flow, name, words + " are new");
    if (was) note(gone, flow, name, words + " are gone");
  }

  void constants() {
    for (const std::string& name : before_.constants) {
      if (!after_.constants.contains(name)) {
        note(What::constant_gone, Flow::none, name, "the constant is gone");
        continue;
      }
      const NodeId was = constant_of(before_.schema, name);
      const NodeId is = constant_of(after_.schema, name);
      if (canonical(before_.schema, was) != canonical(after_.schema, is)) {
        note(What::constant_changed, Flow::none, name,
             "it is " + describe(after_.schema, is, 60) + ", was " + describe(before_.schema, was, 60));
      }
    }
    for (const std::string& name : after_.constants) {
      if (!before_.constants.contains(name)) note(What::constant_added, Flow::none, name, "the constant is new");
    }
  }

  const Side& before_;
  const Side& after_;
  TypeCompare types_;
  std::vector<Change> out_;
};

}  // namespace

Comparison compare(const Interface& before, const Interface& after, std::size_t steps) {
  Comparison out;
  const Side old(before);
  const Side next(after);
  if (old.form != next.form) out.changes = Comparer(old, next, steps).run(after.module);
  if (out.changes.empty() && (old.form != next.form || before.text != after.text)) {
    const char* const words = old.form == next.form ? "only comments, order or spelling have changed"
                                                    : "only the way in which it is written has changed";
    out.changes.push_back({What::text, Flow::none, Judgement::compatible, std::string(after.module), words, {}, 0});
  }
  std::stable_sort(out.changes.begin(), out.changes.end(),
                   [](const Change& a, const Change& b) { return a.verdict > b.verdict; });
  if (!out.changes.empty()) out.verdict = out.changes.front().verdict;
  if (out.changes.size() > most_changes) {
    out.left_out = out.changes.size() - most_changes;
    out.changes.resize(most_changes);
  }
  return out;
}

std::string canonical(const Interface& interface) { return canonical(interface, parse(interface.text)); }

std::string canonical(const Interface& interface, const Schema& schema) {
  std::string out;
  const auto list = [&](const char* key, std::span<const std::string> names) {
    out += key;
    for (const std::string& name : set_of(names)) out += " " + name;
    out += "\n";
  };
  out += "module " + std::string(interface.module) + "\n";
  list("provides", interface.provides);
  list("offers", interface.offers);
  list("emits", interface.emits);
  list("calls", interface.calls);
  list("listens", interface.listens);
  std::vector<std::string> rules;
  const GroupOrder order = group_order(schema);
  for (const Rule& rule : schema.rules()) {
    if (rule.standard) continue;
    std::string text = rule.name;
    for (std::size_t i = 0; i < rule.parameters.size(); ++i) text += (i == 0 ? "<" : ", ") + rule.parameters[i];
    rules.push_back(text + (rule.parameters.empty() ? " = " : "> = ") + canonical(schema, rule, order) + "\n");
  }
  std::sort(rules.begin(), rules.end());
  for (const std::string& rule : rules) out += rule;
  return out;
}

std::string interface_hash(const Interface& interface, const Schema& schema) {
  constexpr std::size_t digits = 16;
  const std::string form = canonical(interface, schema);
  return sha256_of({reinterpret_cast<const std::uint8_t*>(form.data()), form.size()}).substr(0, digits);
}

void write(cbor::Writer& out, const Comparison& comparison) {
  const auto field = [&](const char* key, std::string_view text) {
    out.text(key);
    out.text(text);
  };
  field("verdict", word(comparison.verdict));
  out.text("changes");
  out.array(comparison.changes.size());
  for (const Change& change : comparison.changes) {
    out.map(7);
    field("what", word(change.what));
    field("where", change.where);
    field("direction", direction(change.flow));
    field("verdict", word(change.verdict));
    field("text", change.text);
    out.text("names");
    out.array(change.names.size());
    for (const std::string& name : change.names) out.text(name);
    out.text("more_names");
    out.uint(change.more_names);
  }
  out.text("left_out");
  out.uint(comparison.left_out);
}

std::string summary(const Comparison& comparison) {
  constexpr std::size_t most_bytes = 200;
  const auto shortened = [](const std::string& text) {
    if (text.size() <= most_bytes) return text;
    std::string_view part = std::string_view(text).substr(0, most_bytes);
    while (!part.empty() && !cbor::valid_utf8(part)) part.remove_suffix(1);
    return std::string(part) + "…";
  };
  constexpr std::ptrdiff_t most = 3;
  const auto& changes = comparison.changes;
  const auto worst = std::count_if(changes.begin(), changes.end(),
                                   [&](const Change& change) { return change.verdict == comparison.verdict; });
  const bool many = static_cast<std::size_t>(worst) == changes.size() && comparison.left_out != 0;
  std::string out;
  switch (comparison.verdict) {
    case Judgement::breaks_callers:
      out = worst == 1 ? " change breaks callers: " : " changes break callers: ";
      break;
    case Judgement::breaks_source:
      out = worst == 1 ? " change breaks source: " : " changes break source: ";
      break;
    case Judgement::cannot_tell:
      out = worst == 1 ? " change may break callers: " : " changes may break callers: ";
      break;
    case Judgement::compatible:
      if (changes.empty()) return "no changes";
      break;
  }
  if (comparison.verdict == Judgement::compatible) {
    out = "all changes are compatible: ";
  } else {
    out = (many ? "more than " : "") + std::to_string(worst) + out;
  }
  for (std::ptrdiff_t i = 0; i < std::min(worst, most); ++i) {
    const Change& change = changes[static_cast<std::size_t>(i)];
    out += (i == 0 ? "" : ". ") + shortened(change.where) + ": " + shortened(change.text);
  }
  if (worst <= most) return out;
  const std::size_t more = static_cast<std::size_t>(worst - most) + (many ? comparison.left_out : 0);
  return out + "; and " + std::to_string(more) + " more";
}

}  // namespace backplane::host::cddl
