// SPDX-License-Identifier: Apache-2.0
//
// Trial loads of reloads in which the old generation ends first: they come before it ends.
#include <catch2/catch.hpp>

#include "old_first.hpp"

using old_first::Holding;

namespace {

const TempDir& temporary() {
  static const TempDir dir;
  return dir;
}

std::size_t private_copies() {
  std::size_t count = 0;
  for (const auto& each : std::filesystem::recursive_directory_iterator(temporary().path())) {
    count += each.path().extension() == ".so";
  }
  return count;
}

void configure() {
  static const bool configured = [] {
    ::setenv("TMPDIR", temporary().path().c_str(), 1);
    const bp_host_options options = {.struct_size = sizeof options, .trial_program = TRIAL_PROGRAM};
    return bp_host_configure(&options, nullptr) == BP_OK;
  }();
  REQUIRE(configured);
}

}  // namespace

// Its call would have to end first if the old generation were touched.
TEST_CASE("a file that fails its trial load is refused while the old generation works, and costs it nothing") {
  configure();
  const old_first::Lock lock;
  Context ctx;
  old_first::Busy busy(ctx);
  const Outcome out = old_first::reload(ctx, "owner_aborts");
  INFO(out.message);
  CHECK(out.status == BP_LOAD_REFUSED);
  CHECK(out.says("SIGABRT"));
  CHECK_FALSE(out.says("the old file runs again"));
  busy.check_untouched();
}

TEST_CASE("a file that passes its trial load replaces the old generation, and an undone reload leaves no copy") {
  configure();
  {
    Holding holding;
    CHECK(holding.finish().status == BP_OK);
    CHECK(holding.ctx.call("owner.generation").payload == "2");
    holding.hold("owner_1");
    const std::size_t copies = private_copies();
    CHECK(copies >= 2);
    CHECK(outcome_of([&](bp_result* result) { return bp_operation_cancel(holding.ctx, {0}, result); }).status == BP_OK);
    CHECK(holding.outcome().status == BP_CANCELED);
    CHECK(comes_true([&] { return private_copies() == copies - 1; }));
    CHECK(holding.ctx.call("owner.generation").payload == "2");
  }
  CHECK(comes_true([] { return private_copies() == 0; }));
}
