// SPDX-License-Identifier: Apache-2.0
//
// Looks at the types of an outline as a graph: which contain themselves, and which the application sends and receives.
// Chains of types may be long, so nothing here recurses from type to type.
#include "cddl/outline_flow.hpp"

#include <functional>
#include <unordered_map>
#include <utility>

namespace backplane::host::cddl {
namespace {

using Graph = std::vector<std::vector<std::size_t>>;  // of each type, the types that it refers to

class Types {
 public:
  explicit Types(std::vector<OutlineType>& types) : types_(types) {
    for (std::size_t i = 0; i < types.size(); ++i) index_.emplace(types[i].name, i);
  }

  std::size_t at(const Ref& named) const { return index_.at(named.name); }

  /// Calls `visit` for each type that this refers to, also in parts of it.
  void names(const Ref& ref, const std::function<void(std::size_t)>& visit) const {
    if (ref.kind == Ref::Kind::named) visit(at(ref));
    for (const Ref& each : ref.of) names(each, visit);
  }
  void names(const OutlineType& type, const std::function<void(std::size_t)>& visit) const {
    names(type.type, visit);
    for (const OutlineMember& each : type.members) names(each.type, visit);
  }

  /// Whether a value of this type can end, if values of the types that `ends` has do.
  static bool can_end(const Ref& ref, const std::function<bool(const Ref&)>& ends) {
    switch (ref.kind) {
      case Ref::Kind::named:
        return ends(ref);
      case Ref::Kind::list:
        return ref.least == 0 || can_end(ref.of[0], ends);
      case Ref::Kind::tuple:
        for (const Ref& each : ref.of) {
          if (!can_end(each, ends)) return false;
        }
        return true;
      case Ref::Kind::choice:
        for (const Ref& each : ref.of) {
          if (can_end(each, ends)) return true;
        }
        return false;
      default:
        return true;
    }
  }
  static bool can_end(const OutlineType& type, const std::function<bool(const Ref&)>& ends) {
    if (type.kind == OutlineType::Kind::alias) return can_end(type.type, ends);
    const bool tagged = type.kind == OutlineType::Kind::tagged;
    if (type.kind == OutlineType::Kind::enumeration) return true;
    for (const OutlineMember& each : type.members) {
      if (!tagged && each.optional) continue;
      if (can_end(each.type, ends) == tagged) return tagged;
    }
    return !tagged;
  }

  /// Which types have a value that ends.
  std::vector<bool> ending() const {
    // Types mostly refer to later ones, so the way back finds most at once.
    constexpr std::size_t most_rounds = 100;
    std::vector<bool> ends(types_.size());
    const auto known = [&](const Ref& ref) { return ends[at(ref)]; };
    for (std::size_t round = 0; round < most_rounds; ++round) {
      bool more = false;
      for (std::size_t i = 0; i < types_.size(); ++i) {
        const std::size_t each = round % 2 == 0 ? types_.size() - 1 - i : i;
        if (ends[each] || !can_end(types_[each], known)) continue;
        ends[each] = more = true;
      }
      if (!more) return ends;
    }
    return std::vector<bool>(types_.size(), true);  // too many to tell
  }

