// SPDX-License-Identifier: Apache-2.0
//
// The watchdog of a real host, with short times. It needs its own process, because a host is configured once. Each
// stall lasts until it is reported, so a slow machine only makes these tests slower.
#include <sched.h>
#include <unistd.h>

#include <backplane/cbor/reader.hpp>
#include <future>
#include <map>

#include "blocking_functions.hpp"
#include "fixture.hpp"

using namespace host_test;

namespace {

constexpr std::uint32_t threshold_ms = 200;

/// The events of the watchdog: their names, and what they say as text.
struct Liveness {
  using Fields = std::map<std::string, std::string>;

  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Liveness*>(user);
    namespace cbor = backplane::cbor;
    cbor::Reader reader({event->payload.data, event->payload.size});
    Fields fields;
    for (int level = 0; level < 2; ++level) {  // the envelope, whose last value is the map
      const std::uint64_t count = reader.next().value;
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::string key(reader.next().text());
        if (key == "payload") break;
        const cbor::Item value = reader.next();
        fields[key] = value.type == cbor::Type::uint ? std::to_string(value.value) : std::string(value.text());
      }
    }
    const std::lock_guard lock(self.mutex);
    self.names.push_back(text_of(event->name));
    self.said.push_back(fields);
    self.changed.notify_all();
  }
  /// What event `index` says; waits for it.
  Fields wait(std::size_t index) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, long_enough, [&] { return said.size() > index; }));
    return said[index];
  }
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return said.size();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> names;
  std::vector<Fields> said;
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
  explicit Watched(const bp_context_options& options = no_options())
      : context([&]() -> const bp_context_options& {
          configure();
          return options;
        }()) {
    bp_listener listener{};
    for (const bp_str name : {BP_STR("backplane.not_responding"), BP_STR("backplane.responding")}) {
      REQUIRE(bp_listen(context.native, name, Liveness::on_event, &liveness, &listener) == BP_OK);
    }
  }
  Liveness liveness;
  const Context context;
};

/// Where the module wedge is to hold its thread, until it is let go.
class Wedge {
 public:
  explicit Wedge(const std::string& place) {
    REQUIRE(::pipe(pipe_) == 0);
    ::setenv("BP_TEST_WEDGE", (place + " " + std::to_string(pipe_[0])).c_str(), 1);
  }
  Wedge(const Wedge&) = delete;
  Wedge& operator=(const Wedge&) = delete;
  ~Wedge() {
    let_go();  // also of a test that has failed
    ::unsetenv("BP_TEST_WEDGE");
    ::close(pipe_[0]);
  }
  void let_go() {
    if (pipe_[1] >= 0) ::close(std::exchange(pipe_[1], -1));
  }

 private:
  int pipe_[2] = {-1, -1};
};

/// The two events of the episode whose first event is number `first`, which `let_go` ends.
void check_episode(Liveness& liveness, std::size_t first, const Liveness::Fields& expected,
                   const std::function<void()>& let_go) {
  const Liveness::Fields fell_silent = liveness.wait(first);
  let_go();
  const Liveness::Fields came_back = liveness.wait(first + 1);
  CHECK(fell_silent.at("eventType") == "backplane.not_responding");
  CHECK(came_back.at("eventType") == "backplane.responding");
  CHECK(liveness.names[first] == "backplane.not_responding");
  CHECK(liveness.names[first + 1] == "backplane.responding");
  CHECK(std::stoul(fell_silent.at("for_ms")) >= threshold_ms);
  CHECK(std::stoul(came_back.at("for_ms")) >= std::stoul(fell_silent.at("for_ms")));
  for (const auto& [key, value] : expected) {
    CAPTURE(key);
    CHECK(fell_silent.at(key) == value);
    CHECK(came_back.at(key) == value);
  }
  CHECK(fell_silent.size() == 8);
}

}  // namespace

TEST_CASE("a host that runs already cannot be set up any more") {
  const Watched watched;
  bp_host_options options{};
  options.struct_size = sizeof options;
  Result why;
  CHECK(bp_host_configure(&options, &why) == BP_NOT_SUPPORTED);
  CHECK_THAT(why.words(), Catch::Contains("before the first context"));
}

TEST_CASE("a handler that holds the request thread is told of once an episode, by name, and its return once") {
  Watched watched;
  const Loaded module(watched.context, "wedge");
  for (std::size_t episode = 0; episode < 2; ++episode) {
    Wedge wedge("handler");
    Replies replies;
    REQUIRE(watched.context.submit("wedge.hold", replies, "x") == BP_OK);
    check_episode(
        watched.liveness, 2 * episode,
        {{"thread", "request"}, {"in", "handler"}, {"module", "wedge"}, {"name", "wedge.hold"}, {"listener", "0"}},
        [&] { wedge.let_go(); });
    CHECK(watched.liveness.said[2 * episode].at("generation") != "0");
    CHECK(replies.wait() == Seen{"ok:x"});
  }
  CHECK(watched.liveness.count() == 4);
}

