// SPDX-License-Identifier: Apache-2.0
//
// Futures, callbacks and coroutines, in both worlds.
#include "killable.hpp"
#include "worlds.hpp"

namespace {

client::Task<std::string> shout(const client::Context& context, std::string text) {
  const Shout request{text};
  const Shouted shouted = co_await context.call_async<Shouted>("echo.shout", request);
  co_return shouted.shouted;
}

client::Task<std::string> shout_twice(const client::Context& context) {
  const std::string first = co_await shout(context, "a");
  const std::string second = co_await shout(context, "b");
  co_return first + second;
}

client::Task<std::uint32_t> naps(const client::Context& context, int count, std::uint32_t ms) {
  std::vector<client::AsyncCall<Nap, true>> calls;
  const Nap nap{ms};
  for (int i = 0; i < count; ++i) calls.push_back(context.call_async<Nap>("desk.nap", nap));
  std::uint32_t sum = 0;
  for (auto& call : calls) sum += (co_await call).ms;
  co_return sum;
}

client::Task<> fail_in(const client::Context& context, Fail fail) {
  co_await context.call_async<void>("desk.fail", fail);
}

}  // namespace

TEST_CASE("A future gets the answer, or the error") {
  const World world = any_world();
  CHECK(world.context.async<Shouted>("echo.shout", Shout{"a"}).get().shouted == "A");
  world.context.async<void>("kv.put", Entry{"async.a", "b"}).get();
  auto failing = world.context.async<void>("desk.fail", Fail{1001, 5});
  try {
    failing.get();
    FAIL("it must throw");
  } catch (const client::CallError& error) {
    CHECK(error.status() == 1001);
    CHECK(error.detail<Code>().code == 5);
  }
  CHECK_THROWS_AS(world.context.async<Shouted>("echo.shout", Shout{"\xff"}).get(), client::CallError);
  CHECK_THROWS_AS(world.context.async<Shouted>("").get(), client::CallError);
}

