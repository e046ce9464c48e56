// SPDX-License-Identifier: Apache-2.0
//
// Stacks, numbers, and the places where there are no fibers.
#include "bed.hpp"

using namespace fiber_test;

TEST_CASE("a stack has the size that was asked for, and all of it can be used") { Bed().ok("stack_sizes"); }

TEST_CASE("the stacks of fibers that have ended are used again") { Bed().ok("stacks_reused"); }

TEST_CASE("a run has ten thousand fibers, all suspended at a time") { Bed().ok("ten_thousand"); }

namespace {

std::uint64_t stacks_in_use(const Bed& bed) {
  const Books books(bed.context.native);
  for (const auto& stacks : books.status["stacks"].items) {
    if (stacks["size"].number == 64 * 1024) return stacks["used"].number;
  }
  return 0;
}

}  // namespace

TEST_CASE("a fiber takes its stack at the first switch to it, not when it is made") {
  const Bed bed;
  for (const std::string& module : both) {
    CAPTURE(module);
    Application application(bed.context);
    Replies replies;
    REQUIRE(bed.context.submit(module + ".takes_stacks", replies) == BP_OK);
    REQUIRE(application.wait_called(1));
    CHECK(bed.count("alive") == 10);
    CHECK(stacks_in_use(bed) == 0);
    application.answer();
    REQUIRE(application.wait_called(2));
    CHECK(stacks_in_use(bed) == 10);
    application.answer();
    REQUIRE(application.wait_called(3));
    CHECK(stacks_in_use(bed) == 0);
    application.answer();
    CHECK(replies.wait() == Seen{"ok:ok"});
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which take address space as they like
TEST_CASE("a switch to a fiber for which no stack can be had fails, and works when there is memory again") {
  Bed().ok("no_stack");
}
#endif

TEST_CASE("the stacks of a burst are given back to the system, and the status says how deep they were used") {
  const Bed bed;
  const auto stacks = [&bed] {
    const Books books(bed.context.native);
    for (const auto& stacks_of_size : books.status["stacks"].items) {
      if (stacks_of_size["size"].number == 64 * 1024) return stacks_of_size;
    }
    throw std::runtime_error("the status says nothing of stacks of 64 KiB");
  };
  bed.ok("ten_thousand", {}, only_c);
  const std::uint64_t most_kept = 3 * 64;  // those kept for the next burst lie in so many chunks at most
  CHECK(eventually([&] { return stacks()["mapped"].number <= most_kept; }));
  CHECK(stacks()["used"].number == 0);
  CHECK(stacks()["resident"].number <= most_kept * 64 * 1024);
  CHECK(stacks()["high_water"].number >= 4'096);
  CHECK(stacks()["high_water"].number <= 64 * 1024);
}

TEST_CASE("a run has as many fibers at a time as the application allows") {
  const Bed bed(5);
  bed.ok("limit", "5");
  bed.ok("limit", "5");
}

TEST_CASE("where the application has switched fibers off the handler still runs") {
  const Bed bed(-1);
  bed.ok("switched_off");
  for (const std::string& module : both) CHECK(bed.context.call(module + ".echo", "plain") == "ok:plain");
  CHECK(bed.count("created") == 0);
}

TEST_CASE("fibers made are counted") {
  const Bed bed;
  for (const std::string& module : both) {
    const std::uint64_t before = bed.count("created");
    CHECK(bed.context.call(module + ".game_twenty") == "ok:ok");
    CHECK(bed.count("created") == before + 40);
  }
}

TEST_CASE("a blocking handler has no fibers") {
  const Bed bed;
  for (const std::string& module : both) CHECK(bed.context.call(module + ".blocking") == "ok:ok");
}

TEST_CASE("a static handler has no fibers, with a context and without") {
  const Bed bed;
  CHECK(bed.context.call("fiber_c.static") == "ok:ok");
  Result result;
  CHECK(bp_call_sync(bp_host_context(), BP_STR("fiber_c.static"), {nullptr, 0}, 0, &result) == BP_OK);
  CHECK(result.text() == "ok");
}

TEST_CASE("a host function has no fibers and may not wait, and disturbs none") { Bed().ok("in_function", {}, only_c); }

TEST_CASE("a host function has no fibers with its caller's token either, nor may it wait with that") {
  Bed().ok("callers_token", {}, only_c);
}

TEST_CASE("the token of another run, no token and a wrong token give no fibers") {
  Bed().ok("foreign_token", {}, only_c);
}

TEST_CASE("another thread has no fibers") { Bed().ok("other_thread", {}, only_c); }

TEST_CASE("when the handler has returned its token gives no fibers") {
  const Bed bed;
  Application application(bed.context);
  Replies replies;
  REQUIRE(bed.context.submit("fiber_c.after_return", replies) == BP_OK);
  REQUIRE(application.wait_called(1));
  application.answer();
  CHECK(replies.wait() == Seen{"ok:ok"});
}
