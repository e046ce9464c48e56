// SPDX-License-Identifier: Apache-2.0
#include "cddl/type_compare.hpp"

#include <algorithm>
#include <backplane/cbor/escape.hpp>

namespace backplane::host::cddl {
namespace {

constexpr std::size_t most_noted = 10'000;
constexpr std::size_t most_named = 8;

std::string quoted_name(std::string_view text) { return "\"" + cbor::escaped(text, cbor::Escape::line) + "\""; }

std::string listed(const std::vector<std::string>& values) {
  std::string out;
  for (std::size_t i = 0; i < std::min(values.size(), most_named); ++i) {
    out += (i == 0 ? "" : ", ") + quoted_name(values[i]);
  }
  if (values.size() > most_named) out += " and " + std::to_string(values.size() - most_named) + " more";
  return out;
}

std::string value_words(const std::vector<std::string>& values, const char* end) {
  return (values.size() == 1 ? "the value " : "the values ") + listed(values) +
         (values.size() == 1 ? " is " : " are ") + end;
}

bool are_parts(const Schema& schema, Bound what) {
  const Kind kind = schema.node(what.node).kind;
  return kind == Kind::map || kind == Kind::array;
}

// No type without a name of its own, such as #5, and nothing that cannot be compared.
bool only_parts(const Shape& shape) {
  const auto& all = shape.alternatives;
  return !shape.any_map && !shape.any_array && !shape.any_tag &&
         std::none_of(all.begin(), all.end(),
                      [](const Alternative& each) { return each.kind == Alternative::Kind::opaque; });
}

// Whether `shape` has a type without a name of its own that `other` lacks.
bool has_other_kinds(const Shape& shape, const Shape& other) {
  if (other.any) return false;
  return shape.any || (shape.any_map && !other.any_map) || (shape.any_array && !other.any_array) ||
         (shape.any_tag && !other.any_tag);
}

// Whether no other alternative comes from the same type.
bool is_only(const Shape& shape, const Alternative& alternative) {
  return alternative.what.node != no_node &&
         std::count_if(shape.alternatives.begin(), shape.alternatives.end(), [&](const Alternative& each) {
           return each.what.node == alternative.what.node && each.what.scope == alternative.what.scope;
         }) == 1;
}

bool has_parts(const Shape& shape) { return !shape.alternatives.empty(); }

std::string unit_words(const std::set<std::string>& before, const std::set<std::string>& after) {
  const auto joined = [](const std::set<std::string>& units) {
    std::string out;
    for (const std::string& unit : units) out += (out.empty() ? "" : " or ") + unit;
    return out;
  };
  return "the unit is " + joined(after) + ", was " + joined(before);
}

// Wire rules have dots; their names are no types.
bool is_type(const Rule* rule) { return rule != nullptr && rule->name.find('.') == std::string::npos; }

Alternative empty_map() { return {}; }

std::string word_of(Alternative::Kind kind) {
  return kind == Alternative::Kind::map ? "map" : kind == Alternative::Kind::array ? "array" : "tag";
}

}  // namespace

void TypeCompare::add(const std::string& rule, Flow flow) try {
  const Rule* const before = old_.find(rule);
  const Rule* const after = new_.find(rule);
  Sides at;
  if (before != nullptr) at.before = before_.resolved(before_.body(*before));
  if (after != nullptr) at.after = after_.resolved(after_.body(*after));
  if (before == nullptr || after == nullptr) {  // against an empty map
    pairs_.push_back({at, flow, rule, {}, {}});
    roots_.push_back({rule, pairs_.size() - 1});
    return;
  }
  // So that a root that is only a name is compared as its type.
  pairs_.push_back({{}, flow, rule, {}, {}});
  roots_.push_back({rule, pairs_.size() - 1});
  visit(pairs_.size() - 1, {before_.body(*before), after_.body(*after)}, rule);
} catch (const Unchecked& stop) {
  pairs_.push_back({{}, flow, rule, {}, {}});
  roots_.push_back({rule, pairs_.size() - 1});
  note(pairs_.size() - 1, What::unknown, rule, stop.why);
}

std::vector<Change> TypeCompare::run() {
  for (std::size_t next = 0; next < pairs_.size(); ++next) {
    try {
      compare(next);
    } catch (const Unchecked& stop) {
      if (budget_.left() && alike(next, pairs_[next].at, pairs_[next].where)) continue;
      note(next, What::unknown, pairs_[next].where, stop.why);
      if (!budget_.left()) break;  // the rest would say the same
    }
    if (changes_.size() >= most_noted) {
      note(next, What::unknown, pairs_[next].where, "there are too many changes to tell them all");
      break;
    }
  }
  attribute();
  return std::move(changes_);
}

void TypeCompare::note(std::size_t pair, What what, const std::string& where, std::string text) {
  const Flow flow = pairs_[pair].flow;
  pairs_[pair].changes.push_back(changes_.size());
  changes_.push_back(
      {what, flow, consequence(what, flow).judgement, where, sentence(std::move(text), what, flow), {}, 0});
}

std::size_t TypeCompare::intern(const Sides& at, Flow flow, const std::string& where) {
  const auto [found, fresh] = known_.try_emplace(key_of(at, flow), pairs_.size());
  if (fresh) pairs_.push_back({at, flow, where, {}, {}});
  return found->second;
}

// A place inside of `from`. What cannot be compared is no change if it has stayed as it was.
void TypeCompare::visit(std::size_t from, const Sides& at, const std::string& where) {
  try {
    visit_checked(from, at, where);
  } catch (const Unchecked& stop) {
    if (!budget_.left()) throw;
    if (!alike(from, at, where)) note(from, What::unknown, where, stop.why);
  }
}

// What has no parts is compared here and now.
void TypeCompare::visit_checked(std::size_t from, const Sides& at, const std::string& where) {
  const Sides found{before_.resolved(at.before), after_.resolved(at.after)};
  const Rule* const was = before_.named(at.before);
  const Rule* const is = after_.named(at.after);
  const Rule* const around = after_.rule_at(found.after);
  const std::string inside = is_type(around) ? around->name : where;
  const auto follow = [&] {
    name_change(from, was, is, where, false);
    const std::size_t inner = intern(found, pairs_[from].flow, inside);
    pairs_[from].inner.push_back(inner);
  };
  if (old_.node(found.before.node).kind != Kind::control && new_.node(found.after.node).kind != Kind::control &&
      (are_parts(old_, found.before) || are_parts(new_, found.after) ||
       known_.contains(key_of(found, pairs_[from].flow)))) {
    return follow();
  }
  const Shape before = before_.of(at.before);  // with the units of its names
  const Shape after = after_.of(at.after);
  if (before.default_form != after.default_form) {
    const auto words = [](const std::string& value) { return value.empty() ? std::string("none") : value; };
    const std::string value = words(after.default_value), old = words(before.default_value);
    note(from, What::default_changed, where,
         value == old ? "the default " + value + " has changed" : "the default is " + value + ", was " + old);
  }
  if (!has_parts(before) && !has_parts(after)) {
    const bool changed = scalars(from, before, after, at, where);
    return name_change(from, was, is, where, changed);
  }
  follow();
}

void TypeCompare::compare(std::size_t pair) {
  const Sides at = pairs_[pair].at;
  if (at.before.node == no_node && at.after.node == no_node) return;  // a root, which visit() has taken
  Shape before;
  Shape after;
  if (at.before.node == no_node) before.alternatives.push_back(empty_map());
  if (at.after.node == no_node) after.alternatives.push_back(empty_map());
  if (at.before.node != no_node) before = before_.of(at.before);
  if (at.after.node != no_node) after = after_.of(at.after);
  if (before.any || after.any) {
    scalars(pair, before, after, at, pairs_[pair].where);
    return;
  }
  const Links links = link(before.alternatives, after.alternatives, pairs_[pair].flow);
  if (links.empty() && (before.scalars.empty() || after.scalars.empty()) && only_parts(before) && only_parts(after)) {
    if (before.alternatives.empty() && after.alternatives.empty()) return;  // nothing fits either of them
    return type_change(pair, What::other_type, at, pairs_[pair].where);
  }
  scalars(pair, before, after, at, pairs_[pair].where);
  alternatives(pair, before, after, links);
  forms(pair, before, after, links);
}

void TypeCompare::type_change(std::size_t pair, What what, const Sides& at, const std::string& where) {
  const std::string is = at.after.node == no_node ? "nothing" : shown(after_, at.after);
  const std::string was = at.before.node == no_node ? "nothing" : shown(before_, at.before);
  note(pair, what, where, is == was ? "the type " + is + " has changed" : "the type is " + is + ", was " + was);
}

// Values without parts. Returns whether there was something to tell.
bool TypeCompare::scalars(std::size_t pair, const Shape& before, const Shape& after, const Sides& at,
                          const std::string& where) {
  if (before.any && after.any) return false;
  labels(pair, before, after, where);
  const bool other_unit = !before.units.empty() && !after.units.empty() && before.units != after.units;
  if (other_unit) note(pair, What::unit_changed, where, unit_words(before.units, after.units));
  Beyond lost = after.any ? Beyond{} : beyond(before.scalars, after.scalars);
  Beyond gained = before.any ? Beyond{} : beyond(after.scalars, before.scalars);
  lost.more |= has_other_kinds(before, after);
  gained.more |= has_other_kinds(after, before);
  // What is gone beside what is new makes another type.
  const bool both = (lost.more && !gained.literals.empty()) || ((lost.more || !lost.literals.empty()) && gained.more);
  if (lost.more || gained.more) {
    const What what = both ? What::other_type : lost.more ? What::narrower : What::wider;
    type_change(pair, what, at, where);
    return true;
  }
  if (!gained.literals.empty()) note(pair, What::value_added, where, value_words(gained.literals, "new"));
  if (!lost.literals.empty()) note(pair, What::value_gone, where, value_words(lost.literals, "gone"));
  return other_unit || !gained.literals.empty() || !lost.literals.empty();
}

// Of an enumeration.
void TypeCompare::labels(std::size_t pair, const Shape& before, const Shape& after, const std::string& where) {
  const auto has = [&](const Shape& shape, const std::set<std::string>& some) {
    return std::any_of(shape.labels.begin(), shape.labels.end(), [&](const auto& each) {
      budget_.step();
      return std::any_of(some.begin(), some.end(),
                         [&](const std::string& label) { return each.second.contains(label); });
    });
  };
  for (const auto& each : before.labels) {
    const std::string& value = each.first;
    const std::set<std::string>& was = each.second;
    budget_.step();
    const auto found = after.labels.find(value);
    if (found == after.labels.end()) continue;
    const std::set<std::string>& is = found->second;
    if (std::any_of(is.begin(), is.end(), [&](const std::string& label) { return was.contains(label); })) continue;
    const bool moved = has(after, was) || has(before, is);
    note(pair, moved ? What::label_moved : What::renamed, where,
         "the value " + value.substr(0, 60) + " has the label " + quoted_name(*is.begin()) + ", had " +
             quoted_name(*was.begin()));
    if (moved) return;  // one swap makes two of them
  }
}

void TypeCompare::name_change(std::size_t pair, const Rule* before, const Rule* after, const std::string& where,
                              bool changed) {
  if (!is_type(before) || !is_type(after) || before->name == after->name) return;
  if (changed) return;  // scalars() has told another unit, too
  const std::string was = unit_of(before->name), is = unit_of(after->name);
  if (!was.empty() && !is.empty() && was != is) {
    return note(pair, What::unit_changed, where, unit_words({was}, {is}));
  }
  if (!renamed_.emplace(before->name, after->name).second) return;
  const bool moved = new_.find(before->name) != nullptr || old_.find(after->name) != nullptr;
  note(pair, What::renamed, where,
       moved ? "the type is " + quoted_name(after->name) + ", was " + quoted_name(before->name)
             : "the type " + quoted_name(before->name) + " is named " + quoted_name(after->name) + " now");
}

// ---- Types with parts ----

void TypeCompare::alternatives(std::size_t pair, const Shape& before, const Shape& after, const Links& links) {
  std::vector<bool> kept(before.alternatives.size());
  std::vector<bool> known(after.alternatives.size());
  using Form = Alternative::Kind;
  for (const auto& [was, is] : links) {
    kept[was] = true;
    known[is] = true;
    // A form that is the only one of its type is compared as that type, once wherever it stands.
    const Alternative& old = before.alternatives[was];
    const Alternative& next = after.alternatives[is];
    const Sides& at = pairs_[pair].at;
    const bool itself = old.what.node == at.before.node && next.what.node == at.after.node;
    if (itself || old.kind == Form::opaque || !is_only(before, old) || !is_only(after, next)) {
      parts(pair, old, next);
    } else {
      visit(pair, {old.what, next.what}, pairs_[pair].where);
    }
  }
  const auto covered = [](const Shape& by, Form kind) {
    return (kind == Form::map && by.any_map) || (kind == Form::array && by.any_array) ||
           (kind == Form::tag && by.any_tag);
  };
  const auto form_of = [&](const Alternative& each, Shapes& side) {
    const bool named = is_type(each.rule) && each.rule->name != pairs_[pair].where;
    if (named) return quoted_name(each.rule->name);
    return each.what.node == no_node ? std::string("{}") : shown(side, each.what);
  };
  bool told = false;
  const auto tell = [&](const Alternative& each, Shapes& side, What what, const char* end) {
    if (each.kind == Form::opaque) {
      if (std::exchange(told, true)) return;
      return note(pair, What::unknown, pairs_[pair].where,
                  "the type " + shown(side, each.what) + " cannot be compared");
    }
    note(pair, what, pairs_[pair].where, "the form " + form_of(each, side) + " is " + end);
  };
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const Alternative& each = before.alternatives[i];
    if (!kept[i] && !covered(after, each.kind)) tell(each, before_, What::alternative_gone, "gone");
  }
  for (std::size_t i = 0; i < known.size(); ++i) {
    const Alternative& each = after.alternatives[i];
    if (known[i]) continue;
    if (!covered(before, each.kind)) {
      tell(each, after_, What::alternative_added, "new");
    } else if (sent_by_callers(pairs_[pair].flow) && covered(after, each.kind)) {
      note(pair, What::forms_alike, pairs_[pair].where,
           "what was sent as any " + word_of(each.kind) + " may be read as the new form " + form_of(each, after_));
    }
  }
}