TEST_CASE("a host function of the application that holds the request thread is told of with its caller's name") {
  Watched watched;
  const Loaded asks(watched.context, "asks");
  struct Function {
    std::promise<void> go_on;
    static void call(void* user, bp_context ctx, bp_token token, bp_str, bp_bytes) {
      static_cast<Function*>(user)->go_on.get_future().wait();
      const bp_answer answer = answer_of(BP_OK, "done");
      bp_complete(ctx, token, &answer);
    }
  };
  // Called from the request thread for a handler on it, and for one on a worker.
  std::size_t episode = 0;
  for (const char* name : {"asks.host", "asks.blocking"}) {
    Function function;
    REQUIRE(bp_function_set(watched.context.native, BP_STR("app.slow"), Function::call, &function) == BP_OK);
    Replies replies;
    REQUIRE(watched.context.submit(name, replies, "app.slow") == BP_OK);
    check_episode(watched.liveness, 2 * episode++,
                  {{"thread", "request"}, {"in", "function"}, {"module", ""}, {"generation", "0"}, {"name", name}},
                  [&] { function.go_on.set_value(); });
    CHECK(replies.wait() == Seen{"ok:done"});
    CHECK(bp_function_set(watched.context.native, BP_STR("app.slow"), nullptr, nullptr) == BP_OK);
  }
}

TEST_CASE("a host function of a module that holds the request thread is told of as that module's") {
  Watched watched;
  const Loaded asks(watched.context, "asks");
  const Loaded module(watched.context, "wedge");
  Wedge wedge("function");
  Replies replies;
  REQUIRE(watched.context.submit("asks.host", replies, "wedge.function") == BP_OK);
  check_episode(watched.liveness, 0,
                {{"thread", "request"}, {"in", "function"}, {"module", "wedge"}, {"name", "asks.host"}},
                [&] { wedge.let_go(); });
  CHECK(replies.wait() == Seen{"ok:from wedge"});
}

TEST_CASE("a reply callback that holds the request thread is told of with the name that was called") {
  Watched watched;
  const Loaded module(watched.context, "wedge");
  std::promise<void> go_on;
  Replies replies([&](const bp_answer&) { go_on.get_future().wait(); });
  REQUIRE(watched.context.submit("wedge.hold", replies, "x") == BP_OK);
  check_episode(watched.liveness, 0,
                {{"thread", "request"}, {"in", "reply"}, {"module", ""}, {"generation", "0"}, {"name", "wedge.hold"}},
                [&] { go_on.set_value(); });
  CHECK(replies.wait() == Seen{"ok:x"});
}

TEST_CASE("an instance that holds the request thread when it is made or ended is told of as its module's") {
  Watched watched;
  const Liveness::Fields expected = {{"thread", "request"}, {"in", "instance"}, {"module", "wedge"}, {"name", ""}};
  const std::string path = module_path("wedge");
  const bp_load_options options = load_options(path);
  Result loaded;
  {
    Wedge wedge("create");
    bp_status status = BP_ERROR;
    std::thread loads([&] { status = bp_module_load(watched.context.native, &options, &loaded); });
    check_episode(watched.liveness, 0, expected, [&] { wedge.let_go(); });
    loads.join();
    CHECK(status == BP_OK);
  }
  Wedge wedge("destroy");
  Result unloaded;
  bp_status status = BP_ERROR;
  std::thread unloads([&] { status = bp_module_unload(watched.context.native, BP_STR("wedge"), 0, &unloaded); });
  check_episode(watched.liveness, 2, expected, [&] { wedge.let_go(); });
  unloads.join();
  CHECK((status == BP_OK || status == BP_PINNED));  // a sanitizer keeps it mapped
}

TEST_CASE("a listener that holds the event thread is told of by its id and its event") {
  Watched watched;
  const Loaded emitter(watched.context, "emitter");
  std::promise<void> go_on;
  const bp_event_fn waits = [](void* user, const bp_event*) {
    static_cast<std::promise<void>*>(user)->get_future().wait();
  };
  bp_listener listener{};
  REQUIRE(bp_listen(watched.context.native, BP_STR("emitter.*"), waits, &go_on, &listener) == BP_OK);
  CHECK(watched.context.call("emitter.raw", "1 1") == "ok:1 0");
  check_episode(watched.liveness, 0,
                {{"thread", "event"},
                 {"in", "listener"},
                 {"module", ""},
                 {"generation", "0"},
                 {"name", "emitter.raw_event"},
                 {"listener", std::to_string(listener.id)}},
                [&] { go_on.set_value(); });
  CHECK(bp_unlisten(watched.context.native, listener) == BP_OK);
}

