// SPDX-License-Identifier: Apache-2.0
//
// The SDK's fibers in a real host: each wire name of fixtures/sdk/fibers.cpp is a program that checks itself.
#include "../api/fixture.hpp"
#include "../api/status_counts.hpp"

using namespace host_test;

namespace {

struct Programs {
  Programs() {
    const std::string path = SDK_MODULES "/sdk_fibers.so";
    const bp_load_options load = load_options(path);
    Result result;
    const bp_status status = bp_module_load(context.native, &load, &result);
    INFO(result.words());
    REQUIRE(status == BP_OK);
  }
  ~Programs() {
    Result result;
    const bp_status status = bp_module_unload(context.native, BP_STR("fibers"), 0, &result);
    CHECK((status == BP_OK || status == BP_PINNED));  // the latter with sanitizers
  }
  /// "" or what did not hold.
  std::string run(const std::string& name) const {
    Result result;
    const bp_status status = bp_call_sync(context.native, str("fibers." + name), {nullptr, 0}, 0, &result);
    return status == BP_OK ? "" : bp_status_name(status) + std::string(": ") + result.words();
  }
  const Context context;
};

}  // namespace

TEST_CASE("a Fiber runs anything that can be called, with copies of its arguments") {
  CHECK(Programs().run("arguments") == "");
}

TEST_CASE("what a Fiber's callable holds is destroyed once, whether it ran, failed, was destroyed or never made") {
  CHECK(Programs().run("closures") == "");
}

TEST_CASE("a handler has the stack that its entry says, else the module's, and is told how much of it is left") {
  const Programs programs;
  CHECK(programs.run("stacks") == "");
  CHECK(programs.run("stack_of_module") == "");
}

TEST_CASE("fibers may hold each other, thousands deep") { CHECK(Programs().run("nested_closures") == ""); }

TEST_CASE("a Fiber owns its fiber: moving, assigning, letting go and destroying it from within") {
  CHECK(Programs().run("handles") == "");
}

TEST_CASE("main gets what a fiber threw, with its type, and tells it from a switch that failed") {
  const Programs programs;
  CHECK(programs.run("errors") == "");
  CHECK(programs.run("late_errors") == "");
}

TEST_CASE("switches in destructors that an exception runs throw no second one") {
  CHECK(Programs().run("unwinding") == "");
}

TEST_CASE("a handler that takes its call makes its fibers itself, once at a time") {
  CHECK(Programs().run("own_scope") == "");
}

TEST_CASE("a generator gives the values of its body to main and to fibers, and then no more") {
  CHECK(Programs().run("generators") == "");
}

TEST_CASE("what a generator's body throws reaches who asked") { CHECK(Programs().run("generator_errors") == ""); }

TEST_CASE("a generator may be destroyed while a fiber waits for its value, also by its own body") {
  CHECK(Programs().run("generator_orphans") == "");
}

TEST_CASE("a generator that is moved to another takes its place") { CHECK(Programs().run("generator_moves") == ""); }

TEST_CASE("a generator's body that swallows its cancellation ends all the same") {
  CHECK(Programs().run("swallows") == "");
}

TEST_CASE("a fiber may answer for a handler that answers later") {
  const Programs programs;
  CHECK(programs.context.call("fibers.later") == "ok:\x06");
}

TEST_CASE("a switch that throws nothing does not hide that an entry returned") {
  const Programs programs;
  CHECK(programs.run("unasked").find("entry_returned") == 0);
  CHECK(programs.run("unasked_before_another").find("entry_returned") == 0);
}

TEST_CASE("a second Fibers of a run does not tell how a fiber of the first ended") {
  CHECK(Programs().run("second_scope") == "");
}

TEST_CASE("a Fiber that is kept past its Fibers owns nothing") {
  const Programs programs;
  CHECK(programs.run("kept") == "");
  CHECK(programs.run("kept") == "");
}

TEST_CASE("code that must not throw ends its fiber by what it returns") {
  const Programs programs;
  const auto swallowed = [&] { return StatusCounts(programs.context.native).sum("fibers.swallowed"); };
  const std::uint64_t before = swallowed();
  CHECK(programs.run("ends_quietly") == "");
  CHECK(swallowed() == before);
}
