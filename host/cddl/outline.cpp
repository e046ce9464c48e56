// SPDX-License-Identifier: Apache-2.0
//
// Puts the names of an interface together with the types that outline_reader.hpp reads.
#include "cddl/outline.hpp"

#include <map>
#include <set>
#include <utility>

#include "cddl/outline_flow.hpp"
#include "cddl/outline_reader.hpp"

namespace backplane::host::cddl {
namespace {

using NameSet = std::set<std::string_view>;

/// The rules of a wire name.
struct WireRules {
  const Rule* request = nullptr;
  const Rule* part = nullptr;
  const Rule* reply = nullptr;
  const Rule* partial = nullptr;
  const Rule* event = nullptr;
  std::vector<std::pair<bp_status, const Rule*>> errors;

  bool call() const { return request != nullptr || part != nullptr || reply != nullptr || partial != nullptr; }
};

// What is behind "raw" in a comment; nothing if it does not begin so.
std::optional<std::string> behind_raw(const std::string& comment) {
  constexpr std::string_view word = "raw";
  if (!comment.starts_with(word)) return std::nullopt;
  const std::string rest = comment.substr(word.size());
  if (!rest.empty() && rest[0] != ':' && rest[0] != ',' && rest[0] != ';') return std::nullopt;
  const std::size_t end = rest.find("; ");
  return end == std::string::npos ? "" : rest.substr(end + 2);
}

class Maker {
 public:
  Maker(const Interface& interface, const Schema& schema)
      : interface_(interface), schema_(schema), types_(schema, interface.module, out_.warnings) {}

  Outline run() {
    out_.name = interface_.module;
    out_.cddl = interface_.text;
    types_.read_named();
    gather();
    const NameSet provides = names(interface_.provides);
    NameSet calls = names(interface_.calls);
    for (const auto& own : {provides, names(interface_.offers)}) {
      for (const std::string_view each : own) calls.erase(each);  // the application does not provide them
    }
    const NameSet emits = names(interface_.emits);
    NameSet listens = names(interface_.listens);
    for (const std::string_view each : emits) listens.erase(each);
    for_each_name(provides, [&](auto name) { out_.calls.push_back(call(name)); });
    for_each_name(calls, [&](auto name) { out_.functions.push_back(call(name)); });
    for_each_name(emits, [&](auto name) { out_.events.push_back(event(name)); });
    for_each_name(listens, [&](auto name) { out_.listens.push_back(event(name)); });
    constants();
    configuration();
    out_.types = types_.take_types();
    settle_types(out_);
    mark_flow(out_);
    return std::move(out_);
  }

 private:
  static NameSet names(std::span<const std::string> all) { return {all.begin(), all.end()}; }

  void gather() {
    for (const Rule& rule : schema_.rules()) {
      const WireRule wire = wire_rule(rule.name, interface_.module);
      if (rule.standard || wire.role == Role::type) continue;
      if (wire.role == Role::config || wire.role == Role::constant) {
        (wire.role == Role::config ? config_ : constants_.emplace_back()) = &rule;
        continue;
      }
      const auto [found, fresh] = wires_.try_emplace(wire.name);
      if (fresh) order_.push_back(wire.name);
      add(found->second, wire, rule);
    }
  }

  static void add(WireRules& rules, const WireRule& wire, const Rule& rule) {
    switch (wire.role) {
      case Role::request:
        rules.request = &rule;
        break;
      case Role::part:
        rules.part = &rule;
        break;
      case Role::reply:
        rules.reply = &rule;
        break;
      case Role::partial:
        rules.partial = &rule;
        break;
      case Role::event:
        rules.event = &rule;
        break;
      case Role::error:
        rules.errors.emplace_back(wire.status, &rule);
        break;
      default:
        break;
    }
  }

  // In the order of the text; names that it does not have come last.
  template <class Visit>
  void for_each_name(const NameSet& wanted, Visit visit) {
    for (const std::string_view each : order_) {
      if (wanted.contains(each)) visit(each);
    }
    for (const std::string_view each : wanted) {
      if (!wires_.contains(each)) visit(each);
    }
  }

