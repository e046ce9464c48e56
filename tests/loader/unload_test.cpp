// SPDX-License-Identifier: Apache-2.0
//
// Unloading: gone and proved so, or pinned with the reasons.
#include <catch2/catch.hpp>

#include "harness.hpp"

namespace {

const Value* reason(const Value& report, const std::string& kind) {
  for (const Value& each : report["reasons"].items) {
    if (each["kind"].text == kind) return &each;
  }
  return nullptr;
}

// Pinned, for that one reason.
void check_pinned(const Outcome& out, const std::string& module, const std::string& kind, std::uint64_t count) {
  INFO(out.message);
  REQUIRE(out.status == BP_PINNED);
  CHECK(out.says("\"" + module + "\""));
  const Value report = out.details();
  CHECK(report["module"].text == module);
  CHECK(report["outcome"].text == "pinned");
  REQUIRE(report["reasons"].items.size() == 1);
  const Value* const found = reason(report, kind);
  REQUIRE(found != nullptr);
  CHECK((*found)["count"].number == count);
  CHECK_FALSE((*found)["what"].text.empty());
}

void check_gone(const Outcome& out) {
  INFO(out.message);
  REQUIRE(out.status == BP_OK);
  CHECK(out.report()["outcome"].text == "gone");
  CHECK(out.report()["reasons"].items.empty());
}

}  // namespace

TEST_CASE("an unloaded module is gone from the process, and can be loaded again") {
  Context ctx;
  const int copies = copies_in_maps();
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    const Value loaded = ctx.load(module_file("holder")).report();
    CHECK(loaded["generation"].number > last);
    last = loaded["generation"].number;
    CHECK(mapped_objects("/holder.g").size() == 1);
    CHECK(ctx.call("holder.release").payload == "0");
    check_gone(ctx.unload("holder"));
    CHECK(mapped_objects("/holder.g").empty());
    CHECK(copies_in_maps() == copies);
    CHECK(ctx.call("holder.release").status == BP_MODULE_GONE);
    CHECK(ctx.find("holder.release") == BP_UNKNOWN_NAME);
  }
}

TEST_CASE("a method handle says that its module is gone, and works when it is back") {
  Context ctx;
  REQUIRE(ctx.load(module_file("holder")).status == BP_OK);
  bp_method method{};
  REQUIRE(ctx.find("holder.release", &method) == BP_OK);
  check_gone(ctx.unload("holder"));
  Call gone;
  REQUIRE(gone.submit(ctx, {}, {}, method) == BP_OK);
  CHECK(gone.wait().status == BP_MODULE_GONE);
  REQUIRE(ctx.load(module_file("holder")).status == BP_OK);
  Call back;
  REQUIRE(back.submit(ctx, {}, {}, method) == BP_OK);
  CHECK(back.wait().status == BP_OK);
  check_gone(ctx.unload("holder"));
}

TEST_CASE("what is not loaded cannot be unloaded") {
  Context ctx;
  for (const char* name : {"nobody", "", "holder", "Not A Name"}) {
    const Outcome out = ctx.unload(name);
    CHECK(out.status == BP_NOT_LOADED);
    CHECK(out.says("no module \"" + std::string(name) + "\" is loaded"));
    CHECK(ctx.reload(name).status == BP_NOT_LOADED);
  }
}

TEST_CASE("calls that sleep in a module are waited for, and then it is gone") {
  Context one;
  Context two;
  REQUIRE(one.load(module_file("sleeper")).status == BP_OK);
  Call calls[4];
  for (int i = 0; i < 4; ++i) REQUIRE(calls[i].submit(i % 2 == 0 ? one : two, "sleeper.sleep", "150") == BP_OK);
  one.settle();
  two.settle();
  check_gone(one.unload("sleeper"));
  for (Call& call : calls) {
    CHECK(call.wait().payload == "150");
    CHECK(call.replies() == 1);
  }
  CHECK(mapped_objects("/sleeper.g").empty());
}

TEST_CASE("a call that does not end pins the module, whose names are gone; when it has ended, so is the module") {
  Context ctx;
  REQUIRE(ctx.load(module_file("holder")).status == BP_OK);
  Call held[3];
  for (Call& call : held) REQUIRE(call.submit(ctx, "holder.keep") == BP_OK);
  ctx.settle();
  check_pinned(ctx.unload("holder", 20), "holder", "requests", 3);
  check_pinned(ctx.unload("holder", 1), "holder", "requests", 3);
  CHECK(ctx.call("holder.release").status == BP_MODULE_GONE);
  CHECK(ctx.state("holder") == "draining");
  for (Call& call : held) {
    CHECK(call.cancel() == BP_OK);
    CHECK(call.wait().status == BP_CANCELED);
  }
  check_gone(ctx.unload("holder"));
  CHECK(mapped_objects("/holder.g").empty());
  CHECK(ctx.unload("holder").status == BP_NOT_LOADED);  // it has been told
}

TEST_CASE("a module that was pinned and has gone by itself since is told to be gone, once") {
  Context ctx;
  REQUIRE(ctx.load(module_file("holder")).status == BP_OK);
  Call held;
  REQUIRE(held.submit(ctx, "holder.keep") == BP_OK);
  ctx.settle();
  check_pinned(ctx.unload("holder", 20), "holder", "requests", 1);
  CHECK(held.cancel() == BP_OK);
  REQUIRE(comes_true([&] { return ctx.state("holder") == "none"; }));
  check_gone(ctx.unload("holder"));
  CHECK(ctx.unload("holder").status == BP_NOT_LOADED);
}

