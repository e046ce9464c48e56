// SPDX-License-Identifier: Apache-2.0
//
// Typed events and host functions, in both worlds.
#include "worlds.hpp"

TEST_CASE("A typed event comes in order, with its name, and unknown members are ignored") {
  const World world = any_world();
  std::mutex mutex;
  std::vector<std::uint32_t> seen;
  std::string name;
  const auto listener =
      world.context.on<Happened>("desk.happened", [&](const Happened& event, const client::EventInfo& info) {
        const std::lock_guard lock(mutex);
        seen.push_back(event.number);
        name = info.name;
      });
  world.context.call<Nap>("desk.tell", Tell{100});
  REQUIRE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.size() == 100;
  }));
  for (std::uint32_t i = 0; i < 100; ++i) CHECK(seen[i] == i);
  CHECK(name == "desk.happened");
  CHECK(listener.lost() == 0);
}

TEST_CASE("A pattern hears all; an event of another form is counted, and the next one comes") {
  const World world = any_world();
  std::atomic<int> any{0}, right{0}, raw{0};
  const auto all = world.context.on<backplane::Cbor>("desk.*", [&](const backplane::Cbor&) { ++any; });
  const auto some = world.context.on<Happened>("desk.*", [&](const Happened&) { ++right; });
  const auto bytes = world.context.on<client::Raw>("desk.odd", [&](const client::Raw&) { ++raw; });
  world.context.call<Nap>("desk.tell", Tell{3});
  world.context.call<Nap>("desk.tell", Tell{2});
  CHECK(eventually([&] { return any == 7 && right == 5 && raw == 2; }));
  CHECK(eventually([&] { return some.unread() == 2; }));
}

TEST_CASE("A listener that is destroyed hears nothing more, and may destroy itself") {
  const World world = any_world();
  std::atomic<int> first{0}, second{0};
  client::Listener self;
  std::promise<void> ready;
  auto wait = ready.get_future().share();
  auto held = std::make_shared<int>(7);  // what the callback owns must live until it has returned
  const std::weak_ptr<int> watch = held;
  self = world.context.on<Happened>("desk.happened", [&, held = std::move(held), wait](const Happened&) {
    wait.wait();
    self.reset();
    first += *held;
  });
  ready.set_value();
  {
    const auto other = world.context.on<Happened>("desk.happened", [&](const Happened&) { ++second; });
    world.context.call<Nap>("desk.tell", Tell{5});
    REQUIRE(eventually([&] { return second == 5; }));
  }
  CHECK(first == 7);
  CHECK(eventually([&] { return watch.expired(); }));
  world.context.call<Nap>("desk.tell", Tell{5});
  CHECK(second == 5);
}

TEST_CASE("Two listeners on threads of their own may destroy each other at once") {
  load_modules();
  const client::Context context = client::Host().context();
  for (int round = 0; round < 20; ++round) {
    client::ListenOptions options;
    options.own_thread = true;
    client::Listener first, second;
    std::atomic<int> inside{0}, done{0};
    const auto destroys = [&](client::Listener& other) {
      return [&, owned = std::make_shared<std::string>(100, 'x')](const Happened&) {
        ++inside;
        while (inside < 2) std::this_thread::yield();
        other.reset();
        done += owned->size() == 100;
      };
    };
    first = context.on<Happened>("desk.happened", destroys(second), options);
    second = context.on<Happened>("desk.happened", destroys(first), options);
    context.call<Nap>("desk.tell", Tell{1});
    REQUIRE(eventually([&] { return done == 2; }));
  }
}

TEST_CASE("A listener's callback that throws does not end the subscription") {
  const World world = any_world();
  std::atomic<int> seen{0};
  const auto listener = world.context.on<Happened>("desk.happened", [&](const Happened&) {
    ++seen;
    throw std::runtime_error("on purpose");
  });
  world.context.call<Nap>("desk.tell", Tell{3});
  CHECK(eventually([&] { return seen == 3; }));
}

TEST_CASE("A wrong pattern is refused with what is expected") {
  const World world = any_world();
  try {
    static_cast<void>(world.context.on<Happened>("Not A Name", [](const Happened&) {}));
    FAIL("it must throw");
  } catch (const client::CallError& error) {
    CHECK(error.status() == BP_INVALID_ARGUMENT);
    CHECK(error.message().find("found the pattern \"Not A Name\"; expected the name of an event") == 0);
  }
}

TEST_CASE("A listener that is too slow gets a gap in place of what it has lost") {
  load_modules();
  client::ContextOptions options;
  options.native.event_log_events = 16;
  const client::Context context = client::Host().context(options);
  std::promise<void> go;
  auto wait = go.get_future().share();
  std::vector<std::string> seen;
  std::uint64_t told = 0;
  std::atomic<std::uint64_t> heard{0};
  const auto listener = context.on<Happened>(
      "desk.happened",
      [&](const Happened&) {
        wait.wait();
        ++heard;
        if (seen.empty() || seen.back() != "event") seen.push_back("event");
      },
      [&](const client::Gap& gap) {
        CHECK(gap.since_ms != 0);
        CHECK_FALSE(gap.reconnected);
        told += gap.lost;
        seen.push_back("gap");
      });
  context.call<Nap>("desk.tell", Tell{5000});
  go.set_value();
  REQUIRE(eventually([&] { return heard + listener.lost() == 5000; }));
  CHECK(listener.lost() > 0);
  CHECK(told == listener.lost());
  CHECK(listener.gaps() >= 1);
  CHECK(std::find(seen.begin(), seen.end(), "gap") != seen.end());
}