TEST_CASE("an event queue that overflows is told of with the listener that holds it up, and its end with the same") {
  bp_context_options options = no_options();
  options.on_event_overflow = BP_OVERFLOW_REFUSE;
  options.event_queue_depth = 1;
  Watched watched(options);
  const Loaded emitter(watched.context, "emitter");
  struct Held {
    std::promise<void> inside;
    std::promise<void> go_on;
  } held;
  const bp_event_fn waits = [](void* user, const bp_event*) {
    static_cast<Held*>(user)->inside.set_value();
    static_cast<Held*>(user)->go_on.get_future().wait();
  };
  bp_listener listener{};
  REQUIRE(bp_listen(watched.context.native, BP_STR("emitter.*"), waits, &held, &listener) == BP_OK);
  CHECK(watched.context.call("emitter.raw", "1 1") == "ok:1 0");
  held.inside.get_future().wait();
  CHECK(watched.context.call("emitter.typed", "1 1") == "ok:0 1");
  watched.liveness.wait(0);
  held.go_on.set_value();
  // Between the two the event thread may have been found to be silent, too.
  REQUIRE(eventually([&] {
    const std::lock_guard lock(watched.liveness.mutex);
    return watched.liveness.said.size() % 2 == 0;
  }));
  for (const Liveness::Fields& said : watched.liveness.said) {
    CHECK(said.at("thread") == "event");
    CHECK(said.at("in") == "listener");
    CHECK(said.at("name") == "emitter.raw_event");
    CHECK(said.at("listener") == std::to_string(listener.id));
  }
  CHECK(bp_unlisten(watched.context.native, listener) == BP_OK);
}

TEST_CASE("a long backlog of short handlers, a long wait in a handler and idleness are no stalls") {
  Watched watched;
  const Loaded slow(watched.context, "slow");
  const Loaded sleeper(watched.context, "sleeper");
  const Loaded blocking(watched.context, "blocking");
  std::vector<Replies> backlog(100);
  for (Replies& each : backlog) REQUIRE(watched.context.submit("slow.sleep", each, "3") == BP_OK);
  for (Replies& each : backlog) CHECK(each.wait() == Seen{"ok:3"});
  CHECK(watched.context.call("sleeper.sleep", "300") == "ok:300");
  CHECK(watched.context.call("blocking.one_by_one", "300") == "ok:1");
  std::this_thread::sleep_for(std::chrono::milliseconds(threshold_ms));
  CHECK(watched.liveness.count() == 0);
}

TEST_CASE("a request thread that many others keep from its core does not stall") {
  Watched watched;
  const Loaded module(watched.context, "wedge");
  std::atomic<bool> stop{false};
  const auto pin = [](unsigned cpu) {
    ::cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ::sched_setaffinity(0, sizeof one, &one);
  };
  const unsigned cpu = static_cast<unsigned>(::sched_getcpu());
  std::vector<std::thread> others;
  for (int i = 0; i < 12; ++i) {
    others.emplace_back([&] {
      pin(cpu);
      while (!stop) {
      }
    });
  }
  // On the request thread: uses little of the core, and far more time than the threshold.
  Replies replies([&](const bp_answer&) {
    ::cpu_set_t all;
    ::sched_getaffinity(0, sizeof all, &all);
    pin(cpu);
    const auto used_ms = [] {
      ::timespec used{};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
      return used.tv_sec * 1'000 + used.tv_nsec / 1'000'000;
    };
    const auto end = used_ms() + 60;
    while (used_ms() < end) {
    }
    ::sched_setaffinity(0, sizeof all, &all);
  });
  REQUIRE(watched.context.submit("wedge.hold", replies, "x") == BP_OK);
  replies.wait();
  stop = true;
  for (auto& other : others) other.join();
  CHECK(watched.context.call("wedge.hold", "x") == "ok:x");
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
  Replies wedging([&](const bp_answer&) { eventually([&] { return heard.done.load(); }); });
  REQUIRE(watched.context.submit("slow.sleep", wedging, "0") == BP_OK);
  CHECK(wedging.wait() == Seen{"ok:0"});
  REQUIRE(heard.done);
  CHECK(heard.got == all_refused);
  CHECK(bp_unlisten(watched.context.native, listener) == BP_OK);
  CHECK(watched.context.call("slow.sleep", "0") == "ok:0");
}
