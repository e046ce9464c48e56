// SPDX-License-Identifier: Apache-2.0
//
// A module with every form of the interface text, for the tools that read it.
#include <backplane/sdk.hpp>

namespace forms {

using backplane::Bytes;
using backplane::Call;
using backplane::Cbor;

enum class Colour { red, green, class_ };
BOOST_DESCRIBE_ENUM(Colour, red, green, class_)
BACKPLANE_DOCS(Colour, "what it looks like", (red, "as fire"), (class_, "as others"))

struct Point {
  double x = 0;
  double y = 0;
};
BOOST_DESCRIBE_STRUCT(Point, (), (x, y))
BACKPLANE_DOCS(Point, "a place; in metres", (x, "to the \"right\""))

struct Tree {
  std::string name;
  std::vector<Tree> children;
  std::unique_ptr<Tree> next;
  std::map<std::string, Tree> named;
};
BOOST_DESCRIBE_STRUCT(Tree, (), (name, children, next, named))

template <class T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> next;
};
using PointPage = Page<Point>;
BOOST_DESCRIBE_STRUCT(PointPage, (), (items, next))
BACKPLANE_TYPE_NAME(PointPage, "PointPage")

using Shape = backplane::Tagged<backplane::As<"circle", Point>, backplane::As<"square", Point>>;
using UserId = std::variant<std::string, std::uint64_t>;

struct Scalars {
  bool flag = false;
  std::int8_t i8 = 0;
  std::uint8_t u8 = 0;
  std::int16_t i16 = 0;
  std::uint16_t u16 = 0;
  std::int32_t i32 = 0;
  std::uint32_t u32 = 0;
  std::int64_t i64 = 0;
  std::uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  std::string text;
  Bytes bytes;
  std::array<std::byte, 16> id{};
  std::chrono::milliseconds wait{};
  std::filesystem::path path;
  Cbor any;
  std::monostate nothing;
  int class_ = 0;
};
BOOST_DESCRIBE_STRUCT(Scalars, (),
                      (flag, i8, u8, i16, u16, i32, u32, i64, u64, f32, f64, text, bytes, id, wait, path, any, nothing,
                       class_))

struct Composed {
  std::vector<std::string> list;
  std::set<std::int32_t> set;
  std::deque<Point> deque;
  std::array<double, 3> three{};
  std::map<std::string, Colour> words;
  std::unordered_map<std::string, std::vector<Point>> lists;
  std::map<std::int32_t, std::string> numbers;
  std::map<std::uint64_t, Point> points;
  std::pair<std::string, std::int64_t> pair;
  std::tuple<std::int32_t, std::string, Point> tuple;
  std::vector<std::vector<double>> matrix;
  std::vector<std::optional<std::string>> holes;
  std::vector<std::map<std::string, bool>> maps;
  UserId user;
  std::vector<UserId> users;
  std::optional<std::vector<std::string>> maybe;
  std::variant<std::monostate, std::vector<std::string>, std::map<std::string, Point>> choice;
  Shape shape;
};
BOOST_DESCRIBE_STRUCT(Composed, (),
                      (list, set, deque, three, words, lists, numbers, points, pair, tuple, matrix, holes, maps, user,
                       users, maybe, choice, shape))

struct Defaults {
  std::string name = "timer \"x\"";
  std::int32_t count = -5;
  double factor = 1.5;
  bool loud = true;
  Colour colour = Colour::green;
  std::optional<std::uint8_t> limit = 7;
  std::string required;
};
BOOST_DESCRIBE_STRUCT(Defaults, (), (name, count, factor, loud, colour, limit, required))
BACKPLANE_DEFAULTS(Defaults, name, count, factor, loud, colour)

struct Config {
  std::string prefix = "p";
  Defaults defaults;
  std::vector<Point> places;
};
BOOST_DESCRIBE_STRUCT(Config, (), (prefix, defaults, places))

constexpr auto too_far = backplane::fails<1001, Point, "the place is outside of the map">;
constexpr auto changed = backplane::event<"forms.changed", Tree, "something has changed">;
constexpr auto lookup =
    backplane::calls<"other.lookup", void, PointPage, "finds a page", backplane::fails<1003>, backplane::strict>;

class Forms {
 public:
  Scalars scalars(const Scalars&) { return {}; }
  Composed composed(backplane::Stream<Point>& call, const Composed&, backplane::Input<Tree>&) {
    static_cast<void>(call.call(lookup));
    return {};
  }
  Defaults defaults(const Defaults& in) {
    if (in.count > 100) throw too_far("count: is above 100", Point{1, 2});
    return in;
  }
  void nothing() {}
  std::vector<std::vector<Tree>> lists(const std::map<std::string, std::optional<std::int32_t>>&) { return {}; }
  backplane::View raw(backplane::View in) { return in; }
};

}  // namespace forms

BACKPLANE_MODULE(
    forms::Forms, "forms", "1.0.0", backplane::configuration<forms::Config, "how it behaves">,
    backplane::constant<"most", 600, "the most that fits">, backplane::constant<"lowest", -3>,
    backplane::constant<"greeting", "say \"hello\"">, backplane::constant<"on", true>,
    backplane::handler<"forms.scalars", &forms::Forms::scalars, "gives scalars back">,
    backplane::handler<"forms.composed", &forms::Forms::composed, backplane::StackSize{1 << 20},
                       "all that is composed">,
    backplane::handler<"forms.defaults", &forms::Forms::defaults, forms::too_far, "members that may be absent",
                       backplane::fails<BP_INVALID_ARGUMENT>>,
    backplane::blocking<"forms.nothing", &forms::Forms::nothing, "does nothing\nat all">,
    backplane::concurrent<"forms.lists", &forms::Forms::lists>,
    backplane::raw<"forms.raw", &forms::Forms::raw, "bytes">,
    backplane::static_handler<"forms.double",
                              [](const forms::Point& in) {
                                return forms::Point{in.x * 2, in.y * 2};
                              }>,
    backplane::offers<"forms.tree", [](const forms::PointPage&) { return forms::Tree(); }, "a tree of places">,
    forms::changed, forms::lookup, backplane::listens<"timer.fired", forms::Point, "when to look again">);
