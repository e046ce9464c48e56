// SPDX-License-Identifier: Apache-2.0
//
// The watchdog of a real host, with short times; a process of its own, because a host is set up once.
#include "blocking_functions.hpp"

using namespace host_test;

namespace {

constexpr std::uint32_t threshold_ms = 40;

struct Liveness {
  std::mutex mutex;
  std::vector<std::string> names;
  std::vector<std::string> payloads;

  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Liveness*>(user);
    const std::lock_guard lock(self.mutex);
    self.names.push_back(text_of(event->name));
    self.payloads.push_back(text_of(event->payload));
  }
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return names.size();
  }
};

void configure() {
  static const bp_status configured = [] {
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.watchdog_period_ms = 10;
    options.watchdog_threshold_ms = threshold_ms;
    options.watchdog_start_grace_ms = 1;
    return bp_host_configure(&options, nullptr);
  }();
  REQUIRE(configured == BP_OK);
  bp_log_level(BP_LOG_OFF);
}

struct Watched {
  Watched() {
    bp_listener listener{};
    REQUIRE(bp_listen(context.native, BP_STR("backplane.*"), Liveness::on_event, &liveness, &listener) == BP_OK);
    context.call("no.such_name");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // past the start grace
  }
  Liveness liveness;
  const Context context = [] {
    configure();
    return Context();
  }();
};

}  // namespace

TEST_CASE("a host that runs already cannot be set up any more") {
  const Watched watched;
  bp_host_options options{};
  options.struct_size = sizeof options;
  Result why;
  CHECK(bp_host_configure(&options, &why) == BP_NOT_SUPPORTED);
  CHECK_THAT(why.words(), Catch::Contains("before the first context"));
}

TEST_CASE("a handler that blocks the request thread is told of once, by name, and its return once") {
  Watched watched;
  const Loaded slow(watched.context, "slow");
  for (std::size_t episode = 0; episode < 2; ++episode) {
    CHECK(watched.context.call("slow.sleep", "200") == "ok:200");
    REQUIRE(eventually([&] { return watched.liveness.count() >= 2 * (episode + 1); }));
  }
  CHECK(watched.liveness.names ==
        Seen{"backplane.not_responding", "backplane.responding", "backplane.not_responding", "backplane.responding"});
  const std::string& said = watched.liveness.payloads.front();
  for (const char* part : {"eventType", "backplane.not_responding", "thread", "request", "module", "slow", "generation",
                           "name", "slow.sleep", "for_ms"}) {
    CAPTURE(part);
    CHECK_THAT(said, Catch::Contains(part));
  }
}

TEST_CASE("a listener that blocks the event thread is told of, although the event queue is what is stuck") {
  Watched watched;
  const Loaded emitter(watched.context, "emitter");
  const bp_event_fn blocks = [](void*, const bp_event*) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  };
  bp_listener listener{};
  REQUIRE(bp_listen(watched.context.native, BP_STR("emitter.*"), blocks, nullptr, &listener) == BP_OK);
  CHECK(watched.context.call("emitter.raw", "1 1") == "ok:1 0");
  REQUIRE(eventually([&] { return watched.liveness.count() >= 2; }));
  CHECK_THAT(watched.liveness.payloads.front(), Catch::Contains("event"));
  CHECK(watched.liveness.names == Seen{"backplane.not_responding", "backplane.responding"});
}

TEST_CASE("a long backlog of short handlers, a long wait in a handler and idleness are no stalls") {
  Watched watched;
  const Loaded slow(watched.context, "slow");
  const Loaded sleeper(watched.context, "sleeper");
  const Loaded blocking(watched.context, "blocking");
  std::vector<Replies> backlog(60);
  for (Replies& each : backlog) REQUIRE(watched.context.submit("slow.sleep", each, "3") == BP_OK);
  for (Replies& each : backlog) CHECK(each.wait() == Seen{"ok:3"});
  CHECK(watched.context.call("sleeper.sleep", "120") == "ok:120");
  CHECK(watched.context.call("blocking.one_by_one", "120") == "ok:1");
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  CHECK(watched.liveness.count() == 0);
}

TEST_CASE("blocking functions are refused in a listener on the watchdog's thread, and the host goes on") {
  const Watched watched;
  const Loaded slow(watched.context, "slow");
  struct Heard {
    bp_context context;
    std::vector<bp_status> got;
    std::atomic<bool> done{false};
  } heard{watched.context.native, {}, {}};
  const bp_event_fn on_event = [](void* user, const bp_event*) {
    auto& self = *static_cast<Heard*>(user);
    if (self.done) return;
    self.got = blocking_functions(self.context);
    self.done = true;
  };
  bp_listener listener{};
  REQUIRE(bp_listen(watched.context.native, BP_STR("backplane.not_responding"), on_event, &heard, &listener) == BP_OK);
  CHECK(watched.context.call("slow.sleep", "150") == "ok:150");
  REQUIRE(eventually([&] { return heard.done.load(); }));
  CHECK(heard.got == all_refused);
  CHECK(bp_unlisten(watched.context.native, listener) == BP_OK);
  CHECK(watched.context.call("slow.sleep", "0") == "ok:0");
}
