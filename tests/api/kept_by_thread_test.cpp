// SPDX-License-Identifier: Apache-2.0
//
// Objects that stay mapped because a thread of the host has used their thread_local: the host tries again by itself.
#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

void configure() {
  static const bp_status status = [] {
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.worker_threads = 1;
    return bp_host_configure(&options, nullptr);
  }();
  REQUIRE(status == BP_OK);
  bp_log_level(BP_LOG_OFF);
}

void load(const Context& context) {
  const std::string path = module_path("tls_destructor");
  const bp_load_options options = load_options(path);
  Result result;
  REQUIRE(bp_module_load(context.native, &options, &result) == BP_OK);
}

bp_status unload(const Context& context, Result& result) {
  return bp_module_unload(context.native, str("tls_destructor"), 0, &result);
}

bool is_listed(const Context& context) {
  Result result;
  REQUIRE(bp_module_list(context.native, &result) == BP_OK);
  return result.says("tls_destructor");
}

}  // namespace

TEST_CASE("an object that only idle worker threads keep is gone with its unload or reload") {
  configure();
  const Context context;
  load(context);
  REQUIRE(context.call("tls_destructor.touch_worker") == "ok:1");
  Result reloaded;
  REQUIRE(bp_module_reload(context.native, str("tls_destructor"), nullptr, 0, &reloaded) == BP_OK);
  CHECK(reloaded.says("gone"));
  REQUIRE(context.call("tls_destructor.touch_worker") == "ok:1");
  Result result;
  CHECK(unload(context, result) == BP_OK);
  CHECK_FALSE(is_listed(context));
}

TEST_CASE("an object that a busy worker thread keeps goes by itself when that thread is idle") {
  configure();
  const Context context;
  const Loaded blocking(context, "blocking");
  load(context);
  REQUIRE(context.call("tls_destructor.touch_worker") == "ok:1");
  REQUIRE(status_of(context.native)["workers"]["threads"].number == 1);
  Replies busy;
  REQUIRE(context.submit("blocking.together", busy, "1500") == BP_OK);
  REQUIRE(eventually([&] { return status_of(context.native)["workers"]["running"].number == 1; }));
  Result result;
  CHECK(unload(context, result) == BP_PINNED);
  CHECK(result.says("tls_destructors"));
  CHECK(result.says("bp-worker"));
  CHECK(is_listed(context));
  CHECK(busy.terminal() == 0);
  CHECK(eventually([&] { return !is_listed(context); }));
  CHECK(eventually([&] { return busy.terminal() == 1; }));  // the host looks at the thread before its answer is told
  CHECK(context.call("blocking.together", "1") == "ok:1");
  Result told;
  CHECK(unload(context, told) == BP_OK);
}

TEST_CASE("all generations that a request thread keeps go by themselves when its context ends") {
  configure();
  const Context context;
  {
    const Context touching;
    for (int i = 0; i < 3; ++i) {
      load(context);
      REQUIRE(touching.call("tls_destructor.touch") == "ok:1");
      Result result;
      CHECK(unload(context, result) == BP_PINNED);
    }
    CHECK(is_listed(context));
  }
  CHECK(eventually([&] { return !is_listed(context); }));
}
