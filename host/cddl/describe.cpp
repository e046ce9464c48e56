// SPDX-License-Identifier: Apache-2.0
//
// Writes nodes as CDDL, for messages.
#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "cddl/model.hpp"

namespace backplane::host::cddl {
namespace {

class Writer {
 public:
  /// `sorted`: what may stand in any order is sorted. `order`: where the order counts; null: in arrays.
  Writer(const Schema& schema, std::size_t most, bool sorted, bool in_map = false, const GroupOrder* order = nullptr)
      : schema_(schema), most_(most), sorted_(sorted), in_map_(in_map), order_(order) {}

  std::string run(NodeId id) {
    write(id);
    return std::move(out_);
  }

 private:
  void put(std::string_view text) {
    if (full_) return;
    if (out_.size() + text.size() > most_) {
      out_ += "…";
      full_ = true;
    } else {
      out_ += text;
    }
  }

  // What a list is of, with the lists of the same kind inside of it: (a / b) / c is a / b / c. A reader of a group
  // within a group does not go back, so that is another thing unless its members cannot be taken for each other.
  void flatten(const Node& node, std::vector<NodeId>& to) const {
    for (const NodeId child : schema_.children(node)) {
      const NodeId inner = node.kind == Kind::choice             ? schema_.inside_parentheses(child)
                           : node.kind == Kind::group && in_map_ ? only_group(child)
                                                                 : child;
      if (schema_.node(inner).kind == node.kind) {
        flatten(schema_.node(inner), to);
      } else {
        to.push_back(child);
      }
    }
  }

  // The group that is all of a sequence, once; or the sequence.
  NodeId only_group(NodeId sequence) const {
    const auto entries = schema_.children(schema_.node(sequence));
    if (entries.size() != 1) return sequence;
    const Node& entry = schema_.node(entries[0]);
    const bool plain = entry.a == no_node && entry.number == 1 && entry.max == 1;
    return plain && schema_.node(entry.b).kind == Kind::group ? entry.b : sequence;
  }

  void sorted_list(const Node& node, const char* separator) {
    std::vector<NodeId> children;
    flatten(node, children);
    std::vector<std::string> texts;
    for (const NodeId child : children) {
      Writer each(schema_, most_, true, in_map_, order_);
      texts.push_back(each.run(child));
    }
    std::sort(texts.begin(), texts.end());
    for (std::size_t i = 0; i < texts.size(); ++i) put((i == 0 ? "" : separator) + texts[i]);
  }

  void list(const Node& node, const char* separator) {
    // Each form of a whole map or array is tried.
    const bool whole = std::exchange(whole_, false) && node.kind == Kind::group;
    const bool any_order = node.kind == Kind::choice || in_map_ || whole;
    if (sorted_ && any_order) return sorted_list(node, separator);
    bool first = true;
    for (const NodeId child : schema_.children(node)) {
      if (full_) return;
      if (!first) put(separator);
      first = false;
      write(child);
    }
  }

  void number(const Node& node) {
    if (!node.flag) return put(std::to_string(node.number));
    put(node.number == UINT64_MAX ? "-18446744073709551616" : "-" + std::to_string(node.number + 1));
  }

  void real(double value) {
    char digits[32];
    std::string text(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    put(text);
  }

  // The bounds are types without a choice, so they need no parentheses.
  void pair(const Node& node, std::string_view between) {
    write(node.a);
    put(between);
    write(node.b);
  }

  // a .size (b .and c) is not (a .size b) .and c.
  void parenthesised(NodeId id, bool behind_control = false) {
    const Kind kind = schema_.node(schema_.inside_parentheses(id)).kind;
    const bool parentheses = kind == Kind::choice || (behind_control && kind == Kind::control);
    if (parentheses) put("(");
    write(id);
    if (parentheses) put(")");
  }

  void entry(const Node& node) {
    if (node.number == 0 && node.max == 1) {
      put("? ");
    } else if (node.number == 1 && node.max == no_limit) {
      put("+ ");
    } else if (node.number != 1 || node.max != 1) {
      put((node.number == 0 ? "" : std::to_string(node.number)) + "*" +
          (node.max == no_limit ? "" : std::to_string(node.max)) + " ");
    }
    if (node.a != no_node) {
      const Node& key = schema_.node(node.a);
      const bool cut = node.flag || (sorted_ && in_map_ && key.kind <= Kind::bytes);  // `1 => int` and `1: int`
      if (key.kind == Kind::text && cut && is_plain(schema_.text(key))) {
        put(schema_.text(key) + ": ");
      } else if (key.kind <= Kind::bytes && cut) {
        write(node.a);
        put(": ");
      } else {
        parenthesised(node.a);
        put(cut ? " ^ => " : " => ");
      }
    }
    if (schema_.node(node.b).kind != Kind::group) {
      const bool outer = std::exchange(in_map_, false);
      write(node.b);
      in_map_ = outer;
      return;
    }
    put("(");
    write(node.b);
    put(")");
  }

  // Whether a key needs no quotes.
  static bool is_plain(std::string_view text) {
    return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") != 0 &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") ==
               std::string_view::npos;
  }