TEST_CASE("A host function is a C++ function, in each of its forms") {
  const World world = any_world();
  const auto log_in = [&] { return world.context.try_call<LoggedIn>("session.login", User{"ada"}); };
  CHECK(log_in().status() == BP_NO_HOST_FUNCTION);
  {
    const auto plain =
        world.context.provide<"profile.fetch">([](const User& user) -> Profile { return {user.user_id}; });
    CHECK(log_in().value().profile.name == "ada");
  }
  CHECK(log_in().status() == BP_NO_HOST_FUNCTION);
  {
    const auto task = world.context.provide<"profile.fetch">([&](User user) -> client::Task<Profile> {
      const Shout shout{user.user_id};
      const auto shouted = co_await world.context.call_async<Shouted>("echo.shout", shout);
      co_return Profile{shouted.shouted};
    });
    CHECK(log_in().value().profile.name == "ADA");
  }
  std::optional<client::Completion<Profile>> kept;
  {
    std::jthread worker;
    const auto later = world.context.provide<"profile.fetch">([&](User user, client::Completion<Profile> completion) {
      worker = std::jthread([user, completion = std::move(completion)]() mutable {
        completion.answer(Profile{user.user_id + " later"});
      });
    });
    CHECK(log_in().value().profile.name == "ada later");
  }
  {
    const auto dropped = world.context.provide<"profile.fetch">([](User, client::Completion<Profile>) {});
    CHECK(log_in().status() == BP_NO_REPLY);
  }
  {
    const auto wrong = world.context.provide<"profile.fetch">(
        [](User, client::Completion<Profile> completion) { completion.fail(BP_PARTIAL, "not terminal"); });
    CHECK(log_in().status() == BP_EXCEPTION);
  }
  {
    const auto no_request = world.context.provide("profile.fetch", [] { return Profile{"fixed"}; });
    CHECK(log_in().value().profile.name == "fixed");
    const auto replaced = world.context.provide("profile.fetch", [] { return Profile{"newer"}; });
    CHECK(log_in().value().profile.name == "newer");
  }
}

TEST_CASE("A host function that was replaced does not withdraw its successor, whichever thread replaces it") {
  const World world = any_world();
  const auto log_in = [&] {
    const auto result = world.context.try_call<LoggedIn>("session.login", User{"ada"});
    return result.ok() ? result->profile.name : name_of(result.status());
  };
  client::Provided profiles = world.context.provide("profile.fetch", [] { return Profile{"first"}; });
  profiles = world.context.provide("profile.fetch", [] { return Profile{"second"}; });
  CHECK(log_in() == "second");
  profiles.reset();
  CHECK(log_in() == "no_host_function");
  // A function that replaces itself while another thread withdraws it.
  std::promise<void> inside;
  client::Provided next;
  client::Provided self = world.context.provide("profile.fetch", [&] {
    inside.set_value();
    std::this_thread::sleep_for(20ms);
    next = world.context.provide("profile.fetch", [] { return Profile{"next"}; });
    return Profile{"self"};
  });
  auto running = world.context.async<LoggedIn>("session.login", User{"ada"});
  inside.get_future().wait();
  self.reset();
  CHECK(running.get().profile.name == "self");
  CHECK(log_in() == "next");
}

TEST_CASE("What a host function throws is the answer, with status, message and detail") {
  const World world = any_world();
  const auto log_in = [&](const std::string& user) {
    return world.context.try_call<LoggedIn>("session.login", User{user});
  };
  const auto profiles = world.context.provide<"profile.fetch">([](const User& user) -> Profile {
    if (user.user_id == "error") throw backplane::Error(1007, "no such user", Code{12});
    if (user.user_id == "std") throw std::runtime_error("a plain error");
    if (user.user_id == "int") throw 7;
    return {"\xff"};
  });
  const auto error = log_in("error");
  CHECK(error.status() == 1007);
  CHECK(error.message() == "no such user");
  CHECK(error.detail<Code>()->code == 12);
  CHECK(log_in("std").status() == BP_EXCEPTION);
  CHECK(log_in("std").message() == "a plain error");
  CHECK(log_in("int").status() == BP_EXCEPTION);
  CHECK(log_in("text").message().find("name: cannot be sent: text that is not UTF-8") != std::string::npos);
  const auto task = world.context.provide<"profile.fetch">([](User) -> client::Task<Profile> {
    throw backplane::Error(1008, "from a task");
    co_return Profile{};
  });
  CHECK(log_in("x").status() == 1008);
  const auto strict = world.context.provide<"profile.fetch">([](const Key&) { return Profile{}; });
  CHECK(log_in("x").status() == BP_BAD_PAYLOAD);  // a request is read strictly
}
