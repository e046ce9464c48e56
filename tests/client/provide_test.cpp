// SPDX-License-Identifier: Apache-2.0
//
// Host functions on a connection, and interfaces that are built into the application: also after the host was killed.
#include "worlds.hpp"

namespace {

client::ConnectOptions line_to(const HostProcess& host) {
  client::ConnectOptions options;
  options.socket_path = host.socket();
  options.reconnect = {.initial = 5ms, .max = 50ms};
  return options;
}

std::string log_in(const client::Context& context) {
  const auto result = context.try_call<LoggedIn>("session.login", User{"ada"}, {.deadline = 10s});
  return result.ok() ? result->profile.name : name_of(result.status());
}

struct Module {
  std::string hash, cddl;
};
Module desk_of(const client::Context& context) {
  for (const client::ModuleInfo& module : context.modules()) {
    if (module.name == "desk" && module.state == "running") return {module.interface_hash.value_or(""), module.cddl};
  }
  return {};
}

}  // namespace

TEST_CASE("A function on a connection comes back after the host was killed") {
  HostProcess host;
  const client::Context context = client::Context::connect(line_to(host));
  std::atomic<int> calls{0};
  client::Provided profiles = context.provide("profile.fetch", [&] {
    ++calls;
    return Profile{"ada"};
  });
  REQUIRE(log_in(context) == "ada");
  for (int i = 0; i < 3; ++i) {
    host.kill();
    host.start();
    REQUIRE(eventually([&] { return log_in(context) == "ada"; }));
  }
  CHECK(calls >= 4);
  profiles.reset();
  CHECK(log_in(context) == "no_host_function");
  host.kill();
  host.start();
  REQUIRE(eventually([&] { return log_in(context) == "no_host_function"; }));
}

TEST_CASE("A function that is provided while there is no connection is there with the next one") {
  HostProcess host;
  const client::Context context = client::Context::connect(line_to(host));
  host.kill();
  REQUIRE(eventually([&] { return !context.connected(); }));
  const auto profiles = context.provide("profile.fetch", [] { return Profile{"late"}; });
  host.start();
  REQUIRE(eventually([&] { return log_in(context) == "late"; }));
}

TEST_CASE("A name has one provider, and another connection is told so") {
  HostProcess host;
  auto options = line_to(host);
  const client::Context context = client::Context::connect(options);
  {
    const client::Context other = client::Context::connect(options);
    const auto profiles = other.provide("profile.fetch", [] { return Profile{"other"}; });
    try {
      static_cast<void>(context.provide("profile.fetch", [] { return Profile{"mine"}; }));
      FAIL("it must throw");
    } catch (const client::CallError& error) {
      CHECK(error.status() == BP_NAME_TAKEN);
      CHECK(error.message().find("another connection provides") != std::string::npos);
    }
    CHECK(log_in(context) == "other");
  }
  const auto profiles = context.provide("profile.fetch", [] { return Profile{"mine"}; });  // the other has gone
  CHECK(log_in(context) == "mine");
}

TEST_CASE("The handler learns that its provider has gone, and that the function may have run") {
  HostProcess host;
  const client::Context caller = client::Context::connect(line_to(host));
  std::atomic<bool> asked{false};
  std::optional<client::Completion<Profile>> never;
  std::future<LoggedIn> open;
  {
    const client::Context context = client::Context::connect(line_to(host));
    const auto profiles = context.provide("profile.fetch", [&](User, client::Completion<Profile> completion) {
      never.emplace(std::move(completion));
      asked = true;
    });
    open = caller.async<LoggedIn>("session.login", User{"ada"});
    REQUIRE(eventually([&] { return asked.load(); }));
  }
  try {
    open.get();
    FAIL("it must throw");
  } catch (const client::CallError& error) {
    CHECK(error.status() == BP_PROVIDER_LOST);
    CHECK(error.message().find("may have run") != std::string::npos);
  }
}

TEST_CASE("An interface that was built into the application is compared by the host, again after a reload") {
  HostProcess host;
  std::mutex mutex;
  std::vector<client::InterfaceChange> changes;
  auto options = line_to(host);
  options.on_interface_change = [&](const client::InterfaceChange& change) {
    const std::lock_guard lock(mutex);
    changes.push_back(change);
  };
  const auto seen = [&] {
    const std::lock_guard lock(mutex);
    return changes.size();
  };
  const client::Context context = client::Context::connect(options);
  const Module built = desk_of(context);
  REQUIRE(!built.cddl.empty());
  context.expect_interface("desk", built.hash, built.cddl);
  context.expect_interface("desk", "0123456789abcdef", built.cddl + "\n; other words\n");
  CHECK_THROWS_AS(context.expect_interface("none", built.hash, built.cddl), client::CallError);
  try {
    context.expect_interface("desk", "0123456789abcdef", built.cddl + "\ndesk.gone.request = {}\n");
    FAIL("it must throw");
  } catch (const client::CallError& error) {
    CHECK(error.status() == BP_INTERFACE_CHANGED);
    CHECK(error.message().find("desk.gone") != std::string::npos);
    CHECK(!error.Error::detail().empty());
  }
  // More names are no change that breaks it.
  context.expect_interface("desk", built.hash, built.cddl);
  static_cast<void>(context.reload("desk", module_file("desk_more")));
  const Module more = desk_of(context);
  REQUIRE(more.hash != built.hash);
  context.expect_interface("desk", built.hash, built.cddl);
  context.expect_interface("desk", more.hash, more.cddl);
  CHECK(seen() == 0);
  // Fewer are: the application was built for the larger one.
  static_cast<void>(context.reload("desk", module_file("desk")));
  REQUIRE(eventually([&] { return seen() == 1; }));
  const std::lock_guard lock(mutex);
  CHECK(changes[0].module == "desk");
  CHECK(changes[0].before == more.hash);
  CHECK(changes[0].now == built.hash);
  CHECK(changes[0].message.find("desk.more") != std::string::npos);
}

TEST_CASE("An embedded host compares the interface that was built into the application, too") {
  const World world = embedded();
  const Module built = desk_of(world.context);
  world.context.expect_interface("desk", built.hash, built.cddl);
  CHECK_THROWS_AS(world.context.expect_interface("desk", "0123456789abcdef", "desk.gone.request = {}\n"),
                  client::CallError);
}
