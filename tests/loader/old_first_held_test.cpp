// SPDX-License-Identifier: Apache-2.0
//
// Calls that wait while a module is replaced, the old generation first: how many may, how they are shown, and what they
// may be.
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "old_first.hpp"

using old_first::Holding;

namespace {

/// A context in which two calls may wait.
class Small {
 public:
  Small() {
    bp_context_options options{};
    options.struct_size = sizeof options;
    options.queue_depth = 2;
    const bp_status made = bp_context_create(&options, &ctx_, nullptr);
    if (made != BP_OK) throw std::runtime_error("no context");
  }
  Small(const Small&) = delete;
  Small& operator=(const Small&) = delete;
  ~Small() { destroy(); }
  operator bp_context() const { return ctx_; }
  bp_status destroy() { return bp_context_destroy(ctx_); }
  void settle() {
    outcome_of([this](bp_result* result) { return bp_call_sync(ctx_, str("nobody.there"), bytes(""), 0, result); });
  }
  void submit(Call& call, const char* name = "owner.generation") {
    REQUIRE(call.submit(ctx_, name) == BP_OK);
    settle();
  }
  /// Its part of the status.
  const Value& in(const Value& status) {
    const auto& all = status["contexts"].items;
    return *std::max_element(all.begin(), all.end(),
                             [](const Value& a, const Value& b) { return a["id"].number < b["id"].number; });
  }

 private:
  bp_context ctx_{};
};

bp_operation_request reload_request(const bp_load_options& load) {
  bp_operation_request request{};
  request.struct_size = sizeof request;
  request.kind = BP_OPERATION_RELOAD;
  request.module = str("owner");
  request.load = &load;
  return request;
}

Outcome cancel_all(Context& ctx) {
  return outcome_of([&](bp_result* result) { return bp_operation_cancel(ctx, {0}, result); });
}

}  // namespace

TEST_CASE("at most queue_depth calls of a context wait, one more is refused and counted, and the places come back") {
  Holding holding;
  Small small;
  for (const char* const next : {"owner_1", "owner_2"}) {
    Call first;
    Call second;
    Call third;
    small.submit(first);
    small.submit(second);
    small.submit(third);
    const Outcome refused = third.wait();
    INFO(refused.message);
    CHECK(refused.status == BP_OVERLOADED);
    CHECK(refused.says("the module \"owner\" is being replaced, and 2 calls"));
    CHECK(refused.says("(queue_depth)"));
    Call elsewhere;
    REQUIRE(elsewhere.submit(holding.ctx, "owner.generation") == BP_OK);
    holding.ctx.settle();
    const Value status = holding.status();
    const Value& held = small.in(status)["held_calls"];
    CHECK(held["limit"].number == 2);
    CHECK(held["refused"].number == (std::string(next) == "owner_1" ? 1 : 2));
    CHECK(holding.held()["calls"].number == 3);
    const bool from_1 = std::string(next) == "owner_1";
    CHECK(holding.finish().status == BP_OK);
    for (Call* const each : {&first, &second, &elsewhere}) CHECK(each->wait().payload == (from_1 ? "2" : "1"));
    CHECK(holding.held().empty());
    if (from_1) holding.hold(next);
  }
}

TEST_CASE("the status says which module is held, since when, and how many calls wait") {
  Holding holding;
  Call held[3];
  for (Call& each : held) REQUIRE(each.submit(holding.ctx, "owner.generation") == BP_OK);
  holding.ctx.settle();
  const Value first = holding.held();
  CHECK(first["module"].text == "owner");
  CHECK(first["generation"].number == holding.ctx.modules().front()["generation"].number);
  CHECK(first["calls"].number == 3);
  CHECK(comes_true([&] { return holding.held()["for_ms"].number > first["for_ms"].number; }));
  CHECK(holding.finish().status == BP_OK);
  for (Call& each : held) CHECK(each.wait().payload == "2");
  CHECK(holding.held().empty());
}

