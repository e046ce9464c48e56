// SPDX-License-Identifier: Apache-2.0
//
// What a module leaves behind, and what would run its code after it was unmapped: then it is pinned, and says why.
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "harness.hpp"

namespace {

// The file for which the threads of the module wait.
struct Late : TempDir {
  Late() { ::setenv("BP_TEST_LATE", file.c_str(), 1); }
  void comes() const { write_all(file, ""); }
  const std::string file = *this / "late";
};

void check_pinned(const Outcome& out, const std::string& kind, const std::string& words) {
  INFO(out.message);
  REQUIRE(out.status == BP_PINNED);
  const auto reasons = out.details()["reasons"].items;
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0]["kind"].text == kind);
  CHECK(reasons[0]["count"].number == 1);
  INFO(reasons[0]["what"].text);
  CHECK(reasons[0]["what"].text.find(words) != std::string::npos);
  CHECK(mapped_objects("/leaves.g").size() == 1);
}

bool goes(Context& ctx) {
  return comes_true([&] { return ctx.unload("leaves").status == BP_OK; }) && mapped_objects("/leaves.g").empty();
}

}  // namespace

TEST_CASE("the action of a signal pins a module until the action is another") {
  Context ctx;
  REQUIRE(ctx.load(module_file("leaves")).status == BP_OK);
  REQUIRE(ctx.call("leaves.signal").payload == "1");
  check_pinned(ctx.unload("leaves"), "signal_actions", "the action of SIGUSR1 is a function of the module");
  std::raise(SIGUSR1);  // its code is there
  std::signal(SIGUSR1, SIG_DFL);
  CHECK(goes(ctx));
}

TEST_CASE("what a refused load has left behind keeps its object mapped, too, and an unload tries it again") {
  Context ctx;
  ::setenv("BP_TEST_INIT_FAILS", "1", 1);
  const Outcome out = ctx.load(module_file("leaves"));
  ::unsetenv("BP_TEST_INIT_FAILS");
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(mapped_objects("/leaves.g").size() == 1);
  CHECK(ctx.state("leaves") == "pinned");
  std::raise(SIGUSR1);  // its code is there
  check_pinned(ctx.unload("leaves"), "signal_actions", "SIGUSR1");
  REQUIRE(ctx.load(module_file("leaves")).status == BP_OK);  // another generation may run meanwhile
  std::signal(SIGUSR1, SIG_DFL);
  CHECK(goes(ctx));
  CHECK(comes_true([] { return mapped_objects("/leaves.g").empty(); }));
}

TEST_CASE("a detached thread that sleeps in a module pins it until the thread has ended") {
  Context ctx;
  const Late late;
  REQUIRE(ctx.load(module_file("leaves")).status == BP_OK);
  REQUIRE(ctx.call("leaves.blocked").payload == "1");
  REQUIRE(comes_true([] { return threads() > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  check_pinned(ctx.unload("leaves"), "thread", "(left-asleep) is blocked below code of the module");
  late.comes();
  CHECK(goes(ctx));
}

TEST_CASE("a detached thread that runs all the time pins a module until the thread has ended") {
  Context ctx;
  const Late late;
  REQUIRE(ctx.load(module_file("leaves")).status == BP_OK);
  REQUIRE(ctx.call("leaves.running").payload == "1");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  check_pinned(ctx.unload("leaves"), "thread", "(left-running) ran all the time");
  late.comes();
  CHECK(goes(ctx));
}

TEST_CASE("threads of the application pin nothing, whether they sleep or run") {
  Context ctx;
  std::atomic<bool> over{false};
  std::thread asleep([&] {
    while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  std::thread caller([&] {
    while (!over) ctx.call("leaves.none");
  });
  std::thread running([&] {
    while (!over.load(std::memory_order_relaxed)) continue;
  });
  for (int round = 0; round < 20; ++round) {
    REQUIRE(ctx.load(module_file("leaves")).status == BP_OK);
    const Outcome out = ctx.unload("leaves");
    INFO(out.message);
    CHECK(out.status == BP_OK);
  }
  over = true;
  asleep.join();
  caller.join();
  running.join();
}

TEST_CASE("exceptions that leave init, deinit, create or destroy do not take the process down") {
  Context ctx;
  const std::string file = module_file("init_throws");
  const auto throws_in = [](const char* place) { ::setenv("BP_TEST_THROWS", place, 1); };
  for (const char* const place : {"init", "create"}) {
    throws_in(place);
    const Outcome out = ctx.load(file);
    INFO(out.message);
    CHECK(out.status == BP_LOAD_REFUSED);
    CHECK(out.says(std::string("threw own text of ") + place));
  }
  for (const char* const place : {"destroy", "deinit", "none"}) {
    throws_in(place);
    REQUIRE(ctx.load(file).status == BP_OK);
    const Outcome out = ctx.unload("init_throws");
    INFO(out.message);
    CHECK(out.status == BP_OK);
  }
  CHECK(comes_true([] { return mapped_objects("/init_throws.g").empty(); }));
}
