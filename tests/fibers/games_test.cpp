// SPDX-License-Identifier: Apache-2.0
//
// Short programs whose results are known.
#include "host_fixture.hpp"

using namespace fiber_test;

TEST_CASE("two fibers that take turns: a loop counts to four before it is stopped") {
  HostFixture().ok("game_two_loops");
}

TEST_CASE("a fiber and main that take turns: a loop counts to four before it is stopped") {
  HostFixture().ok("game_loop_and_main");
}

TEST_CASE("there and back through three fibers runs each entry once, and destroying all three is fine") {
  HostFixture().ok("game_there_and_back");
}

TEST_CASE("three fibers log 1 2 3 4 7 5 6, two are destroyed and one stays suspended at the end") {
  HostFixture().ok("game_log");
}

TEST_CASE("a destroys itself in vain, main is refused, and after its destroy a is not found") {
  HostFixture().ok("game_destroys");
}

TEST_CASE("ping and pong switch a thousand times each way and keep their locals") {
  HostFixture().ok("game_ping_pong");
}

TEST_CASE("two fibers in one recursive function keep their own frames") { HostFixture().ok("game_recursion"); }

TEST_CASE("twenty fibers share an entry, and twenty more are destroyed unstarted") { HostFixture().ok("game_twenty"); }

TEST_CASE("the heap and the open file of a suspended fiber are as it left them") {
  HostFixture().ok("game_heap_and_file");
}

TEST_CASE("an error with code 7 that a fiber does not catch comes out of main's switch") {
  HostFixture().ok("game_code_seven");
}
