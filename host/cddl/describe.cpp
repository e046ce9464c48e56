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
  /// `sorted`: what may stand in any order is sorted.
  Writer(const Schema& schema, std::size_t most, bool sorted, bool in_map = false)
      : schema_(schema), most_(most), sorted_(sorted), in_map_(in_map) {}

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

  // What a list is of, with the lists of the same kind inside of it: (a / b) / c is a / b / c.
  void flatten(const Node& node, std::vector<NodeId>& to) const {
    for (const NodeId child : schema_.children(node)) {
      const NodeId inner = node.kind == Kind::choice  ? schema_.inside_parentheses(child)
                           : node.kind == Kind::group ? only_group(child)
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
      Writer each(schema_, most_, true, in_map_);
      texts.push_back(each.run(child));
    }
    std::sort(texts.begin(), texts.end());
    for (std::size_t i = 0; i < texts.size(); ++i) put((i == 0 ? "" : separator) + texts[i]);
  }

  void list(const Node& node, const char* separator) {
    const bool any_order =
        node.kind == Kind::choice || node.kind == Kind::group || (node.kind == Kind::sequence && in_map_);
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

  void parenthesised(NodeId id) {
    const bool choice = schema_.node(id).kind == Kind::choice;
    if (choice) put("(");
    write(id);
    if (choice) put(")");
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
      const bool cut = node.flag || (sorted_ && key.kind <= Kind::bytes);  // `1 => int` and `1: int`
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

  void bracketed(const char* open, NodeId id, const char* close) {
    const bool outer = std::exchange(in_map_, *open == '{' || *open == '&' || (in_map_ && *open == '('));
    put(open);
    write(id);
    put(close);
    in_map_ = outer;
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
    const Node& node = schema_.node(schema_.inside_parentheses(id));
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
        return pair(node, node.flag ? "..." : "..");
      case Kind::control:
        parenthesised(node.a);
        put(" ." + schema_.text(node) + " ");
        return parenthesised(node.b);
      case Kind::map:
        return bracketed("{", node.a, "}");
      case Kind::array:
        return bracketed("[", node.a, "]");
      case Kind::unwrap:
        return bracketed("~", node.a, "");
      case Kind::enumeration:
        return bracketed("&(", node.a, ")");
      case Kind::tag:
        put("#6" + (node.number == no_limit ? std::string() : "." + std::to_string(node.number)));
        return bracketed("(", node.a, ")");
      case Kind::major:
        return major(node);
      case Kind::any:
        return put("any");
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
  bool in_map_;
  std::string out_;
  bool full_ = false;
};

}  // namespace

std::string describe(const Schema& schema, NodeId node, std::size_t most) {
  return Writer(schema, most, false).run(node);
}

std::string canonical(const Schema& schema, NodeId node, bool in_map) {
  return Writer(schema, SIZE_MAX, true, in_map).run(node);
}

}  // namespace backplane::host::cddl