namespace {

// The keys of a map, or the number of elements.
std::string signature(const Alternative& alternative) {
  std::string out(1, static_cast<char>('0' + static_cast<int>(alternative.kind)));
  if (alternative.kind == Alternative::Kind::array) return out + std::to_string(alternative.parts.size());
  if (alternative.kind == Alternative::Kind::tag) return out + std::to_string(alternative.number);
  std::vector<std::string> keys;
  for (const Part& part : alternative.parts) keys.push_back(part.key.empty() ? "*" : part.key);
  std::sort(keys.begin(), keys.end());
  for (const std::string& key : keys) out += "," + key;
  return out;
}

}  // namespace

// First those of the same name, then those with the same keys, then the only ones that are left of a kind. At last, one
// that is sent may fit one that is linked already.
TypeCompare::Links TypeCompare::link(const std::vector<Alternative>& before, const std::vector<Alternative>& after,
                                     Flow flow) {
  Links out;
  std::vector<bool> used_before(before.size());
  std::vector<bool> used_after(after.size());
  const auto link_by = [&](auto key_of) {
    std::map<std::string, std::vector<std::size_t>> by_key;
    for (std::size_t i = after.size(); i-- > 0;) {
      budget_.step();
      if (!used_after[i]) by_key[key_of(after[i], after_)].push_back(i);
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
      budget_.step();
      if (used_before[i]) continue;
      const std::string key = key_of(before[i], before_);
      const auto found = by_key.find(key);
      if (key.empty() || found == by_key.end() || found->second.empty()) continue;
      used_before[i] = used_after[found->second.back()] = true;
      out.emplace_back(i, found->second.back());
      found->second.pop_back();
    }
  };
  using Form = Alternative::Kind;
  link_by([&](const Alternative& each, Shapes& side) {
    if (each.kind == Form::opaque) {  // as it is written: opaque() goes through both texts in their order
      std::string text = describe(side.schema(), each.what.node, SIZE_MAX);
      budget_.text(text.size());
      return std::to_string(static_cast<int>(each.kind)) + text;
    }
    return is_type(each.rule) ? each.rule->name + "/" + signature(each) : std::string();
  });
  link_by([](const Alternative& each, Shapes&) {
    const bool named = is_type(each.rule) && (each.kind == Form::map || each.kind == Form::array);
    return named ? std::to_string(static_cast<int>(each.kind)) + each.rule->name : std::string();
  });
  link_by([](const Alternative& each, Shapes&) { return each.kind == Form::opaque ? std::string() : signature(each); });
  for (const Form kind : {Form::map, Form::array}) {
    std::vector<std::size_t> left_before;
    std::vector<std::size_t> left_after;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (!used_before[i] && before[i].kind == kind) left_before.push_back(i);
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (!used_after[i] && after[i].kind == kind) left_after.push_back(i);
    }
    if (left_before.size() != 1 || left_after.size() != 1) continue;
    out.emplace_back(left_before[0], left_after[0]);
    used_before[left_before[0]] = used_after[left_after[0]] = true;
  }
  const bool old_sends = sent_by_callers(flow);
  std::vector<bool>& used = old_sends ? used_before : used_after;
  const auto& sent = old_sends ? before : after;
  const auto& taken = old_sends ? after : before;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    for (std::size_t k = 0; !used[i] && k < taken.size(); ++k) {
      if (!may_take(sent[i], taken[k], flow)) continue;
      used[i] = true;
      out.emplace_back(old_sends ? i : k, old_sends ? k : i);
    }
  }
  return out;
}

