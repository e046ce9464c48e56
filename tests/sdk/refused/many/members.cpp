// SPDX-License-Identifier: Apache-2.0
//
// Structs and variants that have no wire form. Each line with `expect:` is a pattern that one error must fit.
#include <backplane/sdk.hpp>

// A pattern stands in one line.
// clang-format off

struct Undescribed {
  int n = 0;
};

struct Order {
  int id = 0;
  Undescribed detail;
};
BOOST_DESCRIBE_STRUCT(Order, (), (id, detail))
const backplane::Bytes order = backplane::encode(Order{});  // expect: no wire form.*<Order, &Order::detail>

struct Ring {
  std::shared_ptr<Ring> next;
};
BOOST_DESCRIBE_STRUCT(Ring, (), (next))
const Ring ring = backplane::decode<Ring>({});  // expect: no wire form.*<Ring, &Ring::next>

struct Deep {
  std::vector<std::map<std::string, Undescribed*>> all;
};
BOOST_DESCRIBE_STRUCT(Deep, (), (all))
const backplane::Bytes deep = backplane::encode(Deep{});  // expect: no wire form.*<Deep, &Deep::all>

const backplane::Bytes list = backplane::encode(std::vector<Undescribed>{});  // expect: no wire form.*Undescribed

struct Forgotten {
  int n = 0;
  std::optional<std::string> note;
};
BOOST_DESCRIBE_STRUCT(Forgotten, (), (n))
const backplane::Bytes forgotten = backplane::encode(Forgotten{});  // expect: missing from its BOOST_DESCRIBE_STRUCT.*Forgotten

struct Swapped {
  int n = 0;
  std::string text;
  std::unique_ptr<int> last;
};
BOOST_DESCRIBE_STRUCT(Swapped, (), (text, n))
const backplane::Bytes swapped = backplane::encode(Swapped{});  // expect: missing from its BOOST_DESCRIBE_STRUCT.*Swapped

struct Derived : Order {
  int more = 0;
};
BOOST_DESCRIBE_STRUCT(Derived, (), (more))
const backplane::Bytes derived = backplane::encode(Derived{});  // expect: missing from its BOOST_DESCRIBE_STRUCT.*Derived

struct Documented {
  int n = 0;
};
BOOST_DESCRIBE_STRUCT(Documented, (), (n))
BACKPLANE_DOCS(Documented, "", (m, "no such member"))
const backplane::Bytes documented = backplane::encode(Documented{});  // expect: names a member that the struct does not have.*Documented

struct Circle {
  double size = 0;
  std::optional<int> colour;
};
BOOST_DESCRIBE_STRUCT(Circle, (), (size, colour))
struct Square {
  double size = 0;
};
BOOST_DESCRIBE_STRUCT(Square, (), (size))
using Shape = std::variant<Circle, Square>;
const Shape shape = backplane::decode<Shape>({});  // expect: look alike on the wire.*<Circle, Square>

using Number = std::variant<double, int>;
const Number number = backplane::decode<Number>({});  // expect: look alike on the wire.*<double, int>

using Lists = std::variant<std::vector<int>, std::vector<std::string>>;
const Lists lists = backplane::decode<Lists>({});  // expect: look alike on the wire.*vector<int

// These are told apart, and documented and described in full.
struct Line {
  double from = 0, to = 0;
};
BOOST_DESCRIBE_STRUCT(Line, (), (from, to))
enum class Word { one, two };
BOOST_DESCRIBE_ENUM(Word, one, two)
struct Base {
  std::string b;
};
BOOST_DESCRIBE_STRUCT(Base, (), (b))
struct Whole : Base {
  std::vector<Whole> inside;
  std::variant<std::monostate, bool, int, double, Word, std::string, Line, Square, backplane::Bytes> any_of;
  std::variant<Word, std::string, backplane::Cbor> word;
};
BOOST_DESCRIBE_STRUCT(Whole, (Base), (inside, any_of, word))
const backplane::Bytes whole = backplane::encode(backplane::decode<Whole>({}));
