// SPDX-License-Identifier: Apache-2.0
//
// How modules share the worker threads: a module never waits for the slow handlers of another one.
#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

constexpr std::uint32_t threads_of_host = 4;

void configure() {
  static const bp_status status = [] {
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.worker_threads = threads_of_host;
    return bp_host_configure(&options, nullptr);
  }();
  REQUIRE(status == BP_OK);
}

Value workers_of(const Context& context, std::string_view module) {
  const Value status = status_of(context.native);
  for (const Value& each : status["workers"]["modules"].items) {
    if (each["module"].text == module) return each;
  }
  return {};
}

/// A module with settings.
class Set {
 public:
  Set(const Context& context, std::string name, const bp_load_options& settings)
      : context_(context.native), name_(std::move(name)) {
    bp_load_options options = settings;
    const std::string path = module_path(name_);
    options.path = path.c_str();
    Result result;
    const bp_status status = bp_module_load(context_, &options, &result);
    INFO(result.words());
    REQUIRE(status == BP_OK);
  }
  Set(const Set&) = delete;
  Set& operator=(const Set&) = delete;
  ~Set() {
    Result result;
    CHECK(bp_module_unload(context_, str(name_), 0, &result) == BP_OK);
  }

 private:
  bp_context context_;
  std::string name_;
};

bp_load_options with_workers(std::uint32_t workers) {
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.workers = workers;
  return options;
}

}  // namespace

TEST_CASE("a call of one module does not wait for the slow handlers of another that has all threads") {
  configure();
  const Context context;
  const Loaded slow(context, "blocking");
  const Loaded quick(context, "slow_life");
  Replies kept[2 * threads_of_host];
  for (Replies& each : kept) REQUIRE(context.submit("blocking.together", each, "1000") == BP_OK);
  REQUIRE(eventually([&] { return status_of(context.native)["workers"]["running"].number == threads_of_host; }));
  const auto begin = Clock::now();
  CHECK(context.call("slow_life.blocking") == "ok:made on a worker");
  CHECK(context.call("slow_life.blocking") == "ok:made on a worker");
  CHECK(Clock::now() - begin < std::chrono::milliseconds(500));
  CHECK(workers_of(context, "blocking")["queued"].number == threads_of_host);
  CHECK(workers_of(context, "blocking")["running"].number == threads_of_host);
  for (Replies& each : kept) {
    const std::string seen = each.wait().back();
    REQUIRE(seen.substr(0, 3) == "ok:");
    CHECK(std::stoul(seen.substr(3)) == threads_of_host);
  }
  CHECK(workers_of(context, "blocking")["queued"].number == 0);
}

TEST_CASE("a module alone has all threads, and the status shows how long its calls waited for one") {
  configure();
  const Context context;
  const Loaded blocking(context, "blocking");
  Replies replies[threads_of_host + 2];
  for (Replies& each : replies) REQUIRE(context.submit("blocking.together", each, "200") == BP_OK);
  for (Replies& each : replies) CHECK(each.wait().size() == 1);
  const Value workers = workers_of(context, "blocking");
  CHECK(workers["limit"].number == threads_of_host);
  CHECK(workers["waited"].number >= 2);
  CHECK(workers["wait_ns"]["measured"].number >= threads_of_host + 2);
  CHECK(workers["wait_ns"]["max"].number >= 100'000'000);
}

TEST_CASE("the handlers of a module take no more threads than the operator gives it") {
  configure();
  const Context context;
  const Set blocking(context, "blocking", with_workers(1));
  Replies replies[4];
  for (Replies& each : replies) REQUIRE(context.submit("blocking.together", each, "20") == BP_OK);
  for (Replies& each : replies) CHECK(each.wait().back() == "ok:1");
  CHECK(workers_of(context, "blocking")["limit"].number == 1);
  // A handler that waits does not count: it may call another of the module.
  CHECK(context.call("blocking.nest", "1", 5'000) == "ok:nested");
}

TEST_CASE("a reload keeps the settings of a module, unless it says that it has others") {
  configure();
  const Context context;
  const Set blocking(context, "blocking", with_workers(1));
  const auto most = [&] {
    Replies replies[4];
    for (Replies& each : replies) REQUIRE(context.submit("blocking.together", each, "30") == BP_OK);
    std::string last;
    for (Replies& each : replies) last = each.wait().back();
    return last;
  };
  Result kept;
  REQUIRE(bp_module_reload(context.native, str("blocking"), nullptr, 0, &kept) == BP_OK);
  CHECK(most() == "ok:1");
  bp_load_options others = with_workers(2);
  Result ignored;
  REQUIRE(bp_module_reload(context.native, str("blocking"), &others, 0, &ignored) == BP_OK);
  CHECK(most() == "ok:1");
  others.flags = BP_LOAD_SETTINGS;
  Result taken;
  REQUIRE(bp_module_reload(context.native, str("blocking"), &others, 0, &taken) == BP_OK);
  CHECK(most() == "ok:2");
}

TEST_CASE("settings out of range are refused, and nothing is loaded") {
  configure();
  const Context context;
  const std::string path = module_path("blocking");
  const auto refused = [&](auto change) {
    bp_load_options options = load_options(path);
    change(options);
    Result result;
    CHECK(bp_module_load(context.native, &options, &result) == BP_INVALID_ARGUMENT);
    return result.words();
  };
  CHECK(refused([](bp_load_options& o) { o.flags = 1u << 30; }).find("flags") != std::string::npos);
  CHECK(refused([](bp_load_options& o) { o.workers = 257; }).find("256") != std::string::npos);
  CHECK(refused([](bp_load_options& o) { o.stack_size = 16'383; }).find("16384") != std::string::npos);
  CHECK(refused([](bp_load_options& o) { o.stack_size = (1u << 30) + 1; }).find("1073741824") != std::string::npos);
  CHECK(context.call("blocking.await", "1").substr(0, 2) != "ok");
}

TEST_CASE("what the operator never unmaps is pinned with that reason, also if another reload says nothing") {
  configure();
  const Context context;
  const std::string path = module_path("slow");
  bp_load_options options = load_options(path);
  options.flags = BP_LOAD_UNLOAD_NEVER;
  Result loaded;
  REQUIRE(bp_module_load(context.native, &options, &loaded) == BP_OK);
  Result reloaded;
  REQUIRE(bp_module_reload(context.native, str("slow"), nullptr, 0, &reloaded) == BP_OK);
  CHECK(reloaded.says("the operator says unload = never"));
  Result unloaded;
  CHECK(bp_module_unload(context.native, str("slow"), 0, &unloaded) == BP_PINNED);
  CHECK(unloaded.says("unload_never"));
  CHECK(unloaded.says("the operator says unload = never"));
}

TEST_CASE("the pool grows while handlers of two contexts wait, and each call is answered") {
  configure();
  const Context one;
  const Context two;
  const Loaded blocking(one, "blocking");
  for (int round = 0; round < 5; ++round) {
    Replies waiting[2 * threads_of_host];
    Replies queued[3 * threads_of_host];
    for (Replies& each : waiting) REQUIRE(one.submit("blocking.nest", each, "20") == BP_OK);
    for (Replies& each : queued) REQUIRE(two.submit("blocking.together", each, "10") == BP_OK);
    for (Replies& each : waiting) CHECK(each.wait().back().substr(0, 2) == "ok");
    for (Replies& each : queued) CHECK(each.wait().back().substr(0, 2) == "ok");
  }
}
