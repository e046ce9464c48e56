// SPDX-License-Identifier: Apache-2.0
//
// Fibers that await, and what goes on meanwhile.
#include "host_fixture.hpp"

using namespace fiber_test;

TEST_CASE("fibers wait for time, calls, descriptors and host functions in the middle of a game") {
  HostFixture().ok("awaits");
}

TEST_CASE("main waits between its switches") { HostFixture().ok("main_waits"); }

TEST_CASE("a call of the same wire name from a fiber has an environment of its own") {
  const HostFixture fixture;
  fixture.ok("nested", "0");
  fixture.ok("nested", "1");
  fixture.ok("nested", "4");
}

TEST_CASE("while a fiber waits its whole environment does, and other requests go on") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Application application(fixture.context);
    Replies replies;
    REQUIRE(fixture.context.submit(module + ".waits_for_host", replies) == BP_OK);
    for (std::size_t turn = 1; turn <= 3; ++turn) {
      REQUIRE(application.wait_called(turn));
      CHECK(fixture.count("alive") == 3);
      for (const std::string& other : both) {
        CHECK(fixture.context.call(other + ".echo", "hello") == "ok:hello");
        CHECK(fixture.context.call(other + ".game_log") == "ok:ok");
        CHECK(fixture.context.call(other + ".awaits") == "ok:ok");
      }
      CHECK(application.called() == turn);
      CHECK(replies.terminal() == 0);
      application.answer();
    }
    CHECK(replies.wait() == Seen{"ok:ok"});
    CHECK(fixture.count("alive") == 0);
  }
}

TEST_CASE("many runs that wait at a time keep their fibers apart") {
  const HostFixture fixture;
  Application application(fixture.context);
  constexpr std::size_t runs = 20;
  std::vector<Replies> replies(runs);
  for (std::size_t i = 0; i < runs; ++i) {
    REQUIRE(fixture.context.submit(both[i % 2] + ".waits_for_host", replies[i]) == BP_OK);
  }
  for (std::size_t turn = 1; turn <= 3; ++turn) {
    REQUIRE(application.wait_called(turn * runs));
    CHECK(fixture.count("alive") == runs * 3);
    application.answer();
  }
  for (Replies& each : replies) CHECK(each.wait() == Seen{"ok:ok"});
  CHECK(fixture.count("alive") == 0);
}

TEST_CASE("a module that is reloaded while fibers of a run are suspended loses none of them") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Application application(fixture.context);
    Replies replies;
    REQUIRE(fixture.context.submit(module + ".waits_for_host", replies) == BP_OK);
    REQUIRE(application.wait_called(1));
    bp_status reloaded = BP_ERROR;
    Result result;
    std::thread reloading(
        [&] { reloaded = bp_module_reload(fixture.context.native, host_test::str(module), nullptr, 20'000, &result); });
    // Runs of the new generation, while the old one has its fibers.
    for (int i = 0; i < 20; ++i) CHECK(fixture.context.call(module + ".game_log") == "ok:ok");
    CHECK(replies.terminal() == 0);
    application.answer();
    CHECK(application.wait_called(2));
    application.answer();
    CHECK(application.wait_called(3));
    application.answer();
    CHECK(replies.wait() == Seen{"ok:ok"});
    reloading.join();
    CAPTURE(result.words());
    CHECK((reloaded == BP_OK || reloaded == BP_PINNED));
    CHECK(fixture.context.call(module + ".game_log") == "ok:ok");
    CHECK(fixture.count("alive") == 0);
  }
}