 private:
  std::vector<OutlineType>& types_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

// Nodes whose removal leaves no cycle: those that a search in depth meets while it is inside of them.
std::vector<std::size_t> met_again(const Graph& graph) {
  enum class State : std::uint8_t { unseen, inside, left };
  std::vector<State> states(graph.size());
  std::vector<bool> met(graph.size());
  std::vector<std::size_t> out;
  std::vector<std::pair<std::size_t, std::size_t>> stack;  // a node, and its next edge
  for (std::size_t root = 0; root < graph.size(); ++root) {
    if (states[root] != State::unseen) continue;
    stack.emplace_back(root, 0);
    states[root] = State::inside;
    while (!stack.empty()) {
      auto& [node, edge] = stack.back();
      if (edge == graph[node].size()) {
        states[node] = State::left;
        stack.pop_back();
        continue;
      }
      const std::size_t next = graph[node][edge++];
      if (states[next] == State::unseen) {
        states[next] = State::inside;
        stack.emplace_back(next, 0);
      } else if (states[next] == State::inside && !met[next]) {
        met[next] = true;
        out.push_back(next);
      }
    }
  }
  return out;
}

void make_any(Outline& outline, std::size_t index, const char* found) {
  OutlineType& type = outline.types[index];
  type.kind = OutlineType::Kind::alias;
  type.members.clear();
  type.type = {};
  if (outline.warnings.size() < most_outline_warnings) {
    outline.warnings.push_back(type.name + ": found " + found + "; bindings have it as any");
  }
}

// An integer as the default of a float is a float.
void settle_default(const Outline& outline, const Types& types, OutlineMember& member) {
  constexpr unsigned most_aliases = 100;
  if (!member.default_value || member.default_value->kind != Constant::Kind::integer) return;
  const Ref* type = &member.type;
  for (unsigned i = 0; i < most_aliases; ++i) {
    if (type->kind == Ref::Kind::nullable) {
      type = type->of.data();
    } else if (type->kind == Ref::Kind::named) {
      type = &outline.types[types.at(*type)].type;
    } else {
      break;
    }
  }
  if (type->kind != Ref::Kind::real) return;
  Constant& value = *member.default_value;
  const auto number = static_cast<double>(value.number);
  value.real = value.flag ? -1 - number : number;
  value.kind = Constant::Kind::real;
}

}  // namespace

void settle_types(Outline& outline) {
  const Types types(outline.types);
  Graph aliases(outline.types.size());
  for (std::size_t i = 0; i < outline.types.size(); ++i) {
    if (outline.types[i].kind != OutlineType::Kind::alias) continue;
    types.names(outline.types[i].type, [&](std::size_t to) { aliases[i].push_back(to); });
  }
  for (const std::size_t each : met_again(aliases)) make_any(outline, each, "a type that contains itself, in no map");
  const std::vector<bool> ends = types.ending();
  Graph endless(outline.types.size());
  for (std::size_t i = 0; i < outline.types.size(); ++i) {
    if (ends[i]) continue;
    types.names(outline.types[i], [&](std::size_t to) {
      if (!ends[to]) endless[i].push_back(to);
    });
  }
  for (const std::size_t each : met_again(endless)) make_any(outline, each, "a type whose values have no end");
  for (OutlineType& type : outline.types) {
    for (OutlineMember& member : type.members) settle_default(outline, types, member);
  }
}

void mark_flow(Outline& outline) {
  const Types types(outline.types);
  const auto mark = [&](const std::optional<Ref>& root, bool OutlineType::*flag) {
    if (!root) return;
    std::vector<std::size_t> left;
    const auto visit = [&](std::size_t each) {
      if (std::exchange(outline.types[each].*flag, true)) return;
      left.push_back(each);
    };
    types.names(*root, visit);
    while (!left.empty()) {
      const std::size_t each = left.back();
      left.pop_back();
      types.names(outline.types[each], visit);
    }
  };
  const auto calls = [&](const std::vector<OutlineCall>& all, bool OutlineType::*there, bool OutlineType::*back) {
    for (const OutlineCall& each : all) {
      mark(each.request, there);
      mark(each.request_part, there);
      mark(each.reply, back);
      mark(each.partial, back);
      for (const OutlineError& error : each.errors) mark(error.detail, back);
    }
  };
  calls(outline.calls, &OutlineType::sent, &OutlineType::received);
  calls(outline.functions, &OutlineType::received, &OutlineType::sent);
  for (const OutlineEvent& each : outline.events) mark(each.payload, &OutlineType::received);
  for (const OutlineEvent& each : outline.listens) mark(each.payload, &OutlineType::sent);
  mark(outline.config, &OutlineType::sent);
}

}  // namespace backplane::host::cddl
