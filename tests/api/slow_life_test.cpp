// SPDX-License-Identifier: Apache-2.0
//
// Instances that take long to begin or to end, and do so on a worker thread.
#include <array>

#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds load_timeout{1'000};

void configure() {
  static const bp_status status = [] {
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.load_timeout_ms = static_cast<std::uint32_t>(load_timeout.count());
    return bp_host_configure(&options, nullptr);
  }();
  REQUIRE(status == BP_OK);
}

/// The module slow_life, whose instance takes so many tenths of a second to begin and to end.
class Asked {
 public:
  Asked(std::uint8_t begin, std::uint8_t end) : config_{0xa2, 0x61, 'a', begin, 0x61, 'b', end} {
    options = load_options(path_);
    options.config = {config_.data(), config_.size()};
  }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;

  bp_load_options options{};

 private:
  const std::array<std::uint8_t, 7> config_;
  const std::string path_ = module_path("slow_life");
};

bp_status load(const Context& context, const Asked& asked, Result& result) {
  return bp_module_load(context.native, &asked.options, &result);
}

bp_status unload(const Context& context, Result& result) {
  return bp_module_unload(context.native, str("slow_life"), 5'000, &result);
}

bool is_listed(const Context& context) {
  Result result;
  REQUIRE(bp_module_list(context.native, &result) == BP_OK);
  return result.says("slow_life");
}

/// Calls another module all the time, and notes the longest wait for an answer.
class Caller {
 public:
  explicit Caller(const Context& context)
      : thread_([this, &context] {
          while (!stop_) {
            const auto begin = Clock::now();
            if (context.call("holder.release") != "ok:0") return;
            longest_ = std::max(longest_.load(), Clock::now() - begin);
            ++calls_;
            std::this_thread::sleep_for(milliseconds(1));  // a thread that runs all the time keeps objects mapped
          }
        }) {}
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  ~Caller() { end(); }
  Clock::duration longest() {
    end();
    return longest_;
  }
  unsigned calls() const { return calls_; }

 private:
  void end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::atomic<bool> stop_{false};
  std::atomic<Clock::duration> longest_{Clock::duration::zero()};
  std::atomic<unsigned> calls_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("calls of other modules go on while an instance is created and ended on a worker thread") {
  configure();
  const Context context;
  const Loaded holder(context, "holder");
  const Asked asked(4, 4);
  {
    Caller caller(context);
    Result result;
    REQUIRE(load(context, asked, result) == BP_OK);
    CHECK(caller.longest() < milliseconds(200));
    CHECK(caller.calls() > 10);
  }
  CHECK(context.call("slow_life.alive") == "ok:1");
  {
    Caller caller(context);
    const auto begin = Clock::now();
    Result result;
    REQUIRE(bp_module_reload(context.native, str("slow_life"), nullptr, 5'000, &result) == BP_OK);
    CHECK(result.says("gone"));
    CHECK(Clock::now() - begin >= milliseconds(700));
    CHECK(caller.longest() < milliseconds(200));
  }
  CHECK(context.call("slow_life.alive") == "ok:1");
  {
    Caller caller(context);
    Result result;
    CHECK(unload(context, result) == BP_OK);
    CHECK(caller.longest() < milliseconds(200));
  }
}

TEST_CASE("an instance that is not created within load_timeout_ms refuses the load, and ends when it is there") {
  configure();
  const Context context;
  const Asked slow(20, 0);
  const auto begin = Clock::now();
  Result refused;
  CHECK(load(context, slow, refused) == BP_LOAD_REFUSED);
  CHECK(refused.says("load_timeout_ms"));
  CHECK(Clock::now() - begin >= load_timeout);
  CHECK(eventually([&] { return !is_listed(context); }));
  const Asked quick(0, 0);
  Result result;
  REQUIRE(load(context, quick, result) == BP_OK);
  CHECK(context.call("slow_life.alive") == "ok:1");
  Result gone;
  CHECK(unload(context, gone) == BP_OK);
}

TEST_CASE("a load that is canceled while its instance is created ends as canceled, and leaves nothing") {
  configure();
  const Context context;
  const Asked asked(6, 0);
  bp_operation_request request{};
  request.struct_size = sizeof request;
  request.kind = BP_OPERATION_LOAD;
  request.load = &asked.options;
  bp_operation operation{};
  Result begun;
  REQUIRE(bp_operation_begin(context.native, &request, &operation, &begun) == BP_OK);
  std::this_thread::sleep_for(milliseconds(100));
  Result canceled;
  REQUIRE(bp_operation_cancel(context.native, operation, &canceled) == BP_OK);
  Result ended;
  CHECK(bp_operation_wait(context.native, operation, 5'000, &ended) == BP_CANCELED);
  CHECK_THAT(ended.words(),
             Catch::Contains(" was canceled by this process; nothing has changed: the module is not loaded"));
  CHECK(eventually([&] { return !is_listed(context); }));
}

TEST_CASE("a context that stops waits for an instance that is being created or ended") {
  configure();
  const Context keeper;
  const Asked asked(3, 3);
  std::thread loading;
  {
    Context context;
    loading = std::thread([&] {
      Result result;
      load(keeper, asked, result);
    });
    std::this_thread::sleep_for(milliseconds(100));
    CHECK(context.destroy() == BP_OK);
  }
  loading.join();
  CHECK(keeper.call("slow_life.alive") == "ok:1");
  {
    const Context another;
    CHECK(another.call("slow_life.alive") == "ok:2");
  }
  CHECK(keeper.call("slow_life.alive") == "ok:1");
  Result gone;
  CHECK(unload(keeper, gone) == BP_OK);
}

TEST_CASE("an unload that is canceled while its instance ends has another instance at once") {
  configure();
  const Context context;
  const Asked asked(0, 5);
  Result result;
  REQUIRE(load(context, asked, result) == BP_OK);
  bp_operation_request request{};
  request.struct_size = sizeof request;
  request.kind = BP_OPERATION_UNLOAD;
  request.module = str("slow_life");
  bp_operation operation{};
  Result begun;
  REQUIRE(bp_operation_begin(context.native, &request, &operation, &begun) == BP_OK);
  std::this_thread::sleep_for(milliseconds(100));
  const std::string longest(256, 'x');
  Result too_long;
  Result of_all;
  CHECK(bp_operation_cancel_for(context.native, operation, str(longest + "x"), &too_long) == BP_INVALID_ARGUMENT);
  CHECK(bp_operation_cancel_for(context.native, {}, str(longest), &of_all) == BP_INVALID_ARGUMENT);
  Result canceled;
  REQUIRE(bp_operation_cancel_for(context.native, operation, str("the deploy script"), &canceled) == BP_OK);
  Result ended;
  CHECK(bp_operation_wait(context.native, operation, 5'000, &ended) == BP_CANCELED);
  CHECK_THAT(ended.words(), Catch::Contains("(unload of slow_life) was canceled by the deploy script; the names of the "
                                            "module \"slow_life\" answer again"));
  CHECK(context.call("slow_life.get") == "ok:made on a worker");
  Result gone;
  CHECK(unload(context, gone) == BP_OK);
}

TEST_CASE("handles work where code of their instance runs: on its request thread and on worker threads") {
  configure();
  const Context context;
  const Loaded module(context, "slow_life");
  CHECK(context.call("slow_life.get") == "ok:made on a worker");
  CHECK(context.call("slow_life.blocking") == "ok:made on a worker");
  const std::string put = context.call("slow_life.put", "kept");
  REQUIRE(put.substr(0, 3) == "ok:");
  CHECK(context.call("slow_life.release", put.substr(3)) == "ok:released");
  CHECK(context.call("slow_life.release", put.substr(3)) == "invalid_handle");
  CHECK(context.call("slow_life.foreign") == "ok:" + std::to_string(BP_NOT_SUPPORTED));
  // Many at once, on several threads.
  Replies replies[200];
  for (Replies& each : replies) REQUIRE(context.submit("slow_life.put", each, "text") == BP_OK);
  for (Replies& each : replies) {
    const std::string id = each.wait().back();
    REQUIRE(id.substr(0, 3) == "ok:");
    CHECK(context.call("slow_life.release", id.substr(3)) == "ok:released");
  }
}
