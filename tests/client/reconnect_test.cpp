// SPDX-License-Identifier: Apache-2.0
//
// A host process that is killed, and comes again: what becomes of calls, listeners and method handles.
#include "worlds.hpp"

namespace {

/// A connection to a host of its own, and what it was told of its state.
class Line {
 public:
  explicit Line(client::Reconnect how = {.initial = 5ms, .max = 50ms}, client::CommonOptions common = {}) {
    client::ConnectOptions options;
    static_cast<client::CommonOptions&>(options) = std::move(common);
    options.socket_path = host.socket();
    options.reconnect = how;
    options.on_state = [this](const client::ConnectionState& state) {
      const std::lock_guard lock(mutex_);
      states_.push_back(state);
    };
    context.emplace(client::Context::connect(std::move(options)));
  }

  std::vector<client::ConnectionState> states() {
    const std::lock_guard lock(mutex_);
    return states_;
  }
  bool saw(client::ConnectionState::Kind kind, std::size_t times = 1) {
    return eventually([&] {
      const auto all = states();
      return static_cast<std::size_t>(
                 std::count_if(all.begin(), all.end(), [&](const auto& state) { return state.kind == kind; })) >= times;
    });
  }

  HostProcess host;

 private:
  std::mutex mutex_;
  std::vector<client::ConnectionState> states_;

 public:
  std::optional<client::Context> context;  // last: until it has ended, it tells of its state
};

using Kind = client::ConnectionState::Kind;

}  // namespace

