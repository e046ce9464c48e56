// SPDX-License-Identifier: Apache-2.0
//
// Everybody at once: operations on modules, contexts that come and go, calls.
#include <catch2/catch.hpp>
#include <memory>

#include "harness.hpp"

namespace {

void run_all(std::vector<std::thread>& threads) {
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

bool is_one_of(bp_status status, std::initializer_list<bp_status> allowed) {
  return std::find(allowed.begin(), allowed.end(), status) != allowed.end();
}

}  // namespace

TEST_CASE("loads, unloads and reloads from several threads take turns, and leave one state behind") {
  Context ctx;
  std::atomic<int> wrong{0};
  std::atomic<int> loads{0};
  std::atomic<int> unloads{0};
  std::vector<std::thread> operators;
  for (int i = 0; i < 3; ++i) {
    operators.emplace_back([&, i] {
      const char* const files[] = {"generation_a", "generation_b", "generation_c"};
      for (int n = 0; n < 20; ++n) {
        const Outcome loaded = ctx.load(module_file(files[(i + n) % 3]));
        if (!is_one_of(loaded.status, {BP_OK, BP_NAME_TAKEN})) ++wrong;
        loads += loaded.status == BP_OK;
        if (!is_one_of(ctx.reload("gen", module_file(files[(i + n + 1) % 3])).status, {BP_OK, BP_NOT_LOADED})) ++wrong;
        if (!is_one_of(ctx.call("gen.which").status, {BP_OK, BP_UNKNOWN_NAME, BP_MODULE_GONE})) ++wrong;
        bp_method method{};
        if (!is_one_of(ctx.find("gen.slow", &method), {BP_OK, BP_UNKNOWN_NAME})) ++wrong;
        if (ctx.modules().size() > 4) ++wrong;  // one that runs, and one that each thread saw go
        const Outcome gone = ctx.unload("gen");
        if (!is_one_of(gone.status, {BP_OK, BP_NOT_LOADED})) ++wrong;
        unloads += gone.status == BP_OK;
      }
    });
  }
  run_all(operators);
  CHECK(wrong == 0);
  CHECK(loads > 0);
  CHECK(unloads >= loads);  // two may wait for the same end
  CHECK(is_one_of(ctx.unload("gen").status, {BP_OK, BP_NOT_LOADED}));
  CHECK(ctx.modules().empty());
  CHECK(mapped_objects("/gen.g").empty());
}

TEST_CASE("a module is unloaded and reloaded while contexts are made and destroyed") {
  Context ctx;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> made{0};
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      while (!stop) {
        Context passing;
        ++made;
        Call call;
        call.submit(passing, "gen.slow", "1");
        if (!is_one_of(passing.call("gen.which").status, {BP_OK, BP_UNKNOWN_NAME, BP_MODULE_GONE})) ++wrong;
        call.wait();
        if (call.replies() != 1) ++wrong;
        if (passing.destroy() != BP_OK) ++wrong;
      }
    });
  }
  for (int n = 0; n < 60; ++n) {
    REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
    const Outcome swapped = ctx.reload("gen", module_file("generation_b"));
    REQUIRE(swapped.status == BP_OK);
    CHECK(swapped.report()["old"]["outcome"].text == "gone");
    REQUIRE(ctx.unload("gen").status == BP_OK);
  }
  CHECK(comes_true([&] { return made > 4; }));
  stop = true;
  run_all(others);
  CHECK(wrong == 0);
  CHECK(ctx.modules().empty());
  CHECK(mapped_objects("/gen.g").empty());
}

TEST_CASE("a context that is destroyed at the very moment its module is unloaded ends its instance once") {
  TempDir dir;
  const std::string steps = dir / "steps";
  ::setenv("BP_TEST_LIFECYCLE", steps.c_str(), 1);
  Context ctx;
  for (int n = 0; n < 60; ++n) {
    REQUIRE(ctx.load(module_file("lifecycle")).status == BP_OK);
    auto passing = std::make_unique<Context>();
    std::thread destroyer([&] { passing.reset(); });
    const Outcome out = ctx.unload("lifecycle");
    destroyer.join();
    REQUIRE(out.status == BP_OK);
  }
  ::unsetenv("BP_TEST_LIFECYCLE");
  std::ifstream in(steps);
  std::map<std::string, int> count;
  for (std::string line; std::getline(in, line);) ++count[line];
  CHECK(count["init"] == 60);
  CHECK(count["create"] == 120);
  CHECK(count["destroy"] == 120);
  CHECK(count["deinit"] == 60);
}
