// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"

using namespace host_test;

namespace {

std::string call_by(const Context& context, bp_method method) {
  Replies replies;
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.method = method;
  submission.on_reply = Replies::on_reply;
  submission.user = &replies;
  const bp_status status = bp_submit(context.native, &submission, nullptr);
  return status == BP_OK ? replies.wait().back() : "refused:" + std::string(bp_status_name(status));
}

bp_status reload(const Context& context, const std::string& file) {
  const std::string path = module_path(file);
  const bp_load_options options = load_options(path);
  Result result;
  return bp_module_reload(context.native, BP_STR("gen"), &options, 0, &result);
}

}  // namespace

TEST_CASE("a method handle stays right across reloads, an unload and a new load") {
  const Context context;
  bp_method which{};
  CHECK(bp_method_find(context.native, BP_STR("gen.which"), &which) == BP_UNKNOWN_NAME);
  CHECK(which.id == 0);
  bp_method slow{};
  {
    const Loaded first(context, "generation_a", "gen");
    REQUIRE(bp_method_find(context.native, BP_STR("gen.which"), &which) == BP_OK);
    REQUIRE(bp_method_find(context.native, BP_STR("gen.slow"), &slow) == BP_OK);
    CHECK(call_by(context, which) == "ok:1");
    REQUIRE(reload(context, "generation_b") == BP_OK);
    CHECK(call_by(context, which) == "ok:2");
    CHECK(reload(context, "generation_broken") == BP_LOAD_REFUSED);
    CHECK(call_by(context, which) == "ok:2");
    REQUIRE(reload(context, "generation_c") == BP_OK);
    CHECK(call_by(context, which) == "ok:3");
    CHECK(call_by(context, slow) == "unknown_name");  // this generation has it no longer
  }
  CHECK(call_by(context, which) == "module_gone");
  CHECK(context.call("gen.which") == "module_gone");
  CHECK(bp_method_find(context.native, BP_STR("gen.which"), &which) == BP_UNKNOWN_NAME);
  const Loaded again(context, "generation_a", "gen");
  bp_method found{};
  REQUIRE(bp_method_find(context.native, BP_STR("gen.which"), &found) == BP_OK);
  CHECK(call_by(context, found) == "ok:1");
}

TEST_CASE("calls that run when their module is reloaded end on the generation that began them") {
  const Context context;
  const Loaded module(context, "generation_a", "gen");
  Replies slow[3];
  for (Replies& each : slow) REQUIRE(context.submit("gen.slow", each, "30") == BP_OK);
  CHECK(context.call("gen.which") == "ok:1");
  REQUIRE(reload(context, "generation_b") == BP_OK);
  CHECK(context.call("gen.which") == "ok:2");
  for (Replies& each : slow) CHECK(each.wait() == Seen{"ok:1"});
}

TEST_CASE("an unload waits for the calls that run, and names what it could not wait for") {
  const Context context;
  const std::string path = module_path("holder");
  const bp_load_options options = load_options(path);
  Result loaded;
  REQUIRE(bp_module_load(context.native, &options, &loaded) == BP_OK);
  Replies held;
  bp_request request{};
  REQUIRE(context.submit("holder.keep", held, "", 0, &request) == BP_OK);
  CHECK(context.call("holder.none") == "unknown_name");  // behind the first in the queue: that one runs now
  Result pinned;
  CHECK(bp_module_unload(context.native, BP_STR("holder"), 10, &pinned) == BP_PINNED);
  CHECK(pinned.says("requests"));
  CHECK(context.call("holder.keep") == "module_gone");
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(held.wait() == Seen{"canceled"});
  Result gone;
  const bp_status status = bp_module_unload(context.native, BP_STR("holder"), 0, &gone);
  INFO(gone.words());
  CHECK((status == BP_OK || status == BP_NOT_LOADED || status == BP_PINNED));
  CHECK_FALSE(gone.says("requests"));
}

TEST_CASE("a module can register handlers and offer functions in its init only") {
  const Context context;
  const Loaded module(context, "late_register");
  const std::string refused = std::to_string(BP_INVALID_ARGUMENT);
  CHECK(context.call("late_register.try") == "ok:" + refused + " " + refused + " " + refused + " " + refused);
  for (const char* name : {"late_register.made", "late_register.now"}) CHECK(context.call(name) == "unknown_name");
}
