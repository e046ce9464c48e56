// SPDX-License-Identifier: Apache-2.0
//
// Types whose names clash in the interface text. Each line with `expect:` is a pattern that one error must fit.
#include <backplane/sdk.hpp>

// A pattern stands in one line.
// clang-format off

namespace one {
struct Point {
  int x = 0;
};
BOOST_DESCRIBE_STRUCT(Point, (), (x))
struct time {};
BOOST_DESCRIBE_STRUCT(time, (), ())
struct CallMeRequest {};
BOOST_DESCRIBE_STRUCT(CallMeRequest, (), ())
struct PointList {};
BOOST_DESCRIBE_STRUCT(PointList, (), ())
template <class T>
struct Page {};
using IntPage = Page<int>;
BOOST_DESCRIBE_STRUCT(IntPage, (), ())
}  // namespace one
namespace two {
struct Point {
  int y = 0;
};
BOOST_DESCRIBE_STRUCT(Point, (), (y))
struct Other {
  int z = 0;
};
BOOST_DESCRIBE_STRUCT(Other, (), (z))
BACKPLANE_TYPE_NAME(Other, "OtherPoint")
}  // namespace two

template <class A, class B>
A handle(const B&) {
  return {};
}

template <class A, class B>
constexpr auto text = backplane::detail::text_constant<
    typename backplane::detail::Module<backplane::Stateless, "call", "1", backplane::handler<"call.me", handle<A, B>>>::Cddl>();

constexpr auto twice = text<one::Point, two::Point>;        // expect: have one name.*one_name, .*one::Point.*two::Point
constexpr auto reserved = text<one::time, one::Point>;      // expect: CDDL or the SDK itself uses.*one::time
constexpr auto wire = text<one::Point, one::CallMeRequest>;  // expect: other languages make of a wire name.*one::CallMeRequest
constexpr auto page = text<one::IntPage, one::Point>;       // expect: instance of a template does not have.*one::Page<int>
using Nested = std::vector<std::vector<one::Point>>;
constexpr auto list = text<Nested, one::PointList>;  // expect: have one name.*one_name, .*one::PointList
constexpr auto fine = text<one::Point, two::Other>;

constexpr auto strange = text<int, struct Unknown*>;  // expect: has no wire form.*Unknown
constexpr auto generic = backplane::handler<"call.it", [](const auto&) { return 1; }>;  // expect: a lambda as a handler captures nothing
constexpr auto options = backplane::handler<"call.it", handle<int, int>, "a", "b">;     // expect: an entry takes one doc
using Options = backplane::detail::Options<"a", "b">;
static_assert(Options::doc() == "b");
constexpr auto good = backplane::fails<5>;
constexpr auto bad = backplane::fails<0>;  // expect: the status is no error
BACKPLANE_TYPE_NAME(two::Point, "TwoPoint")  // expect: belongs into the namespace of the type
