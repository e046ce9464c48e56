// SPDX-License-Identifier: Apache-2.0
//
// Reloads of a module that owns something exclusive: the old generation ends before the new one starts, and calls wait.
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "old_first.hpp"

using old_first::Holding;
using old_first::load_options;
using old_first::Lock;
using old_first::Reload;

TEST_CASE("a module that owns a lock can be reloaded the old generation first, and only so") {
  const Lock lock;
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  const Outcome plain = ctx.reload("owner", module_file("owner_2"));
  CHECK(plain.status == BP_LOAD_REFUSED);
  CHECK(plain.says("address already in use"));
  CHECK(ctx.call("owner.generation").payload == "1");
  const Outcome out = old_first::reload(ctx, "owner_2");
  INFO(out.message);
  REQUIRE(out.status == BP_OK);
  CHECK(out.report()["old"]["outcome"].text == "gone");
  CHECK(ctx.call("owner.generation").payload == "2");
  CHECK(mapped_objects("/owner.g").size() == 1);
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("calls wait for the new generation, in order, with their deadlines, and can be canceled") {
  Holding holding;
  Context& ctx = holding.ctx;
  std::vector<std::unique_ptr<Call>> held;
  for (int i = 0; i < 100; ++i) {
    held.push_back(std::make_unique<Call>());
    REQUIRE(held.back()->submit(ctx, "owner.generation") == BP_OK);
  }
  Call canceled;
  REQUIRE(canceled.submit(ctx, "owner.generation") == BP_OK);
  CHECK(canceled.cancel() == BP_OK);
  CHECK(canceled.wait().status == BP_CANCELED);
  const Outcome late =
      outcome_of([&](bp_result* result) { return bp_call_sync(ctx, str("owner.generation"), bytes(""), 30, result); });
  CHECK(late.status == BP_DEADLINE);
  CHECK(ctx.find("owner.generation") == BP_OK);
  CHECK(holding.finish().status == BP_OK);
  CHECK(holding.busy().payload == "let go");
  for (const auto& each : held) CHECK(each->wait().payload == "2");
}

TEST_CASE("a call that the old generation makes is answered by it") {
  const Lock lock;
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  Call nested;
  REQUIRE(nested.submit(ctx, "owner.nested", "100") == BP_OK);
  ctx.settle();
  Reload reload(ctx, "owner_2");
  CHECK(reload.wait().status == BP_OK);
  CHECK(nested.wait().payload == "1");
  CHECK(ctx.call("owner.generation").payload == "2");
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("if the new generation is refused, the old file runs again, and answers the calls that waited") {
  const char* const file = GENERATE("owner_fails", "owner_instance_fails");
  {
    Holding holding(file);
    Call held;
    REQUIRE(held.submit(holding.ctx, "owner.generation") == BP_OK);
    const Outcome out = holding.finish();
    INFO(out.message);
    CHECK(out.status == BP_LOAD_REFUSED);
    CHECK(out.says("; the old file runs again, as generation "));
    CHECK(held.wait().payload == "1");
    CHECK(holding.ctx.call("owner.generation").payload == "1");
  }
  CHECK(comes_true([] { return mapped_objects("/owner.g").empty(); }));
}

// Its call would have to end first if the old generation were touched.
TEST_CASE("a file that is wrong without running it is refused while the old generation works, and costs it nothing") {
  const Lock lock;
  Context ctx;
  old_first::Busy busy(ctx);
  CHECK(old_first::reload(ctx, "holder").says("expected the next generation of \"owner\""));
  CHECK(old_first::reload(ctx, "no_such_file").status == BP_LOAD_REFUSED);
  const Outcome needs = old_first::reload(ctx, "owner_needs");
  INFO(needs.message);
  CHECK(needs.status == BP_LOAD_REFUSED);
  CHECK(needs.says("its library libbp_test_absent.so was not found"));
  CHECK_FALSE(needs.says("the old file runs again"));
  busy.check_untouched();
}

TEST_CASE("an old generation that waits for a held call is not waited for for ever: the reload is undone") {
  const Lock lock;
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  // The application makes the call on a thread of its own, so the host cannot see for whom.
  struct Outside {
    static void answer(void* user, bp_context context, bp_token token, bp_str, bp_bytes) {
      auto& self = *static_cast<Outside*>(user);
      self.thread = std::thread([&self, context, token] {
        comes_true([&] { return self.ctx.state("owner") == "draining"; });
        const Outcome out = self.ctx.call("owner.generation");
        bp_answer given{};
        given.struct_size = sizeof given;
        given.payload = bytes(out.payload);
        bp_complete(context, token, &given);
      });
    }
    Context& ctx;
    std::thread thread;
  } outside{ctx, {}};
  REQUIRE(bp_function_set(ctx, str("test.outside"), Outside::answer, &outside) == BP_OK);
  Call waits;
  REQUIRE(waits.submit(ctx, "owner.outside") == BP_OK);
  ctx.settle();
  Reload reload(ctx, "owner_2", 250);
  const Outcome out = reload.wait();
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("still had work after 250 ms"));
  CHECK(waits.wait().payload == "1");
  outside.thread.join();
  CHECK(ctx.call("owner.generation").payload == "1");
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("a reload that holds calls can be canceled while the old generation drains") {
  const Lock lock;
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  Call busy;
  REQUIRE(busy.submit(ctx, "owner.sleep", "300") == BP_OK);
  ctx.settle();
  const std::string path = module_file("owner_2");
  const bp_load_options load = load_options(path, BP_LOAD_OLD_FIRST, 0);
  bp_operation_request request{};
  request.struct_size = sizeof request;
  request.kind = BP_OPERATION_RELOAD;
  request.module = str("owner");
  request.load = &load;
  bp_operation operation{};
  REQUIRE(outcome_of([&](bp_result* r) { return bp_operation_begin(ctx, &request, &operation, r); }).status == BP_OK);
  REQUIRE(comes_true([&] { return ctx.state("owner") == "draining"; }));
  const auto wait = [&](std::uint32_t ms) {
    return outcome_of([&](bp_result* r) { return bp_operation_wait(ctx, operation, ms, r); });
  };
  CHECK(wait(0).status == BP_TIMEOUT);
  CHECK(wait(0).says("new calls wait"));
  for (const Outcome& other : {ctx.unload("owner"), ctx.load(path), ctx.reload("owner")}) {
    CHECK(other.status == BP_OVERLOADED);
    CHECK(other.says("is being replaced"));
  }
  Call held;
  REQUIRE(held.submit(ctx, "owner.generation") == BP_OK);
  CHECK(outcome_of([&](bp_result* r) { return bp_operation_cancel(ctx, operation, r); }).status == BP_OK);
  CHECK(wait(5000).status == BP_CANCELED);
  CHECK(held.wait().payload == "1");
  CHECK(busy.wait().payload == "1");
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("the manifest of either generation can ask for it, and then it cannot be part of a change") {
  const Lock lock;
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_asks")).status == BP_OK);
  CHECK(inspect(module_file("owner_asks")).report()["reload"].text == "old_first");
  const Outcome out = ctx.reload("owner", module_file("owner_2"));
  INFO(out.message);
  CHECK(out.status == BP_OK);
  CHECK(ctx.call("owner.generation").payload == "2");
  // The next one asks, and this one does not.
  REQUIRE(ctx.reload("owner", module_file("owner_asks")).status == BP_OK);
  CHECK(ctx.modules().front()["reload"].text == "old_first");
  bp_operation_request one{};
  one.struct_size = sizeof one;
  one.kind = BP_OPERATION_RELOAD;
  one.module = str("owner");
  bp_operation operation{};
  REQUIRE(old_first::begin_change(ctx, one, operation).status == BP_OK);
  const Outcome refused = outcome_of([&](bp_result* r) { return bp_operation_wait(ctx, operation, 5000, r); });
  INFO(refused.message);
  CHECK(refused.status == BP_NOT_SUPPORTED);
  CHECK(refused.says("backplane reload owner /"));
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("no call is lost in many reloads under load") {
  const Lock lock;
  Context ctx;
  Context second;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0};
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      Context& mine = i % 2 == 0 ? ctx : second;
      while (!over) {
        const Outcome out = mine.call(i < 2 ? "owner.generation" : "owner.nested", "1");
        if (out.status != BP_OK || (out.payload != "1" && out.payload != "2")) ++wrong;
        ++answered;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    const int before = answered;
    const Outcome out = old_first::reload(ctx, i % 2 == 0 ? "owner_2" : "owner_1");
    INFO(out.message);
    CHECK(out.status == BP_OK);
    CHECK(comes_true([&] { return answered > before; }));
  }
  over = true;
  for (std::thread& each : callers) each.join();
  CHECK(wrong == 0);
  CHECK(ctx.unload("owner").status == BP_OK);
}
