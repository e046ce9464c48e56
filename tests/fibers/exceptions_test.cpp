// SPDX-License-Identifier: Apache-2.0
//
// Exceptions of C++, which the rows in C have no words for.
#include "host_fixture.hpp"

using namespace fiber_test;

TEST_CASE("a fiber that switches inside a catch block keeps the exception it handles") {
  HostFixture().ok("switch_in_catch", {}, only_cpp);
}

TEST_CASE("a destructor that runs because of an exception may switch, and nobody mistakes that for its own") {
  HostFixture().ok("switch_in_destructor", {}, only_cpp);
}

TEST_CASE("a destructor that runs because of an exception may destroy fibers") {
  HostFixture().ok("destroy_in_destructor", {}, only_cpp);
}

TEST_CASE("a fiber that is destroyed runs its destructors in order") {
  HostFixture().ok("destructors_in_order", {}, only_cpp);
}

TEST_CASE("exceptions nested in several fibers stay with each") { HostFixture().ok("nested_exceptions", {}, only_cpp); }

TEST_CASE("what a fiber throws is rethrown in main with its own type") { HostFixture().ok("types_kept", {}, only_cpp); }

TEST_CASE("what a fiber's callable holds is freed once, whether it ran or not") {
  HostFixture().ok("closures_freed", {}, only_cpp);
}

TEST_CASE("a handle destroys its fiber at its end, moves, and lets go when told to") {
  HostFixture().ok("handles", {}, only_cpp);
}

TEST_CASE("a fiber that waits inside a catch block keeps its exception, whatever other requests throw meanwhile") {
  const HostFixture fixture;
  std::vector<Replies> replies(20);
  for (std::size_t i = 0; i < replies.size(); ++i) {
    REQUIRE(fixture.context.submit("fiber_cpp.wait_in_catch", replies[i], std::to_string(i + 1)) == BP_OK);
  }
  for (Replies& each : replies) CHECK(each.wait() == Seen{"ok:ok"});
  CHECK(fixture.count("alive") == 0);
}
