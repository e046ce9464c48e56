// SPDX-License-Identifier: Apache-2.0
//
// profiles PLUGINS [SOCKET]: embeds a host, loads kv, session and timer from the folder PLUGINS, and logs a user in.
#include <backplane/client.hpp>
#include <iostream>

namespace client = backplane::client;

struct Profile {
  std::string name, city;
};
BOOST_DESCRIBE_STRUCT(Profile, (), (name, city))
struct Entry {
  std::string key;
  Profile value;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (key, value))
struct Key {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(Key, (), (key))
struct Found {
  bool found = false;
  std::optional<Profile> value;
};
BOOST_DESCRIBE_STRUCT(Found, (), (found, value))
struct User {
  std::string user_id;
};
BOOST_DESCRIBE_STRUCT(User, (), (user_id))
struct LoggedIn {
  std::string user_id;
  Profile profile;
};
BOOST_DESCRIBE_STRUCT(LoggedIn, (), (user_id, profile))
struct Ticks {
  std::uint32_t count = 0, interval_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Ticks, (), (count, interval_ms))
struct Tick {
  std::uint32_t tick = 0, of = 0;
};
BOOST_DESCRIBE_STRUCT(Tick, (), (tick, of))

client::Task<> log_in(const client::Context& context, std::string user) {
  auto call = context.call_async<LoggedIn>("session.login", User{user});
  const LoggedIn in = co_await call;
  // One text: the event comes on another thread, which prints, too.
  std::cout << in.user_id + " is " + in.profile.name + " of " + in.profile.city + "\n" << std::flush;
}

int main(int, char** arguments) try {
  const client::Host host;
  for (const std::string module : {"kv", "session", "timer"}) host.load(arguments[1] + ("/" + module + ".so"));
  client::Context context = host.context();
  context.call<void>("kv.put", Entry{"ada", {"Ada Lovelace", "London"}});
  const auto profiles = context.provide<"profile.fetch">([&](User user) -> client::Task<Profile> {
    auto call = context.call_async<Found>("kv.get", Key{user.user_id});
    const Found found = co_await call;
    if (!found.value) throw backplane::Error(BP_NOT_FOUND, "there is no user " + user.user_id);
    co_return *found.value;
  });
  const auto logins = context.on<User>("session.logged_in", [](const User& user) {
    std::cout << user.user_id + " came\n" << std::flush;
  });
  client::run(log_in(context, "ada"));
  for (const Tick& tick : context.stream<Tick, client::Raw>("timer.ticks", Ticks{3, 10})) {
    std::cout << "tick " << tick.tick << " of " << tick.of << std::endl;
  }
  return context.stop() == BP_OK ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << std::endl;
  return 1;
}
