// SPDX-License-Identifier: Apache-2.0
//
// Several loads, unloads and reloads that are made together, or not at all.
#include <catch2/catch.hpp>

#include "harness.hpp"

namespace {

/// One of the changes, with the memory that it refers to.
struct Wanted {
  std::uint32_t kind;
  std::string module;
  std::string path;
};

class Change {
 public:
  explicit Change(const std::vector<Wanted>& wanted)
      : wanted_(wanted), loads_(wanted.size()), requests_(wanted.size()) {
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      const Wanted& each = wanted_[i];
      loads_[i] = {sizeof loads_[i], 0, each.path.empty() ? nullptr : each.path.c_str(), {}};
      requests_[i].struct_size = sizeof requests_[i];
      requests_[i].kind = each.kind;
      requests_[i].module = str(each.module);
      if (each.kind != BP_OPERATION_UNLOAD) requests_[i].load = &loads_[i];
      pointers_.push_back(&requests_[i]);
    }
    all_.struct_size = sizeof all_;
    all_.kind = BP_OPERATION_CHANGE;
    all_.changes = pointers_.data();
    all_.change_count = pointers_.size();
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  bp_operation_request& request() { return all_; }
  bp_operation_request& part(std::size_t index) { return requests_[index]; }

  Outcome make(bp_context ctx) {
    Outcome begun = outcome_of([&](bp_result* result) { return bp_operation_begin(ctx, &all_, &operation_, result); });
    return begun.status != BP_OK ? begun : wait(ctx, 30'000);
  }
  Outcome wait(bp_context ctx, std::uint32_t timeout_ms) {
    return outcome_of([&](bp_result* result) { return bp_operation_wait(ctx, operation_, timeout_ms, result); });
  }
  Outcome cancel(bp_context ctx) {
    return outcome_of([&](bp_result* result) { return bp_operation_cancel(ctx, operation_, result); });
  }

 private:
  const std::vector<Wanted> wanted_;
  std::vector<bp_load_options> loads_;
  std::vector<bp_operation_request> requests_;
  std::vector<const bp_operation_request*> pointers_;
  bp_operation_request all_{};
  bp_operation operation_{};
};

Outcome change(bp_context ctx, const std::vector<Wanted>& wanted) { return Change(wanted).make(ctx); }

Wanted load(const std::string& file, const std::string& name = {}) {
  return {BP_OPERATION_LOAD, name, module_file(file)};
}
Wanted reload(const std::string& name, const std::string& file) {
  return {BP_OPERATION_RELOAD, name, module_file(file)};
}
Wanted unload(const std::string& name) { return {BP_OPERATION_UNLOAD, name, {}}; }

void empty(Context& ctx) {
  for (const Value& each : ctx.modules()) ctx.unload(each["name"].text);
  CHECK(ctx.modules().empty());
}

}  // namespace

TEST_CASE("a load, a reload and an unload are made together, and each has its report") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  REQUIRE(ctx.load(module_file("late_offer")).status == BP_OK);
  const std::size_t before = ctx.modules().size();
  REQUIRE(before == 2);
  const Outcome made = change(ctx, {unload("late_offer"), reload("gen", "generation_b"), load("described")});
  REQUIRE(made.status == BP_OK);
  const std::vector<Value> changes = made.report()["changes"].items;
  REQUIRE(changes.size() == 3);
  CHECK(changes[0]["kind"].text == "unload");
  CHECK(changes[0]["report"]["outcome"].text == "gone");
  CHECK(changes[1]["kind"].text == "reload");
  CHECK(changes[1]["report"]["version"].text == "2");
  CHECK(changes[1]["report"]["old"]["outcome"].text == "gone");
  CHECK(changes[2]["kind"].text == "load");
  CHECK(changes[2]["module"].text == changes[2]["report"]["module"].text);
  CHECK(ctx.call("gen.which").payload == "2");
  CHECK(ctx.state("late_offer") == "none");
  CHECK(ctx.state(changes[2]["module"].text) == "running");
  empty(ctx);
}

TEST_CASE("if one of several is refused, before or after its instances, nothing has changed and nothing is left") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  const std::vector<std::vector<Wanted>> all = {
      {load("described"), reload("gen", "generation_b"), load("init_fails")},
      {load("init_fails"), load("described"), reload("gen", "generation_b")},
      {load("described"), reload("gen", "generation_b"), load("instance_fails")},
      {load("instance_fails"), reload("gen", "generation_b"), load("described")},
      {load("described"), unload("gen"), load("no_entry")},
      {load("described"), reload("gen", "late_offer")},
      {reload("gen", "generation_b"), load("described", "another_name")},
      {reload("gen", "generation_b"), load("generation_a")},
  };
  for (const std::vector<Wanted>& each : all) {
    const Outcome made = change(ctx, each);
    CAPTURE(made.message);
    CHECK((made.status == BP_LOAD_REFUSED || made.status == BP_NAME_TAKEN));
    CHECK(made.says(".so: "));
    CHECK(ctx.call("gen.which").payload == "1");
    REQUIRE(ctx.modules().size() == 1);
    CHECK(ctx.modules()[0]["state"].text == "running");
    CHECK(mapped_objects("/gen.g").size() == 1);
    CHECK(mapped_objects("/described.g").empty());
  }
  const Outcome unknown = change(ctx, {reload("gen", "generation_b"), unload("nobody")});
  CHECK(unknown.status == BP_NOT_LOADED);
  CHECK(ctx.call("gen.which").payload == "1");
  REQUIRE(change(ctx, {reload("gen", "generation_b")}).status == BP_OK);
  CHECK(ctx.call("gen.which").payload == "2");
  empty(ctx);
}