TEST_CASE("a new generation can be loaded while a withdrawn one still drains") {
  Context ctx;
  REQUIRE(ctx.load(module_file("holder")).status == BP_OK);
  Call held;
  REQUIRE(held.submit(ctx, "holder.keep") == BP_OK);
  ctx.settle();
  check_pinned(ctx.unload("holder", 20), "holder", "requests", 1);
  REQUIRE(ctx.load(module_file("holder")).status == BP_OK);
  CHECK(ctx.call("holder.release").payload == "0");  // the new one holds nothing
  CHECK(mapped_objects("/holder.g").size() == 2);
  CHECK(held.cancel() == BP_OK);
  REQUIRE(comes_true([] { return mapped_objects("/holder.g").size() == 1; }));
  check_gone(ctx.unload("holder"));
  CHECK(ctx.unload("holder").status == BP_NOT_LOADED);
}

TEST_CASE("a host function call that has no answer yet pins the module that owes it") {
  TempDir dir;
  ::setenv("BP_TEST_LATE", (dir / "now").c_str(), 1);
  Context ctx;
  REQUIRE(ctx.load(module_file("asks")).status == BP_OK);
  REQUIRE(ctx.load(module_file("late_offer")).status == BP_OK);
  Call asked;
  REQUIRE(asked.submit(ctx, "asks.host", "late.answer") == BP_OK);
  ctx.settle();
  check_pinned(ctx.unload("late_offer", 20), "late_offer", "tokens", 1);
  CHECK(ctx.call("asks.host", "late.answer").status == BP_NO_HOST_FUNCTION);
  check_pinned(ctx.unload("asks", 20), "asks", "requests", 1);
  write_all(dir / "now", "");
  CHECK(asked.wait().payload == "late");
  check_gone(ctx.unload("late_offer"));
  check_gone(ctx.unload("asks"));
  CHECK(mapped_objects("/late_offer.g").empty());
}

TEST_CASE("a context that is destroyed while a module drains in it does not keep the module") {
  Context one;
  REQUIRE(one.load(module_file("holder")).status == BP_OK);
  {
    Context two;
    Call held;
    REQUIRE(held.submit(two, "holder.keep") == BP_OK);
    two.settle();
    check_pinned(one.unload("holder", 20), "holder", "requests", 1);
    CHECK(held.cancel() == BP_OK);
  }
  check_gone(one.unload("holder"));
}

TEST_CASE("a handler that blocks the request thread is waited for, and told of when it does not return in time") {
  Context ctx;
  Context other;
  REQUIRE(ctx.load(module_file("asks")).status == BP_OK);
  Block block(ctx);
  const Outcome out = other.unload("asks", 10);
  REQUIRE(out.status == BP_PINNED);
  CHECK(out.details()["reasons"].items.size() == 1);
  CHECK(block.end().status == BP_OK);
  check_gone(other.unload("asks"));
}

TEST_CASE("unload=never withdraws the names and keeps the object, and says so each time") {
  bp_log_level(BP_LOG_OFF);
  Context ctx;
  REQUIRE(ctx.load(module_file("unload_never")).status == BP_OK);
  check_pinned(ctx.unload("unload_never"), "unload_never", "unload_never", 1);
  CHECK(ctx.call("unload_never.echo").status == BP_MODULE_GONE);
  CHECK(ctx.state("unload_never") == "pinned");
  check_pinned(ctx.unload("unload_never"), "unload_never", "unload_never", 1);
  CHECK(mapped_objects("/unload_never.g").size() == 1);
  REQUIRE(ctx.load(module_file("unload_never")).status == BP_OK);
  CHECK(ctx.call("unload_never.echo", "x").payload == "x");
  check_pinned(ctx.unload("unload_never"), "unload_never", "unload_never", 1);
}

TEST_CASE("a thread_local with a destructor pins the object until the thread that touched it ends") {
  bp_log_level(BP_LOG_OFF);
  Context ctx;
  {
    Context touching;
    REQUIRE(touching.load(module_file("tls_destructor")).status == BP_OK);
    CHECK(touching.call("tls_destructor.touch").payload == "1");
    check_pinned(touching.unload("tls_destructor"), "tls_destructor", "tls_destructors", 1);
    check_pinned(ctx.unload("tls_destructor"), "tls_destructor", "tls_destructors", 1);
    CHECK(mapped_objects("/tls_destructor.g").size() == 1);
  }
  check_gone(ctx.unload("tls_destructor"));
  CHECK(mapped_objects("/tls_destructor.g").empty());
}

TEST_CASE("a module whose thread_local nobody has touched goes like any other") {
  Context ctx;
  REQUIRE(ctx.load(module_file("tls_destructor")).status == BP_OK);
  check_gone(ctx.unload("tls_destructor"));
}

TEST_CASE("an object that is marked never to be unmapped pins itself, and is warned of") {
  bp_log_level(BP_LOG_OFF);
  Context ctx;
  const Value loaded = ctx.load(module_file("no_delete")).report();
  REQUIRE(loaded["warnings"].items.size() == 1);
  CHECK(loaded["warnings"].items[0].text.find("without -z nodelete") != std::string::npos);
  check_pinned(ctx.unload("no_delete"), "no_delete", "no_delete", 1);
  CHECK(mapped_objects("/no_delete.g").size() == 1);
}

TEST_CASE("a bound unique symbol pins the object for good, and is named") {
  if (!std::filesystem::exists(module_file("gnu_unique"))) return;  // clang makes none
  bp_log_level(BP_LOG_OFF);
  Context ctx;
  REQUIRE(ctx.load(module_file("gnu_unique")).status == BP_OK);
  CHECK(ctx.call("gnu_unique.next").payload == "1");
  check_pinned(ctx.unload("gnu_unique"), "gnu_unique", "unique_symbols", 1);
  check_pinned(ctx.unload("gnu_unique"), "gnu_unique", "unique_symbols", 1);
  CHECK(mapped_objects("/gnu_unique.g").size() == 1);
}
