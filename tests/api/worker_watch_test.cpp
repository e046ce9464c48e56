// SPDX-License-Identifier: Apache-2.0
//
// When all worker threads are kept and calls wait for one, the watchdog tells; not before.
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
    options.watchdog_period_ms = 20;
    options.watchdog_threshold_ms = 30;  // workers: ten times that
    options.watchdog_start_grace_ms = 1;
    return bp_host_configure(&options, nullptr);
  }();
  REQUIRE(status == BP_OK);
}

/// The liveness events that are about workers.
class Told {
 public:
  explicit Told(const Context& context) : context_(context.native) {
    for (const char* event : {"backplane.not_responding", "backplane.responding"}) {
      REQUIRE(bp_listen(context_, str(event), on_event, this, &listeners_[count_++]) == BP_OK);
    }
  }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;
  ~Told() {
    for (const bp_listener listener : listeners_) CHECK(bp_unlisten(context_, listener) == BP_OK);
  }
  std::vector<Value> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Told*>(user);
    const Value value = Value::of(text_of(event->payload));
    const Value& payload = value["payload"];
    if (payload["thread"].text != "worker") return;
    const std::lock_guard lock(self.mutex_);
    self.all_.push_back(payload);
  }

  bp_context context_;
  bp_listener listeners_[2]{};
  std::size_t count_ = 0;
  std::mutex mutex_;
  std::vector<Value> all_;
};

}  // namespace

TEST_CASE(
    "calls that wait for worker threads that are all kept are told with the oldest handler, once, and their end") {
  configure();
  const Context context;
  const Loaded blocking(context, "blocking");
  Told told(context);
  Replies kept[threads_of_host];
  Replies waiting[3];
  for (Replies& each : kept) REQUIRE(context.submit("blocking.together", each, "2500") == BP_OK);
  for (Replies& each : waiting) REQUIRE(context.submit("blocking.together", each, "1") == BP_OK);
  CHECK(eventually([&] { return told.all().size() == 1; }));
  const Value status = status_of(context.native);
  CHECK(status["state"].text == "not responding");
  CHECK(status["workers"]["queued"].number == 3);
  REQUIRE(status["workers"]["not_responding"].items.size() == 1);
  const Value& silent = status["workers"]["not_responding"].items[0];
  CHECK(silent["name"].text == "blocking.together");
  CHECK(silent["module"].text == "blocking");
  CHECK(silent["for_ms"].number >= 300);
  CHECK(status["contexts"].items.at(0)["not_responding"].items.empty());
  for (Replies& each : kept) CHECK(each.wait().size() == 1);
  for (Replies& each : waiting) CHECK(each.wait().size() == 1);
  CHECK(eventually([&] { return told.all().size() == 2; }));
  const std::vector<Value> all = told.all();
  CHECK(all[0]["in"].text == "handler");
  CHECK(all[0]["name"].text == "blocking.together");
  CHECK(all[0]["waiting"].number == 3);
  CHECK(all[1]["name"].text == "blocking.together");
  CHECK(status_of(context.native)["state"].text == "responding");
  CHECK(status_of(context.native)["workers"]["not_responding"].items.empty());
}

TEST_CASE("blocking handlers that take long are no fault while no call waits, or while others are served") {
  configure();
  const Context context;
  const Loaded blocking(context, "blocking");
  Told told(context);
  {
    Replies kept[threads_of_host];
    for (Replies& each : kept) REQUIRE(context.submit("blocking.together", each, "1500") == BP_OK);
    for (Replies& each : kept) CHECK(each.wait().size() == 1);
  }
  CHECK(told.all().empty());
  // One hangs, and calls of the same instance wait for it; the other threads serve the rest, which is always too much.
  Replies one;
  Replies behind;
  Replies served[150];
  REQUIRE(context.submit("blocking.one_by_one", one, "1500") == BP_OK);
  REQUIRE(context.submit("blocking.one_by_one", behind, "1") == BP_OK);
  for (Replies& each : served) REQUIRE(context.submit("blocking.together", each, "20") == BP_OK);
  for (Replies& each : served) CHECK(each.wait().size() == 1);
  CHECK(one.wait().size() == 1);
  CHECK(behind.wait().size() == 1);
  CHECK(told.all().empty());
}