TEST_CASE("a change whose old generations still work is committed, and cannot be undone") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  Call slow;
  REQUIRE(slow.submit(ctx, "gen.slow", "60000") == BP_OK);
  ctx.settle();
  Change away({unload("gen"), load("described")});
  bp_operation operation{};
  REQUIRE(outcome_of([&](bp_result* r) { return bp_operation_begin(ctx, &away.request(), &operation, r); }).status ==
          BP_OK);
  const auto wait = [&](std::uint32_t ms) {
    return outcome_of([&](bp_result* r) { return bp_operation_wait(ctx, operation, ms, r); });
  };
  REQUIRE(comes_true([&] { return wait(0).status == BP_OK; }));
  CHECK(wait(0).report()["changes"].items[0]["report"]["outcome"].text == "pinned");
  CHECK(ctx.call("gen.which").status != BP_OK);
  // An unload by hand joins the end, and undoing that does not bring the module back.
  bp_operation_request by_hand{};
  by_hand.struct_size = sizeof by_hand;
  by_hand.kind = BP_OPERATION_UNLOAD;
  by_hand.module = str("gen");
  bp_operation second{};
  REQUIRE(outcome_of([&](bp_result* r) { return bp_operation_begin(ctx, &by_hand, &second, r); }).status == BP_OK);
  REQUIRE(comes_true([&] {
    return outcome_of([&](bp_result* r) { return bp_operation_wait(ctx, second, 0, r); }).status == BP_PINNED;
  }));
  CHECK(outcome_of([&](bp_result* r) { return bp_operation_cancel(ctx, second, r); }).says("cannot be undone"));
  CHECK(outcome_of([&](bp_result* r) { return bp_operation_cancel(ctx, operation, r); }).says("is committed"));
  CHECK(wait(0).report()["changes"].items[0]["report"]["outcome"].text == "pinned");
  slow.cancel();
  slow.wait();
  REQUIRE(comes_true([&] { return ctx.state("gen") == "none"; }));
  empty(ctx);
}

TEST_CASE("two modules of a change that offer the same host function are refused") {
  Context ctx;
  const Outcome made = change(ctx, {load("offers_a"), load("offers_b")});
  CHECK(made.status == BP_NAME_TAKEN);
  CHECK(made.says("offers, too"));
  CHECK(ctx.modules().empty());
}

TEST_CASE("a change must be made of loads, unloads and reloads, each of another module") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a")).status == BP_OK);
  CHECK(change(ctx, {unload("gen"), reload("gen", "generation_b")}).says("in two of the changes"));
  CHECK(change(ctx, {}).status == BP_INVALID_ARGUMENT);
  Change wrong({load("described"), unload("gen")});
  wrong.part(1).kind = BP_OPERATION_CHANGE;
  CHECK(wrong.make(ctx).says("holds another change"));
  wrong.part(1).kind = 0;
  CHECK(wrong.make(ctx).says("kind is unknown"));
  wrong.part(1).kind = BP_OPERATION_UNLOAD;
  wrong.part(1).struct_size = 8;
  CHECK(wrong.make(ctx).status == BP_INVALID_ARGUMENT);
  wrong.part(1).struct_size = sizeof(bp_operation_request);
  wrong.request().module = str("gen");
  CHECK(wrong.make(ctx).status == BP_INVALID_ARGUMENT);
  CHECK(ctx.call("gen.which").payload == "1");
  empty(ctx);
}

TEST_CASE("the configurations of modules are told inside of the process") {
  Context ctx;
  REQUIRE(ctx.load(module_file("generation_a"), "\xa1\x61x\x01").status == BP_OK);
  const Outcome told = outcome_of([&](bp_result* result) { return bp_module_configurations(ctx, result); });
  REQUIRE(told.status == BP_OK);
  const std::vector<Value> modules = told.report()["modules"].items;
  REQUIRE(modules.size() == 1);
  CHECK(modules[0]["path"].text == module_file("generation_a"));
  CHECK(modules[0]["sha256"].text == inspect(module_file("generation_a")).report()["sha256"].text);
  CHECK(outcome_of([&](bp_result* r) { return bp_host_reconfigure(ctx, 0, 0, r); }).status == BP_NOT_SUPPORTED);
  CHECK(outcome_of([&](bp_result* r) { return bp_host_reconfigure(ctx, 3, 0, r); }).status == BP_INVALID_ARGUMENT);
  empty(ctx);
}

TEST_CASE("what must never be unmapped stays mapped, also in changes of which another is refused") {
  Context ctx;
  const std::string why = change(ctx, {load("unload_never"), load("init_fails")}).message;
  CAPTURE(why);
  CHECK(ctx.state("unload_never") == "pinned");
  CHECK(ctx.load(module_file("unload_never")).status == BP_OK);
  CHECK(ctx.call("unload_never.echo", "x").payload == "x");
}
