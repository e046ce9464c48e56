// SPDX-License-Identifier: Apache-2.0
//
// Create, switch, destroy: what each does, and what it refuses.
#include "host_fixture.hpp"

using namespace fiber_test;

TEST_CASE("a run has one environment at a time, and a second one is an error") { HostFixture().ok("open_twice"); }

TEST_CASE("a fiber without entry, without out pointer or with an impossible stack is not made") {
  HostFixture().ok("create_refused");
}

TEST_CASE("a fiber that is made gets the next id and does not run before the first switch to it") {
  HostFixture().ok("create_waits");
}

TEST_CASE("switching to oneself does nothing, also from main to main") { HostFixture().ok("switch_to_self"); }

TEST_CASE("a switch to a missing, destroyed or finished fiber finds nobody and changes nothing") {
  HostFixture().ok("switch_to_gone");
}

TEST_CASE("who is active is right on both sides of a switch") { HostFixture().ok("active_on_both_sides"); }

TEST_CASE("ids grow and are not used again, also not in the next environment of the run") {
  HostFixture().ok("ids_never_reused");
}

TEST_CASE("a fiber cannot destroy itself") { HostFixture().ok("destroy_self"); }

TEST_CASE("main cannot be destroyed, by nobody") { HostFixture().ok("destroy_main"); }

TEST_CASE("destroying a missing, destroyed or finished fiber is fine") { HostFixture().ok("destroy_gone"); }

TEST_CASE("the entry of a fiber that is destroyed before it started never runs") {
  HostFixture().ok("destroy_unstarted");
}

TEST_CASE("destroying a suspended fiber unwinds it at once, before destroy returns") {
  HostFixture().ok("destroy_suspended");
}

TEST_CASE("a fiber that is being destroyed is canceled again whenever it switches, creates or waits") {
  HostFixture().ok("canceled_again");
}

TEST_CASE("a swallowed cancellation counts as one, is counted and logged, and resumes nobody but the destroyer") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    bp_log_level(BP_LOG_WARN);
    const Log log;
    const std::uint64_t before = fixture.count("swallowed");
    CHECK(fixture.context.call(module + ".swallowed") == "ok:ok");
    CHECK(fixture.count("swallowed") == before + 4);
    CHECK(fixture.count("alive") == 0);
    CHECK(eventually([&] { return log.lines_with({module, "swallowed"}) > 0; }));
    CHECK(log.lines_with({module + "."}) > 0);
    const std::string other = module == "fiber_c" ? "fiber_cpp" : "fiber_c";
    CHECK(log.lines_with({other + "."}) == 0);
  }
}

TEST_CASE("a fiber that waits in a destroy cannot be destroyed") { HostFixture().ok("destroy_the_destroyer"); }

TEST_CASE("a fiber that is being destroyed may destroy others, which may destroy others") {
  HostFixture().ok("destroyed_destroys");
}

TEST_CASE("main's switch says that an entry returned, and which") { HostFixture().ok("entry_returned"); }

TEST_CASE("main's switch returns the error a fiber ended with, and destroying that fiber is fine") {
  HostFixture().ok("entry_failed");
}

TEST_CASE("the end of a fiber resumes main, whoever switched to it, and the others stay suspended") {
  HostFixture().ok("end_reaches_main");
}

TEST_CASE("closing unwinds what is suspended, the newest first, and only main may") {
  HostFixture().ok("close_unwinds");
}