TEST_CASE("When the host is killed, each open call ends once with unreachable, and later ones work again") {
  Line line;
  const client::Context& context = *line.context;
  std::atomic<int> ended{0}, unreachable{0};
  for (int i = 0; i < 50; ++i) {
    context.submit<Nap>("desk.nap", Nap{600'000}, [&](client::Result<Nap> result) {
      unreachable += result.status() == BP_UNREACHABLE;
      ++ended;
    });
  }
  auto future = context.async<Nap>("desk.nap", Nap{600'000});
  auto stream = context.stream<Tick, Ticked>("timer.ticks", Ticks{10'000, 5});
  REQUIRE(stream.next() != nullptr);
  auto upload = context.upload<Piece, Sum>("streams.sum", Order{});
  std::atomic<bp_status> waited{-1};
  std::jthread waiter([&] { waited = context.try_call<Nap>("desk.nap", Nap{600'000}).status(); });
  const auto task = [&]() -> client::Task<bp_status> {
    const Nap nap{600'000};
    const auto result = co_await context.try_call_async<Nap>("desk.nap", nap);
    co_return result.status();
  };
  std::jthread killer([&] {
    std::this_thread::sleep_for(50ms);
    line.host.kill();
  });
  CHECK(client::run(task()) == BP_UNREACHABLE);
  killer.join();
  waiter.join();
  CHECK(waited == BP_UNREACHABLE);
  CHECK_THROWS_AS(future.get(), client::CallError);
  CHECK(stream.try_reply().status() == BP_UNREACHABLE);
  CHECK(upload.try_reply().status() == BP_UNREACHABLE);
  REQUIRE(eventually([&] { return ended == 50; }));
  CHECK(unreachable == 50);

  REQUIRE(line.saw(Kind::waiting));
  CHECK_FALSE(context.connected());
  const auto refused = context.try_call<Shouted>("echo.shout", Shout{"x"});
  CHECK(refused.status() == BP_UNREACHABLE);
  CHECK(refused.message().find("no connection to the host after ") == 0);
  CHECK(refused.message().find("the client goes on trying, so call again later") != std::string::npos);
  CHECK(context.async<Shouted>("echo.shout", Shout{"x"}).wait_for(long_enough) == std::future_status::ready);

  line.host.start();
  REQUIRE(line.saw(Kind::connected));
  CHECK(context.call<Shouted>("echo.shout", Shout{"x"}).shouted == "X");
  CHECK(ended == 50);
  CHECK(line.states().front().kind == Kind::lost);
  CHECK(line.states().front().message.find("the connection to the host is lost") == 0);
}

TEST_CASE("After a reconnect a listener hears again, and first gets one gap") {
  Line line;
  std::mutex mutex;
  std::vector<std::string> seen;
  const auto note = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    seen.push_back(what);
  };
  const auto snapshot = [&] {
    const std::lock_guard lock(mutex);
    return seen;
  };
  const auto listener = line.context->on<Happened>(
      "desk.happened", [&](const Happened& event) { note(std::to_string(event.number)); },
      [&](const client::Gap& gap) {
        // What was missed can be asked for here: calls work.
        const bool works = line.context->try_call<Nap>("desk.nap", Nap{0}).ok();
        note(!gap.reconnected || gap.lost != 0 ? "another gap" : works ? "gap" : "gap without a connection");
      });
  line.context->call<Nap>("desk.tell", Tell{2});
  REQUIRE(eventually([&] { return snapshot().size() == 2; }));
  for (int round = 1; round <= 3; ++round) {
    line.host.kill();
    line.host.start();
    REQUIRE(line.saw(Kind::connected, static_cast<std::size_t>(round)));
    line.context->call<Nap>("desk.tell", Tell{1});
    REQUIRE(eventually([&] { return snapshot().size() == 2 + 2 * static_cast<std::size_t>(round); }));
  }
  CHECK(snapshot() == std::vector<std::string>{"0", "1", "gap", "0", "gap", "0", "gap", "0"});
  CHECK(listener.gaps() == 3);
}

TEST_CASE("A listener may be made while the connection is lost, and hears when it is back") {
  Line line;
  line.host.kill();
  REQUIRE(line.saw(Kind::waiting));
  std::atomic<int> seen{0}, gaps{0};
  const auto listener = line.context->on<Happened>(
      "desk.happened", [&](const Happened&) { ++seen; }, [&](const client::Gap&) { ++gaps; });
  auto gone = line.context->on<Happened>("desk.happened", [&](const Happened&) { FAIL("it was removed"); });
  gone.reset();
  line.host.start();
  REQUIRE(line.saw(Kind::connected));
  line.context->call<Nap>("desk.tell", Tell{3});
  CHECK(eventually([&] { return seen == 3 && gaps == 1; }));
}

TEST_CASE("A listener may be destroyed in the gap of a reconnect, and by another thread meanwhile") {
  Line line;
  client::Listener self;
  std::atomic<int> gaps{0}, events{0};
  self = line.context->on<Happened>(
      "desk.happened", [&](const Happened&) { ++events; },
      [&](const client::Gap&) {
        ++gaps;
        self.reset();
      });
  std::promise<void> inside, go_on;
  auto other = line.context->on<Happened>(
      "desk.happened", [&](const Happened&) { ++events; },
      [&](const client::Gap&) {
        inside.set_value();
        go_on.get_future().wait();
        ++gaps;
      });
  line.host.kill();
  line.host.start();
  REQUIRE(inside.get_future().wait_for(long_enough) == std::future_status::ready);
  std::atomic<bool> removed{false};
  std::jthread remover([&] {
    other.reset();
    CHECK(gaps == 2);  // it has waited for the callback
    removed = true;
  });
  line.context->call<Nap>("desk.tell", Tell{1});
  std::this_thread::sleep_for(20ms);
  CHECK_FALSE(removed);
  go_on.set_value();
  remover.join();
  CHECK(events == 0);
}

TEST_CASE("A listener gets no event while its connection ends, and no gap if the next one refuses it") {
  load_modules();
  const client::Context first = client::Host().context(), second = client::Host().context();
  std::atomic<int> events{0}, gaps{0};
  const auto on_event = [&](const Happened&) { ++events; };
  const auto on_gap = [&](const client::Gap&) { ++gaps; };
  using State = client::detail::TypedListener<Happened, decltype(on_event), decltype(on_gap)>;
  client::detail::Core core(client::detail::Core::Kind::connected, nullptr, true);
  const auto state = std::make_shared<State>("desk.happened", client::ListenOptions(), true, on_event, on_gap);
  core.publish(first.native());
  REQUIRE(core.add(state) == BP_OK);
  first.call<Nap>("desk.tell", Tell{1});
  REQUIRE(eventually([&] { return events == 1; }));
  // The connection ends; what still comes of it must not wait for the gap, since the end waits for it.
  core.withdraw();
  state->detached();
  first.call<Nap>("desk.tell", Tell{1});
  const auto marker = first.on<Happened>("desk.happened", [&](const Happened&) { events += 100; });
  first.call<Nap>("desk.tell", Tell{1});
  REQUIRE(eventually([&] { return events == 101; }));
  state->gone();
  // Refused by the next one, taken by the one after it.
  const bp_context none{~std::uint64_t{0}};
  REQUIRE(core.claim(*state, none));
  CHECK(state->attach(none) != BP_OK);
  state->restored();
  CHECK(gaps == 0);
  state->detached();
  state->gone();
  REQUIRE(core.claim(*state, second.native()));
  CHECK(state->attach(second.native()) == BP_OK);
  CHECK(state->attach(first.native()) == BP_OK);  // by a thread that was late: it changes nothing
  state->restored();
  CHECK(gaps == 1);
  state->remove();
  const int before = events;
  second.call<Nap>("desk.tell", Tell{1});
  std::this_thread::sleep_for(20ms);
  CHECK(events % 100 == before % 100);
}

TEST_CASE("A call that finds the connection broken begins the reconnect, also while events wait for a slow listener") {
  Line line;
  const auto slow =
      line.context->on<Happened>("desk.happened", [](const Happened&) { std::this_thread::sleep_for(10ms); });
  line.context->call<Nap>("desk.tell", Tell{1000});  // the listener takes 10 s for them
  line.host.kill();
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(
      eventually([&] { return line.context->try_call<Shouted>("echo.shout", Shout{"x"}).status() == BP_UNREACHABLE; }));
  REQUIRE(line.saw(Kind::lost));
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("A method handle is resolved again, also if the new host gives its names other numbers") {
  Line line;
  const auto shout = line.context->method<Shout, Shouted>("echo.shout");
  const auto nap = line.context->method<Nap, Nap>("desk.nap");
  CHECK(shout({"a"}).shouted == "A");
  line.host.kill();
  line.host.start({"desk", "streams", "timer", "echo"});
  REQUIRE(line.saw(Kind::connected));
  CHECK(shout.resolved());
  CHECK(shout({"b"}).shouted == "B");
  CHECK(nap({1}).ms == 1);
  line.host.kill();
  line.host.start({"desk"});
  REQUIRE(line.saw(Kind::connected, 2));
  CHECK_FALSE(shout.resolved());
  CHECK(shout.try_call({"c"}).status() == BP_UNKNOWN_NAME);
  CHECK(nap({1}).ms == 1);
}

TEST_CASE("Many threads call while the host is killed again and again; each call ends, and none reaches another name") {
  Line line;
  const auto shout = line.context->method<Shout, Shouted>("echo.shout");
  std::atomic<bool> stop{false};
  std::atomic<int> right{0}, unreachable{0}, wrong{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto result = shout.try_call({"a"});
        if (result.ok() && result->shouted == "A") {
          ++right;
        } else if (result.status() == BP_UNREACHABLE) {
          ++unreachable;
          std::this_thread::sleep_for(1ms);
        } else {
          ++wrong;
        }
      }
    });
  }
  for (std::size_t round = 1; round <= 3; ++round) {
    line.host.kill();
    line.host.start(round % 2 == 0 ? std::vector<std::string>{"echo", "desk", "timer"}
                                   : std::vector<std::string>{"desk", "timer", "echo"});
    REQUIRE(line.saw(Kind::connected, round));
    const int before = right;
    CHECK(eventually([&] { return right > before; }));
  }
  stop = true;
  threads.clear();
  CHECK(right > 0);
  CHECK(unreachable > 0);
  CHECK(wrong == 0);
}

TEST_CASE("It gives up after its attempts, or at once if reconnect is disabled, and says so") {
  client::Reconnect how{.initial = 1ms, .max = 2ms, .attempts = 3};
  const bool disabled = GENERATE(false, true);
  if (disabled) how.enabled = false;
  Line line(how);
  line.host.kill();
  REQUIRE(line.saw(Kind::given_up));
  const auto result = line.context->try_call<Shouted>("echo.shout", Shout{"x"});
  CHECK(result.status() == BP_UNREACHABLE);
  CHECK(result.message().find("the client has given up: make a new context") != std::string::npos);
  const auto states = line.states();
  CHECK(states.size() == (disabled ? 2u : 4u));  // lost, two that wait, given_up
  CHECK(line.context->stop(1s) == BP_OK);
}

TEST_CASE("A context that tries to connect again stops at once") {
  Line line({.initial = 10min, .max = 10min, .jitter = 0});
  line.host.kill();
  REQUIRE(line.saw(Kind::lost));
  const auto begin = std::chrono::steady_clock::now();
  line.context.reset();
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("A context may end in the callback of its state, and in the gap of a reconnect") {
  const bool in_gap = GENERATE(false, true);
  HostProcess host;
  std::optional<client::Context> context;
  std::atomic<bool> made = false;
  // Threads that outlive the context finish set_value() after the wait for it has ended.
  const auto gone = std::make_shared<std::promise<void>>();
  client::ConnectOptions options;
  options.socket_path = host.socket();
  options.reconnect = {.initial = 5ms, .max = 50ms};
  if (!in_gap) {
    options.on_state = [&context, &made, gone](const client::ConnectionState& state) {
      if (state.kind != Kind::waiting || !made) return;
      const auto kept = gone;
      context.reset();
      kept->set_value();
    };
  }
  context.emplace(client::Context::connect(options));
  made = true;
  client::Listener listener;
  if (in_gap) {
    listener = context->on<Happened>(
        "desk.happened", [](const Happened&) {},
        [&context, gone](const client::Gap&) {
          const auto kept = gone;
          context.reset();
          kept->set_value();
        });
  }
  host.kill();
  if (in_gap) host.start();
  REQUIRE(gone->get_future().wait_for(long_enough) == std::future_status::ready);
}

TEST_CASE("The waits between attempts grow to the bound, and differ by chance") {
  const client::Reconnect how{.initial = 100ms, .max = 1s, .factor = 2, .jitter = 0.5};
  CHECK(client::detail::wait_before(how, 1, 0) == 100ms);
  CHECK(client::detail::wait_before(how, 2, 0) == 200ms);
  CHECK(client::detail::wait_before(how, 4, 0) == 800ms);
  CHECK(client::detail::wait_before(how, 5, 0) == 1s);
  CHECK(client::detail::wait_before(how, 4'000'000'000, 0) == 1s);
  CHECK(client::detail::wait_before(how, 5, 1) == 500ms);
  CHECK(client::detail::wait_before(how, 1, 0.5) == 75ms);
}

TEST_CASE("Options of a reconnect that are out of bounds are refused with the bounds") {
  const auto refused = [](client::Reconnect how) {
    client::ConnectOptions options;
    options.reconnect = how;
    try {
      static_cast<void>(client::Context::connect(options));
    } catch (const client::CallError& error) {
      return error.status() == BP_INVALID_ARGUMENT ? error.message() : "another status";
    }
    return std::string("nothing");
  };
  CHECK(refused({.initial = 0ms}) == "reconnect: initial: found 0 ms; expected 1 ms to max, 10000 ms");
  CHECK(refused({.initial = 2s, .max = 1s}) == "reconnect: initial: found 2000 ms; expected 1 ms to max, 1000 ms");
  CHECK(refused({.max = 2h}) == "reconnect: max: found 7200000 ms; expected 1 ms to 1 h");
  CHECK(refused({.factor = 0.5}) == "reconnect: factor: found 0.5; expected 1 to 10");
  CHECK(refused({.jitter = 1.5}) == "reconnect: jitter: found 1.5; expected 0 to 1");
}

TEST_CASE("The first attempt to connect tells where nobody listens") {
  const TempDir dir;
  client::ConnectOptions options;
  options.socket_path = dir / "none.sock";
  try {
    static_cast<void>(client::Context::connect(options));
    FAIL("it must throw");
  } catch (const client::CallError& error) {
    CHECK(error.status() == BP_UNREACHABLE);
    CHECK(error.message().find("none.sock") != std::string::npos);
  }
}