  void warn(std::string text) {
    if (out_.warnings.size() < most_outline_warnings) out_.warnings.push_back(std::move(text));
  }

  // What is there is undescribed.
  Ref missing(std::string_view name, const char* end) {
    warn(std::string(name) + ": found no rule " + std::string(name) + end + "; bindings have it as any");
    return {};
  }

  Ref payload(const Rule& rule) {
    Ref out = types_.rule(rule);
    if (out.kind == Ref::Kind::bytes && !out.size && behind_raw(rule.comment)) out.kind = Ref::Kind::raw;
    return out;
  }

  // Adds what became `any` to the doc.
  void note(std::string& doc, const char* what) {
    const std::string unread = types_.take_unread();
    if (!unread.empty()) doc += (doc.empty() ? "" : "; ") + std::string(what) + " in CDDL: " + unread;
  }

  OutlineCall call(std::string_view name) {
    OutlineCall out;
    out.name = name;
    const auto found = wires_.find(name);
    const WireRules none;
    const WireRules& rules = found == wires_.end() ? none : found->second;
    if (rules.request != nullptr) {
      out.doc = behind_raw(rules.request->comment).value_or(rules.request->comment);
      if (!types_.empty_map(*rules.request)) out.request = payload(*rules.request);
      note(out.doc, "request");
    } else {
      out.request = missing(name, ".request");
    }
    if (rules.part != nullptr) out.request_part = payload(*rules.part);
    note(out.doc, "parts");
    if (rules.reply == nullptr) {
      out.reply = missing(name, ".reply");
    } else if (!types_.null(*rules.reply)) {
      out.reply = payload(*rules.reply);
      note(out.doc, "reply");
    }
    if (rules.partial != nullptr) out.partial = payload(*rules.partial);
    note(out.doc, "partial replies");
    for (const auto& [status, rule] : rules.errors) {
      OutlineError& error = out.errors.emplace_back();
      error.status = status;
      error.doc = rule->comment;
      if (!types_.null(*rule) && !types_.empty_map(*rule)) error.detail = types_.rule(*rule);
      note(error.doc, "detail");
    }
    return out;
  }

  OutlineEvent event(std::string_view name) {
    OutlineEvent out;
    out.name = name;
    const auto found = wires_.find(name);
    const Rule* const rule = found == wires_.end() ? nullptr : found->second.event;
    if (rule == nullptr) {
      out.payload = missing(name, ".event");
      return out;
    }
    out.doc = rule->comment;
    if (!types_.null(*rule) && !types_.empty_map(*rule)) out.payload = types_.rule(*rule);
    note(out.doc, "payload");
    return out;
  }

  void constants() {
    for (const Rule* const rule : constants_) {
      const std::string_view name = wire_rule(rule->name, interface_.module).name;
      const std::size_t dot = name.find('.');
      if (name.substr(0, dot) != interface_.module) continue;
      auto value = types_.constant(*rule);
      if (!value) {
        warn(rule->name + ": found " + describe(schema_, rule->body) + ", expected a value; bindings leave it out");
        continue;
      }
      out_.constants.push_back({std::string(name.substr(dot + 1)), rule->comment, std::move(*value)});
    }
  }

  void configuration() {
    if (config_ == nullptr) return;
    out_.config = types_.rule(*config_);
    out_.config_doc = config_->comment;
    note(out_.config_doc, "configuration");
  }

  const Interface& interface_;
  const Schema& schema_;
  Outline out_;
  TypeReader types_;
  std::map<std::string_view, WireRules> wires_;
  std::vector<std::string_view> order_;  // of the keys of wires_ in the text
  std::vector<const Rule*> constants_;
  const Rule* config_ = nullptr;
};

}  // namespace

Outline outline_of(const Interface& interface, const Schema& schema) { return Maker(interface, schema).run(); }

}  // namespace backplane::host::cddl