TEST_CASE("calls of blocking handlers wait too, and the old generation finishes the one that runs") {
  Holding holding;
  Call blocking[4];
  for (Call& each : blocking) REQUIRE(each.submit(holding.ctx, "owner.blocking", "1") == BP_OK);
  holding.ctx.settle();
  CHECK(holding.held()["calls"].number == 4);
  for (Call& each : blocking) CHECK(each.replies() == 0);
  CHECK(holding.finish().status == BP_OK);
  for (Call& each : blocking) CHECK(each.wait().payload == "2");
  Call running;
  REQUIRE(running.submit(holding.ctx, "owner.blocking", "300") == BP_OK);
  holding.ctx.settle();
  CHECK(old_first::reload(holding.ctx, "owner_1").status == BP_OK);
  CHECK(running.wait().payload == "2");
  CHECK(holding.ctx.call("owner.blocking", "1").payload == "1");
}

TEST_CASE("a call that the old generation makes through another module is answered by it, and others wait") {
  Context first;
  REQUIRE(first.load(module_file("asks")).status == BP_OK);
  {
    Holding holding("owner_2", "owner.through");
    Call other;
    REQUIRE(other.submit(holding.ctx, "asks.call", "owner.generation") == BP_OK);
    holding.ctx.settle();
    CHECK(holding.held()["calls"].number == 1);
    CHECK(holding.finish().status == BP_OK);
    CHECK(holding.busy().payload == "1");
    CHECK(other.wait().payload == "2");
  }
  CHECK(first.unload("asks").status == BP_OK);
}

TEST_CASE("if the host stops while calls wait, the reload is undone, and the old generation answers them") {
  Holding holding;
  Call held;
  REQUIRE(held.submit(holding.ctx, "owner.generation") == BP_OK);
  holding.ctx.settle();
  CHECK(cancel_all(holding.ctx).status == BP_OK);
  const Outcome out = holding.outcome();
  CHECK(out.status == BP_CANCELED);
  CHECK(out.says("was canceled by the host, which stops"));
  CHECK(held.wait().payload == "1");
}

TEST_CASE("a context that is destroyed while calls wait ends them") {
  Holding holding;
  Small small;
  Call held;
  small.submit(held);
  CHECK(holding.held()["calls"].number == 1);
  CHECK(small.destroy() == BP_OK);
  CHECK(held.wait().status == BP_CANCELED);
  CHECK(held.replies() == 1);
  CHECK(holding.held()["calls"].number == 0);
  CHECK(holding.finish().status == BP_OK);
}

TEST_CASE("old-first and its bound are refused where they mean nothing, and nothing changes") {
  const old_first::Lock lock;
  Context ctx;
  const std::string path = module_file("owner_1");
  for (const std::uint32_t drain_ms : {0u, 100u}) {
    const bp_load_options load =
        old_first::load_options(path, drain_ms == 0 ? std::uint32_t{BP_LOAD_OLD_FIRST} : 0u, drain_ms);
    const Outcome out = outcome_of([&](bp_result* result) { return bp_module_load(ctx, &load, result); });
    INFO(out.message);
    CHECK(out.status == BP_INVALID_ARGUMENT);
    CHECK(out.says("for a load; expected it for a reload"));
  }
  CHECK(ctx.state("owner") == "none");
  REQUIRE(ctx.load(path).status == BP_OK);
  const std::uint64_t before = ctx.modules().front()["generation"].number;
  const Outcome plain = old_first::reload(ctx, "owner_2", 100, 0);
  INFO(plain.message);
  CHECK(plain.status == BP_INVALID_ARGUMENT);
  CHECK(plain.says("drain_ms"));
  const bp_load_options load = old_first::load_options(path, BP_LOAD_OLD_FIRST, 0);
  const bp_operation_request one = reload_request(load);
  bp_operation operation{};
  const Outcome part = old_first::begin_change(ctx, one, operation);
  CHECK(part.status == BP_INVALID_ARGUMENT);
  CHECK(part.says("for one of several changes"));
  CHECK(ctx.modules().front()["generation"].number == before);
  CHECK(old_first::reload(ctx, "owner_asks", 5000, 0).status == BP_OK);  // it asks by itself
  CHECK(ctx.unload("owner").status == BP_OK);
}
