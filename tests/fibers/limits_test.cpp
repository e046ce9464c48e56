// SPDX-License-Identifier: Apache-2.0
//
// Stacks, numbers, and the places where there are no fibers.
#include "host_fixture.hpp"

using namespace fiber_test;

TEST_CASE("a stack has the size that was asked for, and all of it can be used") { HostFixture().ok("stack_sizes"); }

TEST_CASE("the stacks of fibers that have ended are used again") { HostFixture().ok("stacks_reused"); }

TEST_CASE("a run has ten thousand fibers, all suspended at a time") { HostFixture().ok("ten_thousand"); }

namespace {

std::uint64_t stacks_in_use(const HostFixture& fixture) {
  const StatusCounts books(fixture.context.native);
  for (const auto& stacks : books.status["stacks"].items) {
    if (stacks["size"].number == 64 * 1024) return stacks["used"].number;
  }
  return 0;
}

}  // namespace

TEST_CASE("a fiber takes its stack at the first switch to it, not when it is made") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Application application(fixture.context);
    Replies replies;
    REQUIRE(fixture.context.submit(module + ".takes_stacks", replies) == BP_OK);
    REQUIRE(application.wait_called(1));
    CHECK(fixture.count("alive") == 10);
    CHECK(stacks_in_use(fixture) == 0);
    application.answer();
    REQUIRE(application.wait_called(2));
    CHECK(stacks_in_use(fixture) == 10);
    application.answer();
    REQUIRE(application.wait_called(3));
    CHECK(stacks_in_use(fixture) == 0);
    application.answer();
    CHECK(replies.wait() == Seen{"ok:ok"});
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which take address space as they like
TEST_CASE("a switch to a fiber for which no stack can be had fails, and works when there is memory again") {
  HostFixture().ok("no_stack");
}
#endif

TEST_CASE("the stacks of a burst are given back to the system, and the status says how deep they were used") {
  const HostFixture fixture;
  const auto stacks = [&fixture] {
    const StatusCounts books(fixture.context.native);
    for (const auto& stacks_of_size : books.status["stacks"].items) {
      if (stacks_of_size["size"].number == 64 * 1024) return stacks_of_size;
    }
    throw std::runtime_error("the status says nothing of stacks of 64 KiB");
  };
  fixture.ok("ten_thousand", {}, only_c);
  const std::uint64_t most_kept = 3 * 64;  // those kept for the next burst lie in so many chunks at most
  CHECK(eventually([&] { return stacks()["mapped"].number <= most_kept; }));
  CHECK(stacks()["used"].number == 0);
  CHECK(stacks()["resident"].number <= most_kept * 64 * 1024);
  CHECK(stacks()["high_water"].number >= 4'096);
  CHECK(stacks()["high_water"].number <= 64 * 1024);
}

TEST_CASE("a run has as many fibers at a time as the application allows") {
  const HostFixture fixture(5);
  fixture.ok("limit", "5");
  fixture.ok("limit", "5");
}

TEST_CASE("where the application has switched fibers off the handler still runs") {
  const HostFixture fixture(-1);
  fixture.ok("switched_off");
  for (const std::string& module : both) CHECK(fixture.context.call(module + ".echo", "plain") == "ok:plain");
  CHECK(fixture.count("created") == 0);
}

TEST_CASE("fibers made are counted") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    const std::uint64_t before = fixture.count("created");
    CHECK(fixture.context.call(module + ".game_twenty") == "ok:ok");
    CHECK(fixture.count("created") == before + 40);
  }
}

TEST_CASE("a blocking handler has no fibers") {
  const HostFixture fixture;
  for (const std::string& module : both) CHECK(fixture.context.call(module + ".blocking") == "ok:ok");
}

TEST_CASE("a static handler has no fibers, with a context and without") {
  const HostFixture fixture;
  CHECK(fixture.context.call("fiber_c.static") == "ok:ok");
  Result result;
  CHECK(bp_call_sync(bp_host_context(), BP_STR("fiber_c.static"), {nullptr, 0}, 0, &result) == BP_OK);
  CHECK(result.text() == "ok");
}

TEST_CASE("a host function has no fibers and may not wait, and disturbs none") {
  HostFixture().ok("in_function", {}, only_c);
}

TEST_CASE("a host function has no fibers with its caller's token either, nor may it wait with that") {
  HostFixture().ok("callers_token", {}, only_c);
}

TEST_CASE("the token of another run, no token and a wrong token give no fibers") {
  HostFixture().ok("foreign_token", {}, only_c);
}

TEST_CASE("another thread has no fibers") { HostFixture().ok("other_thread", {}, only_c); }

TEST_CASE("when the handler has returned its token gives no fibers") {
  const HostFixture fixture;
  Application application(fixture.context);
  Replies replies;
  REQUIRE(fixture.context.submit("fiber_c.after_return", replies) == BP_OK);
  REQUIRE(application.wait_called(1));
  application.answer();
  CHECK(replies.wait() == Seen{"ok:ok"});
}