TEST_CASE("A callback gets exactly one Result, also of a call that is refused or canceled") {
  const World world = any_world();
  std::atomic<int> calls{0};
  std::atomic<bp_status> last{-1};
  const auto done = [&](client::Result<Nap> result) {
    last = result.status();
    ++calls;
  };
  world.context.submit<Nap>("desk.nap", Nap{0}, done);
  REQUIRE(eventually([&] { return calls == 1; }));
  CHECK(last == BP_OK);
  world.context.submit<Nap>("", Nap{0}, done);
  CHECK(calls == 2);  // before submit() returned
  CHECK(last == BP_INVALID_ARGUMENT);
  const client::PendingCall pending = world.context.submit<Nap>("desk.nap", Nap{60'000}, done);
  pending.cancel();
  REQUIRE(eventually([&] { return calls == 3; }));
  CHECK(last == BP_CANCELED);
  std::stop_source source;
  client::CallOptions options;
  options.stop = source.get_token();
  world.context.submit<Nap>("desk.nap", Nap{60'000}, done, options);
  source.request_stop();
  REQUIRE(eventually([&] { return calls == 4; }));
  CHECK(last == BP_CANCELED);
}

TEST_CASE("A callback that throws harms nothing") {
  const World world = any_world();
  std::promise<void> ran;
  world.context.submit<Nap>("desk.nap", Nap{0}, [&](client::Result<Nap>) {
    ran.set_value();
    throw std::runtime_error("on purpose");
  });
  REQUIRE(ran.get_future().wait_for(long_enough) == std::future_status::ready);
  CHECK(world.context.call<Nap>("desk.nap", Nap{1}).ms == 1);
}

TEST_CASE("A task awaits calls and other tasks, and resumes on the thread that runs it") {
  const World world = any_world();
  CHECK(client::run(shout_twice(world.context)) == "AB");
  const auto here = std::this_thread::get_id();
  const auto look = [&]() -> client::Task<bool> {
    const Nap nap{5};
    co_await world.context.call_async<Nap>("desk.nap", nap);
    // A call that waits is allowed here.
    world.context.call<Nap>("desk.nap", Nap{0});
    co_return std::this_thread::get_id() == here;
  };
  CHECK(client::run(look()));
}

TEST_CASE("Calls that are begun before the first is awaited run together") {
  const World world = any_world();
  const auto begin = std::chrono::steady_clock::now();
  CHECK(client::run(naps(world.context, 20, 50)) == 20 * 50);
  CHECK(std::chrono::steady_clock::now() - begin < 900ms);  // one after another they take a second
}

TEST_CASE("An await throws CallError, or gives a Result") {
  const World world = any_world();
  const Fail fail{1002, 9};
  CHECK_THROWS_AS(client::run(fail_in(world.context, fail)), client::CallError);
  const auto giving = [&]() -> client::Task<bp_status> {
    const auto result = co_await world.context.try_call_async<void>("desk.fail", fail);
    co_return result.detail<Code>()->code == 9 ? result.status() : 0;
  };
  CHECK(client::run(giving()) == 1002);
  const auto refused = [&]() -> client::Task<bp_status> {
    const auto result = co_await world.context.try_call_async<void>("", fail);
    co_return result.status();
  };
  CHECK(client::run(refused()) == BP_INVALID_ARGUMENT);
}

TEST_CASE("A coroutine that is destroyed while it waits cancels its call and never resumes") {
  World world = any_world();
  std::atomic<bool> resumed{false};
  const auto wait = [&](std::uint32_t ms) -> Killable {
    const Nap nap{ms};
    co_await world.context.try_call_async<Nap>("desk.nap", nap);
    resumed = true;
  };
  const Killable waiting = wait(600'000);
  waiting.handle.destroy();
  // Its handler has ended, so the context has no call left: it stops at once.
  const auto begin = std::chrono::steady_clock::now();
  CHECK(world.context.stop(10s) == BP_OK);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK_FALSE(resumed);
}

TEST_CASE("Coroutines that are destroyed at any moment, on the thread where they resume") {
  const World world = any_world();
  client::Loop loop;
  client::CallOptions options;
  options.executor = &loop;
  int resumed = 0;
  const auto wait = [&](int i) -> Killable {
    const Nap nap{i % 2 == 0 ? 0u : 1u};
    auto call = world.context.try_call_async<Nap>("desk.nap", nap, options);
    co_await call;
    ++resumed;
  };
  for (int i = 0; i < 500; ++i) {
    const Killable waiting = wait(i);
    for (int k = 0; k < i % 7; ++k) loop.run_one();
    if (i % 3 == 0) std::this_thread::sleep_for(100us);
    waiting.handle.destroy();
  }
  CHECK(resumed < 500);
}

TEST_CASE("An executor of the context or of the call runs callbacks and resumes coroutines") {
  client::Loop of_context, of_call;
  client::CommonOptions common;
  common.executor = &of_context;
  const World world = any_world(common);
  std::thread::id seen;
  const auto done = [&](client::Loop& loop) {
    return [&](client::Result<Nap>) {
      seen = std::this_thread::get_id();
      loop.stop();
    };
  };
  world.context.submit<Nap>("desk.nap", Nap{0}, done(of_context));
  of_context.run();
  CHECK(seen == std::this_thread::get_id());
  client::CallOptions options;
  options.executor = &of_call;
  world.context.submit<Nap>("desk.nap", Nap{0}, done(of_call), options);
  of_call.run();
  CHECK(seen == std::this_thread::get_id());
  const auto task = [&]() -> client::Task<> {
    const Nap nap{1};
    co_await world.context.call_async<Nap>("desk.nap", nap);
    seen = std::this_thread::get_id();
    of_context.stop();
  };
  seen = {};
  client::detach(task());
  of_context.run();
  CHECK(seen == std::this_thread::get_id());
}

TEST_CASE("Without an executor a coroutine resumes on the thread that brings the answer") {
  const World world = any_world();
  std::promise<std::thread::id> seen;
  const auto task = [&]() -> client::Task<> {
    const Nap nap{1};
    co_await world.context.call_async<Nap>("desk.nap", nap);
    seen.set_value(std::this_thread::get_id());
  };
  client::detach(task());
  CHECK(seen.get_future().get() != std::this_thread::get_id());
}

TEST_CASE("Coroutines of many threads get their own answers") {
  const World world = any_world();
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&, t] {
        const auto task = [&]() -> client::Task<> {
          for (int i = 0; i < 100; ++i) {
            const std::string text = std::to_string(t * 1000 + i);
            right += co_await shout(world.context, text) == text;
          }
        };
        client::run(task());
      });
    }
  }
  CHECK(right == 600);
}
