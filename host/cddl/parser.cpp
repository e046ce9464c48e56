// SPDX-License-Identifier: Apache-2.0
//
// Parses CDDL by recursive descent. A parenthesis may begin a type or a group; it is read as a group, and taken as a
// type where it has only one. So the parser never goes back over a bracket, and takes linear time.
#include "cddl/parser.hpp"

#include <algorithm>
#include <backplane/cbor/utf8.hpp>
#include <utility>

#include "cddl/language.hpp"
#include "cddl/schema_builder.hpp"

namespace backplane::host::cddl {
namespace {

constexpr std::size_t most_parameters = 16;

bool is_literal(Kind kind) { return kind <= Kind::bytes; }

}  // namespace

class Parser {
 public:
  Schema run(std::string_view text) {
    check_utf8(text);
    read_rules(prelude, true);
    out_.resolve();
    read_rules(text, false);
    out_.resolve();
    return out_.finish();
  }

 private:
  static void check_utf8(std::string_view text) {
    if (cbor::valid_utf8(text)) return;
    Place place;
    for (std::size_t end = 0; (end = text.find('\n')) != text.npos && cbor::valid_utf8(text.substr(0, end));) {
      text.remove_prefix(end + 1);
      ++place.line;
    }
    throw ParseError(place, "the line is not UTF-8; save the text as UTF-8");
  }

  void read_rules(std::string_view text, bool standard) {
    in_ = Scanner(text);
    standard_ = standard;
    for (in_.space(); !in_.at_end(); in_.space()) read_rule();
  }

  void read_rule() {
    Rule rule;
    rule.place = in_.place();
    rule.standard = standard_;
    rule.name = in_.id(true);
    if (in_.take("<")) {
      do {
        in_.space();
        rule.parameters.emplace_back(in_.id());
        if (rule.parameters.size() > most_parameters) in_.fail("found too many parameters, expected at most 16");
        in_.space();
      } while (in_.take(","));
      in_.expect(">", "\",\" or \">\" behind a parameter");
    }
    in_.space();
    const bool more_groups = in_.take("//=");
    const bool more_types = !more_groups && in_.take("/=");
    if (!more_groups && !more_types) in_.expect("=", ("\"=\", \"/=\" or \"//=\" behind the name " + rule.name).c_str());
    in_.space();
    parameters_ = rule.parameters;
    const NodeId body = rule_body();
    parameters_.clear();
    rule.comment = in_.comment_behind();
    out_.add_rule(std::move(rule), more_types || more_groups, more_groups, body);
  }

  // A rule is one entry of a group: often only a type.
  NodeId rule_body() {
    const NodeId entry = read_entry();
    const Node& node = out_.node(entry);
    if (node.a == no_node && node.number == 1 && node.max == 1) return node.b;
    return out_.new_list(Kind::group, {out_.new_list(Kind::sequence, {entry}, node.place)}, node.place);
  }

  // A group in parentheses must have one type alone where a type is expected.
  NodeId as_type(NodeId id) {
    id = out_.inside_parentheses(id);
    if (out_.node(id).kind == Kind::group) {
      throw ParseError(out_.node(id).place,
                       "found a group in parentheses, expected a type; write {…} for a map, or […] for an array");
    }
    return id;
  }

  // One level of brackets, as long as it lives.
  class Nesting {
   public:
    explicit Nesting(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > most_nesting) {
        parser_.in_.fail("nested deeper than " + std::to_string(most_nesting) +
                         " levels; give an inner type a rule of its own");
      }
    }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --parser_.nesting_; }

