// SPDX-License-Identifier: Apache-2.0
//
// Calls that wait, in both worlds.
#include "worlds.hpp"

namespace {

bp_status status_of(const World& world, const client::CallOptions& options) {
  return world.context.try_call<Nap>("desk.nap", Nap{60'000}, options).status();
}

}  // namespace

TEST_CASE("A typed call gives its answer, and members that it does not know are ignored") {
  const World world = any_world();
  CHECK(world.context.call<Shouted>("echo.shout", Shout{"hello"}).shouted == "HELLO");
  CHECK(world.context.call<Nap>("desk.nap", Nap{1}).ms == 1);
  CHECK(world.context.call<Version>("echo.version").version == "1.0.0");
  world.context.call<void>("kv.put", Entry{"calls.a", "b"});
  CHECK(*world.context.call<Found>("kv.get", Key{"calls.a"}).value == "b");
  CHECK(*world.context.try_call<Found>("kv.get", Key{"calls.a"})->value == "b");
  CHECK(world.context.call<backplane::Cbor>("kv.get", Key{"calls.a"}).as<Found>().found);
}

TEST_CASE("Bytes that are not CBOR go and come as they are, also large ones") {
  const World world = any_world();
  for (const std::size_t size : {0u, 3u, 511u, 512u, 513u, 3'000'000u}) {
    const backplane::Bytes sent(size, 0xff);
    CHECK(world.context.call<client::Raw>("echo.raw", backplane::View(sent)).bytes == sent);
    CHECK(world.context.call<client::Raw>("echo.raw", client::Raw{sent}).bytes == sent);
    const std::string text(size, 'x');
    CHECK(world.context.call<Shouted>("echo.shout", Shout{text}).shouted.size() == size);
    std::stop_source source;  // a call that can be stopped goes another way
    client::CallOptions options;
    options.stop = source.get_token();
    CHECK(world.context.call<client::Raw>("echo.raw", backplane::View(sent), options).bytes == sent);
  }
}

TEST_CASE("A deadline ends a call") {
  const World world = any_world();
  client::CallOptions options;
  options.deadline = 5ms;
  CHECK(status_of(world, options) == BP_DEADLINE);
  options.deadline = -1ms;
  CHECK(status_of(world, options) == BP_DEADLINE);
  std::stop_source source;
  options.stop = source.get_token();
  options.deadline = 5ms;
  CHECK(status_of(world, options) == BP_DEADLINE);
}

TEST_CASE("A stop token cancels a call, before it is sent and while it waits") {
  const World world = any_world();
  std::stop_source source;
  client::CallOptions options;
  options.stop = source.get_token();
  std::jthread later([&] {
    std::this_thread::sleep_for(20ms);
    source.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  CHECK(status_of(world, options) == BP_CANCELED);
  CHECK(std::chrono::steady_clock::now() - begin >= 15ms);
  const auto refused = world.context.try_call<Nap>("desk.nap", Nap{0}, options);
  CHECK(refused.status() == BP_CANCELED);
  CHECK(refused.message() == "the call was canceled before it was sent");
  // Stopping after the answer does nothing.
  std::stop_source late;
  options.stop = late.get_token();
  CHECK(world.context.try_call<Nap>("desk.nap", Nap{0}, options).ok());
  late.request_stop();
}

TEST_CASE("An error has status, message and typed detail, as exception and as Result") {
  const World world = any_world();
  const auto result = world.context.try_call<void>("desk.fail", Fail{1001, 42});
  CHECK_FALSE(result);
  CHECK(result.status() == 1001);
  CHECK(result.message() == "found a failure, expected one, do nothing");
  REQUIRE(result.detail<Code>());
  CHECK(result.detail<Code>()->code == 42);
  CHECK_FALSE(result.detail<Shout>());
  CHECK(result.failure().name == "desk.fail");
  try {
    world.context.call<void>("desk.fail", Fail{BP_NOT_FOUND, 43});
    FAIL("it must throw");
  } catch (const client::CallError& error) {
    CHECK(error.status() == BP_NOT_FOUND);
    CHECK(error.message() == "found a failure, expected one, do nothing");
    CHECK(error.detail<Code>().code == 43);
    CHECK_THROWS_AS(error.detail<Shout>(), backplane::DecodeError);
    CHECK(error.what() == std::string("desk.fail: not_found: found a failure, expected one, do nothing"));
  }
  CHECK_THROWS_AS(result.value(), client::CallError);
  CHECK(world.context.try_call<Nap>("desk.fail", Fail{1001, 1}).value_or({7}).ms == 7);
}

TEST_CASE("What cannot be sent or read is a failure that names the member") {
  const World world = any_world();
  const auto unsendable = world.context.try_call<Shouted>("echo.shout", Shout{"\xff"});
  CHECK(unsendable.status() == BP_BAD_PAYLOAD);
  CHECK(unsendable.message() == "the request cannot be sent: text: cannot be sent: text that is not UTF-8");
  world.context.call<void>("kv.put", Entry{"calls.text", "x"});
  const auto unreadable = world.context.try_call<FoundNumber>("kv.get", Key{"calls.text"});
  CHECK(unreadable.status() == BP_BAD_PAYLOAD);
  CHECK(unreadable.message() == "the answer has another form than expected: value: expected int, got text");
  const auto wrong = world.context.try_call<Shouted>("echo.shout", Key{"x"});
  CHECK(wrong.status() == BP_BAD_PAYLOAD);
  CHECK(wrong.message().find("key: unknown field") != std::string::npos);
}

TEST_CASE("Names that nobody has, or that are none, are failures") {
  const World world = any_world();
  CHECK(world.context.try_call<void>("no.such").status() == BP_UNKNOWN_NAME);
  for (const std::string& name : {std::string(), std::string(200, 'x')}) {
    const auto result = world.context.try_call<void>(name);
    CHECK(result.status() == BP_INVALID_ARGUMENT);
    CHECK(result.message().find("expected module.verb of at most 128 bytes") != std::string::npos);
  }
}

TEST_CASE("A call that waits is refused on a thread of the host, in each of its forms") {
  const World world = any_world();
  std::vector<bp_status> seen;
  std::promise<void> done;
  const auto method = world.context.method<Shout, Shouted>("echo.shout");
  std::stop_source source;
  client::CallOptions stoppable;
  stoppable.stop = source.get_token();
  world.context.submit<Shouted>("echo.shout", Shout{"x"}, [&](client::Result<Shouted>) {
    seen.push_back(world.context.try_call<Shouted>("echo.shout", Shout{"y"}).status());
    seen.push_back(world.context.try_call<Shouted>("echo.shout", Shout{"y"}, stoppable).status());
    seen.push_back(method.try_call({"y"}).status());
    seen.push_back(world.context.stream<Tick, Ticked>("timer.ticks", Ticks{1, 0}).try_reply().status());
    try {
      client::run([]() -> client::Task<> { co_return; }());
    } catch (const client::CallError& error) {
      seen.push_back(error.status());
    }
    done.set_value();
  });
  REQUIRE(done.get_future().wait_for(long_enough) == std::future_status::ready);
  CHECK(seen == std::vector<bp_status>(5, BP_REENTRANT));
}

TEST_CASE("A method handle calls in all forms, and one of a name that nobody has tells so") {
  const World world = any_world();
  const auto shout = world.context.method<Shout, Shouted>("echo.shout");
  CHECK(shout.resolved());
  CHECK(shout({"a"}).shouted == "A");
  CHECK(shout.async({"b"}).get().shouted == "B");
  std::promise<std::string> got;
  shout.submit({"c"}, [&](client::Result<Shouted> result) { got.set_value(result->shouted); });
  CHECK(got.get_future().get() == "C");
  const auto copy = shout;
  CHECK(copy(Shout{"d"}).shouted == "D");
  const auto none = world.context.method<Shout, Shouted>("echo.none");
  CHECK_FALSE(none.resolved());
  CHECK(none.try_call({"a"}).status() == BP_UNKNOWN_NAME);
}

TEST_CASE("Many threads share a context") {
  const World world = any_world();
  const auto shout = world.context.method<Shout, Shouted>("echo.shout");
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        std::stop_source source;
        client::CallOptions options;
        options.stop = source.get_token();
        for (int i = 0; i < 100; ++i) {
          const std::string text = "t" + std::to_string(t * 1000 + i);
          const std::string wanted = "T" + text.substr(1);
          right += world.context.call<Shouted>("echo.shout", Shout{text}).shouted == wanted;
          right += world.context.call<Shouted>("echo.shout", Shout{text}, options).shouted == wanted;
          right += shout({text}).shouted == wanted;
          right += shout.async({text}).get().shouted == wanted;
        }
      });
    }
  }
  CHECK(right == 8 * 100 * 4);
}
