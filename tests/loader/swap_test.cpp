// SPDX-License-Identifier: Apache-2.0
//
// Reloads under traffic: no call is lost, none runs twice, none goes back.
#include <catch2/catch.hpp>

#include "harness.hpp"

namespace {

constexpr int caller_count = 4;

// Threads that call until stop().
class Callers {
 public:
  template <class F>
  explicit Callers(F body) {
    for (int i = 0; i < caller_count; ++i) {
      threads_.emplace_back([this, body, i] {
        while (!stop_) body(i);
      });
    }
  }
  ~Callers() { stop(); }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("after a reload has returned no caller sees the old generation, and before that none goes back to it") {
  Context contexts[2];
  for (int round = 0; round < 10; ++round) {
    REQUIRE(contexts[0].load(module_file("generation_a")).status == BP_OK);
    std::atomic<bool> returned{false};
    std::atomic<int> wrong{0};
    std::atomic<int> after{0};
    bool moved_on[caller_count] = {};
    Callers callers([&](int i) {
      const bool late = returned;
      const Outcome out = contexts[i % 2].call("gen.which");
      const bool next = out.payload == "2";
      if (out.status != BP_OK || (!next && out.payload != "1") || ((late || moved_on[i]) && !next)) ++wrong;
      moved_on[i] = next;
      after += late;
    });
    const Outcome out = contexts[1].reload("gen", module_file("generation_b"));
    returned = true;
    CHECK(out.status == BP_OK);
    CHECK(out.report()["old"]["outcome"].text == "gone");
    CHECK(comes_true([&] { return after > 20; }));
    callers.stop();
    CHECK(wrong == 0);
    CHECK(contexts[0].unload("gen").report()["outcome"].text == "gone");
  }
}

TEST_CASE("of calls that go on while a module is reloaded again and again, each is run once and answered once") {
  Context ctx;
  std::atomic<std::uint64_t> runs{0};
  const auto tally = [](void* user, bp_context own, bp_token token, bp_str, bp_bytes) {
    ++*static_cast<std::atomic<std::uint64_t>*>(user);
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.payload = bytes("counted");
    bp_complete(own, token, &answer);
  };
  REQUIRE(bp_function_set(ctx, str("tally.one"), tally, &runs) == BP_OK);
  REQUIRE(ctx.load(module_file("asks")).status == BP_OK);
  std::atomic<std::uint64_t> answers{0};
  std::atomic<int> wrong{0};
  Callers callers([&](int i) {
    // By a fiber, by a worker, and several in flight at once.
    Call flight[3];
    const char* const name = i == 0 ? "asks.blocking" : "asks.host";
    for (Call& call : flight) {
      if (call.submit(ctx, name, "tally.one") != BP_OK) ++wrong;
    }
    for (Call& call : flight) {
      const Outcome out = call.wait();
      if (out.status != BP_OK || out.payload != "counted") ++wrong;
      answers += static_cast<std::uint64_t>(call.replies());
    }
  });
  for (int i = 0; i < 25; ++i) {
    const Outcome out = ctx.reload("asks");
    REQUIRE(out.status == BP_OK);
    CHECK(out.report()["old"]["outcome"].text == "gone");
  }
  callers.stop();
  CHECK(wrong == 0);
  CHECK(answers > 0);
  CHECK(runs == answers);
  CHECK(mapped_objects("/asks.g").size() == 1);
  CHECK(ctx.unload("asks").report()["outcome"].text == "gone");
}

TEST_CASE("calls that sleep across reloads all end in the generation they began in") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 6; ++i) {
    for (int n = 0; n < 5; ++n) {
      calls.push_back(std::make_unique<Call>());
      REQUIRE(calls.back()->submit(ctx, "gen.slow", "150") == BP_OK);
    }
    ctx.settle();
    REQUIRE(ctx.reload("gen", module_file(i % 2 == 0 ? "generation_b" : "generation_a"), 1).status == BP_OK);
  }
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CHECK(calls[i]->wait().payload == (i / 5 % 2 == 0 ? "1" : "2"));
    CHECK(calls[i]->replies() == 1);
  }
  CHECK(comes_true([&] { return ctx.modules().size() == 1; }));
  CHECK(mapped_objects("/gen.g").size() == 1);
  CHECK(ctx.unload("gen").report()["outcome"].text == "gone");
}