   private:
    Parser& parser_;
  };

  // ---- Groups ----

  NodeId read_group(char closing) {
    const Nesting nesting(*this);
    const Place place = in_.place();
    std::vector<NodeId> sequences;
    do {
      const Place begin = in_.place();
      std::vector<NodeId> entries;
      for (in_.space(); in_.peek() != closing && !in_.ahead("//"); in_.space()) {
        if (in_.at_end() || in_.ahead(")") || in_.ahead("]") || in_.ahead("}")) unexpected_end(closing);
        entries.push_back(read_entry());
        if (const auto comment = in_.comment_behind(); !comment.empty()) {
          out_.node(entries.back()).text = out_.add_text(comment);
        }
        in_.space();
        in_.take(",");
      }
      sequences.push_back(out_.new_list(Kind::sequence, entries, begin));
    } while (in_.take("//"));
    in_.take({&closing, 1});
    return out_.new_list(Kind::group, sequences, place);
  }

  [[noreturn]] void unexpected_end(char closing) const {
    in_.unexpected(std::string("a type, a member or \"") + closing + "\"");
  }

  NodeId read_entry() {
    Node entry{.kind = Kind::entry, .place = in_.place(), .number = 1, .max = 1};
    read_occurrence(entry);
    if (read_bareword(entry)) {
      entry.b = read_type();
      return out_.add(entry);
    }
    const NodeId first = read_type1();
    const Scanner::Mark behind = in_.mark();  // a comment may follow
    in_.space();
    const bool cut = in_.take("^");
    in_.space();
    if (in_.take("=>")) {
      entry.flag = cut;
    } else if (!cut && is_literal(out_.node(first).kind) && in_.take(":")) {
      entry.flag = true;
    } else {
      if (cut) in_.unexpected("\"=>\" behind \"^\"");
      in_.back_to(behind);
      entry.b = read_choice(first);
      return out_.add(entry);
    }
    entry.a = as_type(first);
    in_.space();
    entry.b = read_type();
    return out_.add(entry);
  }

  void read_occurrence(Node& entry) {
    if (in_.take("?")) {
      entry.number = 0;
    } else if (in_.take("+")) {
      entry.max = no_limit;
    } else {
      const Scanner::Mark begin = in_.mark();
      const bool bounded = in_.number_ahead() && in_.peek() != '-';
      const std::uint64_t least = bounded ? in_.uint() : 0;
      if (!in_.take("*")) return in_.back_to(begin);
      entry.number = least;
      entry.max = in_.number_ahead() && in_.peek() != '-' ? in_.uint() : no_limit;
      // `2*3: int` would be a key behind an occurrence; `*3: int` is read so, too, as RFC 8610 does.
      if (entry.max < entry.number) in_.fail("found an occurrence whose upper bound is below its lower bound");
    }
    in_.space();
  }

  // A name and a colon.
  bool read_bareword(Node& entry) {
    const Scanner::Mark begin = in_.mark();
    if (!in_.id_ahead() || in_.bytes_ahead()) return false;
    const Place place = in_.place();
    const std::string_view name = in_.id();
    in_.space();
    if (!in_.take(":")) {
      in_.back_to(begin);
      return false;
    }
    entry.flag = true;
    entry.a = out_.new_text(Kind::text, name, place);
    in_.space();
    return true;
  }

  // ---- Types ----

  NodeId read_type() { return read_choice(read_type1()); }

  // The rest of a choice that begins with `first`. A group in parentheses may stand alone.
  NodeId read_choice(NodeId first) {
    std::vector<NodeId> types;
    for (;;) {
      const Scanner::Mark behind = in_.mark();
      in_.space();
      if (in_.ahead("//") || in_.ahead("/=") || !in_.take("/")) {
        in_.back_to(behind);
        break;
      }
      if (types.empty()) types.push_back(as_type(first));
      in_.space();
      types.push_back(as_type(read_type1()));
    }
    return types.empty() ? first : out_.new_list(Kind::choice, types, out_.node(types.front()).place);
  }

  NodeId read_type1() {
    const NodeId left = read_type2();
    const Scanner::Mark behind = in_.mark();
    in_.space();
    Node node{.place = out_.node(left).place, .a = left};
    if (in_.take("...")) {
      node.kind = Kind::range;
      node.flag = true;
    } else if (in_.take("..")) {
      node.kind = Kind::range;
    } else if (in_.take(".")) {
      read_control(node);
    } else {
      in_.back_to(behind);
      return left;
    }
    in_.space();
    node.a = as_type(left);
    node.b = as_type(read_type2());
    if (node.kind == Kind::range) check_range(node);
    return out_.add(node);
  }

  void read_control(Node& node) {
    const std::string_view name = in_.id();
    const auto* const found =
        std::find_if(controls.begin(), controls.end(), [&](const auto& each) { return each.first == name; });
    if (found == controls.end()) {
      std::string known;
      for (const auto& each : controls) known += (known.empty() ? "." : ", .") + std::string(each.first);
      in_.fail("the control operator " + quoted("." + std::string(name)) + " is not supported; expected one of " +
               known);
    }
    node.kind = Kind::control;
    node.control = found->second;
    node.text = out_.add_text(name);
    if (node.control == Control::unchecked) {
      out_.warn(in_.place().words() + ": ." + std::string(name) + " is not checked by this host");
    }
  }

  void check_range(const Node& node) {
    const Kind from = out_.node(node.a).kind;
    const Kind to = out_.node(node.b).kind;
    const auto fits = [](Kind kind) { return kind == Kind::integer || kind == Kind::real; };
    const auto later = [](Kind kind) { return kind == Kind::name || kind == Kind::parameter; };
    if ((fits(from) || later(from)) && (fits(to) || later(to)) && (later(from) || later(to) || from == to)) return;
    throw ParseError(node.place, "found a range of other things, expected two integers or two reals, such as 0..255");
  }

  NodeId read_type2() {
    const Place place = in_.place();
    if (in_.number_ahead()) return read_number(place);
    if (in_.peek() == '"') return out_.new_text(Kind::text, in_.text(), place);
    if (in_.bytes_ahead()) return out_.new_text(Kind::bytes, in_.bytes(), place);
    if (in_.take("(")) return read_group(')');
    if (in_.take("{")) return out_.add({.kind = Kind::map, .place = place, .a = read_group('}')});
    if (in_.take("[")) return out_.add({.kind = Kind::array, .place = place, .a = read_group(']')});
    if (in_.take("#")) return read_major(place);
    if (in_.take("~")) {
      in_.space();
      return out_.add({.kind = Kind::unwrap, .place = place, .a = read_name()});
    }
    if (in_.take("&")) {
      in_.space();
      const NodeId group = in_.take("(") ? read_group(')') : read_name();
      return out_.add({.kind = Kind::enumeration, .place = place, .a = group});
    }
    if (!in_.id_ahead()) in_.unexpected("a type");
    return read_name();
  }

  NodeId read_number(Place place) {
    const Number number = in_.number();
    Node node{.kind = number.is_real ? Kind::real : Kind::integer, .flag = number.negative, .place = place};
    node.number = number.value;
    if (number.is_real) node.real = number.real;
    return out_.add(node);
  }

  NodeId read_name() {
    const Place place = in_.place();
    const std::string_view name = in_.id();
    const auto parameter = std::find(parameters_.begin(), parameters_.end(), name);
    if (parameter != parameters_.end()) {
      const NodeId id = out_.new_text(Kind::parameter, name, place);
      out_.node(id).number = static_cast<std::uint64_t>(parameter - parameters_.begin());
      return id;
    }
    std::vector<NodeId> arguments;
    if (in_.take("<")) {
      const Nesting nesting(*this);
      do {
        in_.space();
        arguments.push_back(read_type());
        in_.space();
      } while (in_.take(","));
      in_.expect(">", "\",\" or \">\" behind an argument");
    }
    return out_.new_name(name, arguments, place);
  }

  // Behind a "#".
  NodeId read_major(Place place) {
    const char digit = in_.peek();
    if (digit < '0' || digit > '9') return out_.add({.kind = Kind::any, .place = place});
    if (digit > '7') in_.unexpected("a major type from 0 to 7");
    in_.take({&digit, 1});
    const bool is_tag = digit == '6';
    std::uint64_t argument = no_limit;
    if (in_.take(".")) {
      if (in_.peek() == '<')
        in_.fail("tag numbers that are types, as in #6.<…>, are not supported; write the number, as in #6.32(tstr)");
      argument = in_.uint();
    }
    if (!is_tag) {
      return out_.add(
          {.kind = Kind::major, .place = place, .number = static_cast<std::uint64_t>(digit - '0'), .max = argument});
    }
    NodeId content = no_node;
    if (in_.take("(")) {
      const Nesting nesting(*this);
      in_.space();
      content = as_type(read_type());
      in_.space();
      in_.expect(")", "\")\" behind the type in a tag");
    } else {
      content = out_.add({.kind = Kind::any, .place = place});
    }
    return out_.add({.kind = Kind::tag, .place = place, .a = content, .number = argument});
  }

  Scanner in_{{}};
  bool standard_ = false;
  std::size_t nesting_ = 0;
  std::vector<std::string> parameters_;  // of the rule that is read
  SchemaBuilder out_;
};

Schema parse(std::string_view text) { return Parser().run(text); }

}  // namespace backplane::host::cddl
