// SPDX-License-Identifier: Apache-2.0
//
// Random items that often fit a type. Whoever uses them must ask the validator whether they do.
#pragma once

#include <backplane/cbor/writer.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "cddl/model.hpp"

namespace sample {

class ValueMaker {
 public:
  ValueMaker(const backplane::host::cddl::Schema& schema, std::mt19937& random) : schema_(schema), random_(random) {}

  backplane::cbor::Bytes of(const std::string& rule) { return item(schema_.find(rule)->body, 0); }

 private:
  using Bytes = backplane::cbor::Bytes;
  using Kind = backplane::host::cddl::Kind;
  using Node = backplane::host::cddl::Node;
  using NodeId = backplane::host::cddl::NodeId;

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  static void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

  template <class Write>
  static Bytes written(Write write) {
    Bytes out;
    backplane::cbor::Writer writer(out);
    write(writer);
    return out;
  }

  Bytes number() {
    static const std::vector<double> reals = {-1.5, 0.5, 1.0, 1.5, 2.0, 2.25, 2.5, 3.5, 1.1, 1e300};
    if (below(3) != 0) return written([&](auto& out) { out.integer(static_cast<std::int64_t>(below(9)) - 2); });
    return written([&](auto& out) { out.real(reals[below(10)]); });
  }
  Bytes text() {
    static const std::string texts[] = {"", "a", "b", "c", "ab", "abc"};
    return written([&](auto& out) { out.text(texts[below(6)]); });
  }
  Bytes simple() {
    return written([&](auto& out) {
      const unsigned which = below(4);
      if (which == 3) return out.undefined();
      return which == 2 ? out.null() : out.boolean(which == 1);
    });
  }
  Bytes bytes() {
    return written([&](auto& out) {
      Bytes content;
      for (unsigned i = below(3); i > 0; --i) content.push_back(static_cast<std::uint8_t>(below(4)));
      out.bytes(content);
    });
  }
  Bytes anything() {
    switch (below(6)) {
      case 0:
        return text();
      case 1:
        return simple();
      case 2:
        return {0xa0};
      case 3:
        return {0x81, static_cast<std::uint8_t>(below(3))};
      case 4:
        return bytes();
      default:
        return number();
    }
  }

  Bytes major(const Node& node) {
    switch (node.number) {
      case 0:
      case 1:
        return number();
      case 2:
        return bytes();
      case 3:
        return text();
      case 4:
        return below(2) == 0 ? Bytes{0x80} : Bytes{0x81, 0x01};
      case 5:
        return {0xa0};
      default:
        break;
    }
    if (node.max >= 25 && node.max <= 27) return number();
    return simple();
  }

  Bytes literal(const Node& node) {
    return written([&](auto& out) {
      if (node.kind == Kind::text) return out.text(schema_.text(node));
      if (node.kind == Kind::real) return out.real(node.real);
      return node.flag ? out.negint(node.number) : out.uint(node.number);
    });
  }

  Bytes item(NodeId id, unsigned depth) {
    if (depth > 12 || ++items_ > most_items || below(40) == 0) return anything();
    id = schema_.inside_parentheses(id);
    const Node& node = schema_.node(id);
    const auto children = schema_.children(node);
    switch (node.kind) {
      case Kind::integer:
      case Kind::real:
      case Kind::text:
        return literal(node);
      case Kind::name:
        return item(schema_.rules()[node.number].body, depth + 1);
      case Kind::choice:
        return item(children[below(static_cast<unsigned>(children.size()))], depth + 1);
      case Kind::control:
        if (schema_.text(node) == "cbor") {
          const Bytes content = item(node.b, depth + 1);
          return written([&](auto& out) { out.bytes(content); });
        }
        return item(below(6) == 0 ? node.b : node.a, depth + 1);
        return {static_cast<std::uint8_t>(below(4))};
      case Kind::range:
        return number();
      case Kind::major:
        return major(node);
      case Kind::enumeration:
      case Kind::tag: {
        Bytes out = written([&](auto& writer) { writer.tag(node.number == UINT64_MAX ? below(3) : node.number); });
        append(out, item(node.a, depth + 1));
        return out;
      }
      case Kind::map:
      case Kind::array:
        return structure(node, depth);
      default:
        return anything();
    }
  }

  Bytes structure(const Node& node, unsigned depth) {
    const bool map = node.kind == Kind::map;
    Bytes content;
    std::size_t count = 0;
    group(node.a, depth, content, count, map);
    if (below(6) == 0) {  // something unknown
      if (map) append(content, below(3) == 0 ? anything() : text());
      append(content, anything());
      ++count;
    }
    Bytes out = written([&](auto& writer) { map ? writer.map(count) : writer.array(count); });
    append(out, content);
    return out;
  }

  void group(NodeId id, unsigned depth, Bytes& out, std::size_t& count, bool map) {
    const Node& node = schema_.node(schema_.inside_parentheses(id));
    if (depth > 12 || items_ > most_items) return;
    const auto children = schema_.children(node);
    if (node.kind == Kind::name) return group(schema_.rules()[node.number].body, depth + 1, out, count, map);
    if (node.kind != Kind::group) return;
    const Node& sequence = schema_.node(children[below(static_cast<unsigned>(children.size()))]);
    for (const NodeId each : schema_.children(sequence)) entry(schema_.node(each), depth, out, count, map);
  }

  void entry(const Node& node, unsigned depth, Bytes& out, std::size_t& count, bool map) {
    std::uint64_t times = node.number + below(3);
    if (below(20) != 0) times = std::min(times, node.max);
    const Node* value = &schema_.node(schema_.inside_parentheses(node.b));
    if (value->kind == Kind::name) value = &schema_.node(schema_.rules()[value->number].body);
    for (; times > 0; --times) {
      if (node.a == UINT32_MAX && value->kind == Kind::group) {
        group(node.b, depth + 1, out, count, map);
        continue;
      }
      if (map) append(out, node.a == UINT32_MAX ? text() : item(node.a, depth + 1));
      append(out, item(node.b, depth + 1));
      ++count;
    }
  }

  const backplane::host::cddl::Schema& schema_;
  std::mt19937& random_;
  unsigned items_ = 0;  // types that refer to themselves would take very long
  static constexpr unsigned most_items = 300;
};

}  // namespace sample