bool TypeCompare::may_take(const Alternative& sent, const Alternative& taken, Flow flow) {
  budget_.step(1 + sent.parts.size());
  if (sent.kind != Alternative::Kind::map || taken.kind != Alternative::Kind::map) return false;
  std::map<std::string_view, const Part*> keys;
  bool takes_more = !reads_strictly(flow);
  for (const Part& part : taken.parts) {
    budget_.step();
    takes_more = takes_more || part.key.empty();
    if (!part.key.empty()) keys.emplace(part.key, &part);
  }
  for (const Part& part : sent.parts) {
    const auto found = keys.find(part.key);
    if (found == keys.end()) {
      if (!takes_more) return false;
      continue;
    }
    if (part.optional() && !found->second->optional()) return false;
    keys.erase(found);
  }
  return std::all_of(keys.begin(), keys.end(), [](const auto& each) { return each.second->optional(); });
}

void TypeCompare::parts(std::size_t pair, const Alternative& before, const Alternative& after) {
  if (!before.inexact.empty() || !after.inexact.empty()) {
    if (alike(pair, {before.what, after.what}, pairs_[pair].where)) return;
    const bool now = !after.inexact.empty();
    const std::string type = now ? shown(after_, after.what) : shown(before_, before.what);
    return note(pair, What::unknown, pairs_[pair].where,
                type + " cannot be compared: " + (now ? after.inexact : before.inexact));
  }
  switch (before.kind) {
    case Alternative::Kind::map:
      return members(pair, before, after);
    case Alternative::Kind::array:
      return elements(pair, before, after);
    case Alternative::Kind::tag:
      return visit(pair, {before.parts[0].value, after.parts[0].value}, pairs_[pair].where);
    case Alternative::Kind::opaque:
      return opaque(pair, before, after);
  }
}

// What is optional, and how often an element may come.
void TypeCompare::presence(std::size_t pair, const Part& before, const Part& after, const std::string& where) {
  if (before.most == after.most && before.optional() != after.optional() && before.most == 1) {
    return after.optional() ? note(pair, What::now_optional, where, "it is optional now")
                            : note(pair, What::now_required, where, "it is required now");
  }
  if (before.least == after.least && before.most == after.most) return;
  const bool fewer = after.least > before.least || after.most < before.most;
  const bool more = after.least < before.least || after.most > before.most;
  const auto count = [](const Part& part) {
    return std::to_string(part.least) + " to " + (part.most == no_limit ? "any number" : std::to_string(part.most));
  };
  note(pair,
       fewer && more ? What::other_type
       : more        ? What::wider
                     : What::narrower,
       where, "there may be " + count(after) + ", were " + count(before));
}

}  // namespace backplane::host::cddl