  void bracketed(const char* open, NodeId id, const char* close, bool any_order = false) {
    const bool outer = std::exchange(in_map_, any_order);
    put(open);
    whole_ = *open == '{' || *open == '[';
    write(id);
    whole_ = false;
    put(close);
    in_map_ = outer;
  }

  // The name of a type that has several. Empty: there is none, or the text has a type of its own with that name.
  std::string_view one_name(const Node& node) const {
    std::string_view out;
    if (node.kind == Kind::any) out = "any";
    if (node.kind == Kind::major) {
      constexpr std::string_view whole[] = {"uint", "nint", "bstr", "tstr"};
      constexpr std::string_view simple[] = {"false", "true", "null", "undefined", "", "float16", "float32", "float64"};
      if (node.number < 4 && node.max == no_limit) out = whole[node.number];
      if (node.number == 7 && node.max >= 20 && node.max <= 27) out = simple[node.max - 20];
    }
    if (node.kind == Kind::name && node.number != no_rule && schema_.rules()[node.number].standard) {
      const std::string& name = schema_.text(node);
      out = name == "text" ? "tstr" : name == "bytes" ? "bstr" : name == "nil" ? "null" : std::string_view(name);
    }
    const Rule* const rule = out.empty() ? nullptr : schema_.find(out);
    return rule != nullptr && rule->standard ? out : std::string_view();
  }

  // Integers up to another one, without it: 1...3 is 1..2.
  bool closed_range(const Node& node) {
    Node to = schema_.node(node.b);
    if (!node.flag || schema_.node(node.a).kind != Kind::integer || to.kind != Kind::integer) return false;
    if (to.flag && to.number == UINT64_MAX) return false;
    if (to.flag) {
      ++to.number;
    } else if (to.number == 0) {
      to.flag = true;
    } else {
      --to.number;
    }
    write(node.a);
    put("..");
    number(to);
    return true;
  }

  void major(const Node& node) {
    put("#" + std::to_string(node.number) + (node.max == no_limit ? "" : "." + std::to_string(node.max)));
  }

  void name(const Node& node) {
    put(schema_.text(node));
    if (node.count == 0) return;
    const bool outer = std::exchange(in_map_, false);  // the rule may put an argument anywhere
    put("<");
    list(node, ", ");
    put(">");
    in_map_ = outer;
  }

  void write(NodeId id) {
    if (full_) return;
    id = schema_.inside_parentheses(id);
    const Node& node = schema_.node(id);
    if (sorted_) {
      if (const std::string_view name = one_name(node); !name.empty()) return put(name);
    }
    switch (node.kind) {
      case Kind::integer:
        return number(node);
      case Kind::real:
        return real(node.real);
      case Kind::text:
        return put("\"" + cbor::escaped(schema_.text(node), cbor::Escape::quoted) + "\"");
      case Kind::bytes:
        return put("'" + cbor::escaped(schema_.text(node), cbor::Escape::quoted) + "'");
      case Kind::name:
      case Kind::parameter:
        return name(node);
      case Kind::range:
        if (sorted_ && closed_range(node)) return;
        return pair(node, node.flag ? "..." : "..");
      case Kind::control:
        parenthesised(node.a);
        put(" ." + schema_.text(node) + " ");
        return parenthesised(node.b, sorted_);
      case Kind::map:
        return bracketed("{", node.a, "}", order_ == nullptr || !(order_->everywhere || order_->maps.contains(id)));
      case Kind::array:
        return bracketed("[", node.a, "]");
      case Kind::unwrap:
        return bracketed("~", node.a, "");
      case Kind::enumeration:
        return bracketed("&(", node.a, ")", true);
      case Kind::tag:
        put("#6" + (node.number == no_limit ? std::string() : "." + std::to_string(node.number)));
        return bracketed("(", node.a, ")");
      case Kind::major:
        return major(node);
      case Kind::any:
        return put(sorted_ ? "#" : "any");  // the text may have a type of that name
      case Kind::choice:
        return list(node, " / ");
      case Kind::group:
        return list(node, " // ");
      case Kind::sequence:
        return list(node, ", ");
      case Kind::entry:
        return entry(node);
    }
  }

  const Schema& schema_;
  std::size_t most_;
  bool sorted_;
  bool in_map_;  // the parts of a group may stand in any order
  const GroupOrder* order_;
  bool whole_ = false;  // the next group is all of a map or an array
  std::string out_;
  bool full_ = false;
};

}  // namespace

std::string describe(const Schema& schema, NodeId node, std::size_t most) {
  return Writer(schema, most, false).run(node);
}

std::string canonical(const Schema& schema, NodeId node) { return Writer(schema, SIZE_MAX, true).run(node); }

std::string canonical(const Schema& schema, const Rule& rule, const GroupOrder& order) {
  const bool any_order = !order.everywhere && !order.rules[static_cast<std::size_t>(&rule - schema.rules().data())];
  return Writer(schema, SIZE_MAX, true, any_order, &order).run(rule.body);
}

}  // namespace backplane::host::cddl
