// SPDX-License-Identifier: Apache-2.0
//
// Modules, interfaces, and the end of a context.
#include "worlds.hpp"

TEST_CASE("A context that ends answers each open call once, and later calls are refused") {
  std::optional<World> world(any_world());
  std::atomic<int> ended{0}, canceled{0};
  for (int i = 0; i < 100; ++i) {
    world->context.submit<Nap>("desk.nap", Nap{600'000}, [&](client::Result<Nap> result) {
      canceled += result.status() == BP_CANCELED;
      ++ended;
    });
  }
  auto future = world->context.async<Nap>("desk.nap", Nap{600'000});
  auto stream = world->context.stream<Tick, Ticked>("timer.ticks", Ticks{10'000, 5});
  const auto method = world->context.method<Nap, Nap>("desk.nap");
  auto listener = world->context.on<Happened>("desk.happened", [](const Happened&) {});
  SECTION("stop, then destroy") {
    CHECK(world->context.stop(10ms) == BP_OK);
    CHECK(ended == 100);
    const auto refused = world->context.try_call<Shouted>("echo.shout", Shout{"x"});
    CHECK(refused.status() == BP_CLOSED);
    CHECK(world->context.stop() == BP_OK);
    world.reset();
  }
  SECTION("close first") {
    world->context.close();
    CHECK(world->context.try_call<Shouted>("echo.shout", Shout{"x"}).status() == BP_CLOSED);
    CHECK(ended == 0);
    CHECK(world->context.stop(10ms) == BP_OK);
    world.reset();
  }
  SECTION("destroy alone") { world.reset(); }
  CHECK(ended == 100);
  CHECK(canceled == 100);
  CHECK_THROWS_AS(future.get(), client::CallError);
  CHECK(stream.try_reply().status() == BP_CANCELED);
  // What is left of it does nothing.
  CHECK(method.try_call({1}).status() == BP_CLOSED);
  listener.reset();
}

TEST_CASE("An accepted call that ends in time is answered by a stop") {
  World world = any_world();
  auto future = world.context.async<Nap>("desk.nap", Nap{30});
  CHECK(world.context.stop(10s) == BP_OK);
  CHECK(future.get().ms == 30);
}

TEST_CASE("A context may end on a thread of the host; another thread does the rest") {
  auto world = std::make_shared<World>(any_world());
  std::promise<void> gone;
  world->context.submit<Nap>("desk.nap", Nap{0}, [&](client::Result<Nap>) mutable {
    while (world.use_count() > 1) std::this_thread::yield();
    world.reset();
    gone.set_value();
  });
  CHECK(gone.get_future().wait_for(long_enough) == std::future_status::ready);
}

TEST_CASE("What a callback that hangs uses is kept until it returns, and freed then") {
  load_modules();
  client::ContextOptions options;
  options.native.stop_timeout_ms = 10;
  std::optional<client::Context> context(client::Host().context(options));
  auto owned = std::make_shared<std::string>("owned by the callback");
  const std::weak_ptr<std::string> watch = owned;
  std::promise<void> inside, go_on;
  std::promise<std::string> seen;
  auto listener = context->on<Happened>("desk.happened", [&, owned = std::move(owned)](const Happened&) {
    inside.set_value();
    go_on.get_future().wait();
    seen.set_value(*owned);
  });
  context->call<Nap>("desk.tell", Tell{1});
  inside.get_future().wait();
  context.reset();
  listener.reset();
  CHECK_FALSE(watch.expired());
  go_on.set_value();
  CHECK(eventually([&] { return watch.expired(); }));
  CHECK(seen.get_future().get() == "owned by the callback");
}

TEST_CASE("A moved context is the same; a context that is assigned over ends when its new place does") {
  World first = any_world();
  client::Context moved = std::move(first.context);
  CHECK(moved.call<Nap>("desk.nap", Nap{1}).ms == 1);
}

TEST_CASE("Modules are loaded, listed, reloaded and unloaded, with typed reports") {
  load_modules();
  HostProcess process;
  client::ConnectOptions options;
  options.socket_path = process.socket();
  const client::Context context = client::Context::connect(options);
  const auto exists = context.try_load(module_file("desk"));
  CHECK(exists.status() == BP_NAME_TAKEN);
  CHECK(context.unload("desk").outcome == "gone");
  CHECK(context.try_unload("desk").status() == BP_NOT_LOADED);
  CHECK(context.load(module_file("desk")).module == "desk");
  const auto report = context.reload("desk", module_file("desk_more"));
  CHECK(report.module == "desk");
  CHECK(report.old.outcome == "gone");
  CHECK(context.call<Nap>("desk.more", Nap{1}).ms == 1);
  bool listed = false;
  for (const client::ModuleInfo& module : context.modules()) {
    listed = listed || (module.name == "desk" && module.state == "running" && !module.cddl.empty());
  }
  CHECK(listed);
  const auto none = context.try_load("/no/such/file.so");
  CHECK(none.status() == BP_LOAD_REFUSED);
  CHECK(none.message().find("/no/such/file.so") != std::string::npos);
}

TEST_CASE("An interface is compared with that of a file, and each reload says what has changed") {
  HostProcess process;
  client::ConnectOptions options;
  options.socket_path = process.socket();
  const client::Context context = client::Context::connect(options);
  const auto changes_of = [](const client::CompareReport& report) {
    CHECK(report.module == "desk");
    CHECK(report.verdict == "compatible");
    CHECK(report.from.generation.has_value());
    CHECK(report.from.interface_hash != report.to.interface_hash);
    std::set<std::string> where;
    for (const client::CompareChange& change : report.changes) where.insert(change.where);
    return where;
  };
  CHECK(changes_of(context.compare("desk", module_file("desk_more"))).contains("desk.more"));
  CHECK(context.try_call<Nap>("desk.more", Nap{1}).status() == BP_UNKNOWN_NAME);
  CHECK(context.try_compare("none", module_file("desk_more")).status() == BP_NOT_LOADED);
  client::LoadOptions flags;
  flags.flags = BP_LOAD_COMPARE;
  const auto refused = context.try_reload("desk", module_file("desk_more"), client::Empty{}, flags);
  CHECK(refused.status() == BP_INVALID_ARGUMENT);
  CHECK(refused.message().find("call compare()") != std::string::npos);
  const auto report = context.reload("desk", module_file("desk_more"));
  REQUIRE(report.compare.has_value());
  CHECK(changes_of(*report.compare).contains("desk.more"));
}

TEST_CASE("A module gets its configuration from a struct") {
  const client::Host host;
  load_modules();
  struct Config {
    static std::map<std::string, std::string> prefix(const std::string& text) { return {{"prefix", text}}; }
  };
  static_cast<void>(host.reload("echo", "", Config::prefix("say ")));
  const World world = embedded();
  CHECK(world.context.call<Shouted>("echo.shout", Shout{"x"}).shouted == "say X");
  const auto wrong = host.try_reload("echo", "", std::map<std::string, std::string>{{"prefox", "x"}});
  CHECK_FALSE(wrong);
  CHECK(wrong.message().find("prefox") != std::string::npos);
  static_cast<void>(host.reload("echo", "", Config::prefix("")));
}

TEST_CASE("A change of an interface is reported after a reload and after a reconnect") {
  HostProcess process;
  process.kill();
  process.start({"desk", "echo"});
  std::mutex mutex;
  std::vector<client::InterfaceChange> changes;
  std::atomic<int> connected{0};
  client::ConnectOptions options;
  options.socket_path = process.socket();
  options.reconnect = {.initial = 5ms, .max = 50ms};
  options.on_interface_change = [&](const client::InterfaceChange& change) {
    const std::lock_guard lock(mutex);
    changes.push_back(change);
  };
  options.on_state = [&](const client::ConnectionState& state) {
    connected += state.kind == client::ConnectionState::Kind::connected;
  };
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return changes.size();
  };
  const client::Context context = client::Context::connect(options);
  std::string hash;
  for (const client::ModuleInfo& module : context.modules()) {
    if (module.name == "desk") hash = module.interface_hash.value_or("");
  }
  REQUIRE(hash.size() == 16);
  CHECK_THROWS_AS(context.expect_interface("none", hash), client::CallError);
  try {
    context.expect_interface("desk", "0123456789abcdef");
    FAIL("it must throw");
  } catch (const client::CallError& error) {
    CHECK(error.message().find("found the interface " + hash + ", expected 0123456789abcdef") == 0);
  }
  context.expect_interface("desk", hash);
  const auto nap = context.method<Nap, Nap>("desk.nap");
  static_cast<void>(context.reload("desk"));  // the same file
  static_cast<void>(context.reload("desk", module_file("desk_more")));
  REQUIRE(eventually([&] { return count() == 1; }));
  CHECK(changes[0].module == "desk");
  CHECK(changes[0].before == hash);
  CHECK(changes[0].now != hash);
  process.kill();
  process.start({"desk", "echo"});
  REQUIRE(eventually([&] { return count() == 2; }));
  CHECK(changes[1].now == hash);
  process.kill();
  process.start({"echo"});
  REQUIRE(eventually([&] { return count() == 3; }));
  CHECK(changes[2].now.empty());
}

TEST_CASE("The first change of an interface is reported for the module of a method handle, too") {
  HostProcess process;
  std::mutex mutex;
  std::vector<client::InterfaceChange> changes;
  client::ConnectOptions options;
  options.socket_path = process.socket();
  options.on_interface_change = [&](const client::InterfaceChange& change) {
    const std::lock_guard lock(mutex);
    changes.push_back(change);
  };
  const client::Context context = client::Context::connect(options);
  const auto nap = context.method<Nap, Nap>("desk.nap");
  std::this_thread::sleep_for(300ms);  // it looks on a thread of its own
  static_cast<void>(context.reload("desk", module_file("desk_more")));
  REQUIRE(eventually([&] {
    const std::lock_guard lock(mutex);
    return changes.size() == 1;
  }));
  CHECK(changes[0].module == "desk");
}

TEST_CASE("An interface is that of the generation that runs, also while an older one drains") {
  HostProcess process;
  client::ConnectOptions options;
  options.socket_path = process.socket();
  const client::Context context = client::Context::connect(options);
  const auto hash_of = [&](std::string_view state) {
    for (const client::ModuleInfo& module : context.modules()) {
      if (module.name == "desk" && module.state == state) return module.interface_hash.value_or("");
    }
    return std::string();
  };
  const std::string before = hash_of("running");
  auto open = context.async<Nap>("desk.nap", Nap{700});
  std::jthread reload([&] { static_cast<void>(context.try_reload("desk", module_file("desk_more"))); });
  REQUIRE(eventually([&] { return hash_of("draining") == before && hash_of("running") != before; }));
  CHECK_NOTHROW(context.expect_interface("desk", hash_of("running")));
  CHECK_THROWS_AS(context.expect_interface("desk", before), client::CallError);
  CHECK(open.get().ms == 700);
}

TEST_CASE("A library of another major version is refused with both versions; a newer or older minor one serves") {
  CHECK_NOTHROW(client::detail::check_library(BP_ABI_MAJOR << 16 | 99, "1.2.3"));
  try {
    client::detail::check_library((BP_ABI_MAJOR + 1) << 16 | 4, "9.8.7");
    FAIL("it must throw");
  } catch (const client::CallError& error) {
    CHECK(error.status() == BP_NOT_SUPPORTED);
    CHECK(error.message() ==
          backplane::join("found libbackplane 9.8.7 with ABI ", BP_ABI_MAJOR + 1, ".4; expected ABI ", BP_ABI_MAJOR,
                          ".x, as of the headers ", BP_VERSION_STRING,
                          "; compile the application with the headers of the library, or install that version"));
  }
}

TEST_CASE("A host is configured once, before it runs") {
  load_modules();
  const World world = embedded();
  client::HostOptions options;
  options.worker_threads = 2;
  CHECK_THROWS_AS(client::Host(options), client::CallError);
}
