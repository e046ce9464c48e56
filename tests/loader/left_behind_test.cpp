// SPDX-License-Identifier: Apache-2.0
//
// What a module leaves behind, and what would run its code after it was unmapped: then it is pinned, and says why.
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "harness.hpp"

namespace {

// The file for which the threads of the module wait.
struct Late : TempDir {
  Late() { ::setenv("BP_TEST_LATE", file.c_str(), 1); }
  void comes() const { write_all(file, ""); }
  const std::string file = *this / "late";
};

/// The statuses of the events backplane.module_unloaded of "leaves".
class Unloads {
 public:
  explicit Unloads(bp_context ctx) : ctx_(ctx) {
    const auto on_event = [](void* user, const bp_event* event) {
      auto& self = *static_cast<Unloads*>(user);
      const std::string_view bytes(reinterpret_cast<const char*>(event->payload.data), event->payload.size);
      const Value told = Value::of(bytes)["payload"];
      if (told["module"].text != "leaves") return;
      const std::lock_guard lock(self.mutex_);
      self.all_.push_back(told["status"].text);
    };
    if (bp_listen(ctx_, str("backplane.module_unloaded"), on_event, this, &listener_) != BP_OK) {
      throw std::runtime_error("no listener");
    }
  }
  Unloads(const Unloads&) = delete;
  Unloads& operator=(const Unloads&) = delete;
  ~Unloads() { bp_unlisten(ctx_, listener_); }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  bp_context ctx_;
  bp_listener listener_{};
  std::mutex mutex_;
  std::vector<std::string> all_;
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

TEST_CASE("all generations that threads pin go by themselves when the threads have ended, and an event tells it") {
  Context ctx;
  const Late late;
  Unloads unloads(ctx);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(ctx.load(module_file("leaves")).status == BP_OK);
    REQUIRE(ctx.call(i == 0 ? "leaves.blocked" : "leaves.unnamed").payload == "1");
    REQUIRE(comes_true([i] { return threads() > i; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const Outcome out = ctx.unload("leaves");
    REQUIRE(out.status == BP_PINNED);
    const std::string what = out.details()["reasons"].items[0]["what"].text;
    INFO(what);
    const std::string words = i == 0 ? "(left-asleep) is" : "its name, bp-request, is that of the host's thread";
    CHECK(what.find(words) != std::string::npos);
  }
  CHECK(ctx.state("leaves") == "pinned");
  CHECK(comes_true([&] { return unloads.all().size() == 2; }));
  late.comes();
  CHECK(comes_true([&] { return ctx.state("leaves") == "none"; }));
  CHECK(mapped_objects("/leaves.g").empty());
  REQUIRE(comes_true([&] { return unloads.all().size() == 4; }));
  CHECK(unloads.all() == std::vector<std::string>{"pinned", "pinned", "ok", "ok"});
  CHECK(ctx.unload("leaves").status == BP_OK);  // the last unload was not told yet
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
