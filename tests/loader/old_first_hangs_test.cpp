// SPDX-License-Identifier: Apache-2.0
//
// Reloads the old generation first whose code does not return: calls do not wait for ever.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>

#include "harness.hpp"

namespace {

struct Place : TempDir {
  explicit Place(const char* hangs) {
    static const bool configured = [] {
      bp_host_options options{};
      options.struct_size = sizeof options;
      options.load_timeout_ms = 300;
      return outcome_of([&](bp_result* result) { return bp_host_configure(&options, result); }).status == BP_OK;
    }();
    REQUIRE(configured);
    ::setenv("BP_TEST_LOCK", (*this / "lock").c_str(), 1);
    ::setenv("BP_TEST_LATE", late.c_str(), 1);
    hang(hangs);
  }
  static void hang(const char* place) { ::setenv("BP_TEST_HANG", place, 1); }
  const std::string late = *this / "late";
};

Outcome reload(Context& ctx, const std::string& file, std::uint32_t drain_ms) {
  const std::string path = module_file(file);
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.flags = BP_LOAD_OLD_FIRST;
  options.path = path.c_str();
  options.drain_ms = drain_ms;
  return outcome_of([&](bp_result* result) { return bp_module_reload(ctx, str("owner"), &options, 0, result); });
}

}  // namespace

TEST_CASE("an old generation whose deinit hangs gives the reload up, and the calls that waited learn it") {
  const Place place("nothing");
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  Call busy;
  REQUIRE(busy.submit(ctx, "owner.sleep", "100") == BP_OK);
  ctx.settle();
  Place::hang("deinit");
  Outcome out;
  std::thread reloads([&] { out = reload(ctx, "owner_2", 200); });
  REQUIRE(comes_true([&] { return ctx.state("owner") == "draining"; }));
  Call held;
  REQUIRE(held.submit(ctx, "owner.generation") == BP_OK);
  reloads.join();
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("has not returned"));
  CHECK(held.wait().status == BP_MODULE_GONE);
  write_all(place.late, "");
  Place::hang("nothing");
  CHECK(comes_true([&] { return ctx.load(module_file("owner_2")).status == BP_OK; }));
  CHECK(ctx.call("owner.generation").payload == "2");
  CHECK(ctx.unload("owner").status == BP_OK);
}

TEST_CASE("a new generation whose init hangs is refused, calls learn it, and the old file runs when it has returned") {
  const Place place("nothing");
  Context ctx;
  REQUIRE(ctx.load(module_file("owner_1")).status == BP_OK);
  Place::hang("init");
  Outcome out;
  std::thread reloads([&] { out = reload(ctx, "owner_2", 0); });
  REQUIRE(comes_true([&] { return ctx.state("owner") == "loading"; }));
  Call held;
  REQUIRE(held.submit(ctx, "owner.generation") == BP_OK);
  reloads.join();
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(held.wait().status == BP_MODULE_GONE);
  Place::hang("nothing");
  write_all(place.late, "");
  CHECK(comes_true([&] { return ctx.call("owner.generation").payload == "1"; }));
  CHECK(ctx.unload("owner").status == BP_OK);
}
