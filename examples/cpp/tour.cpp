// SPDX-License-Identifier: Apache-2.0
//
// tour SOCKET: connects to a host that runs kv and timer, and shows what docs/embedding.md tells of the C++ client.
#include <backplane/client.hpp>
#include <iostream>

namespace client = backplane::client;
using namespace std::chrono_literals;

struct Entry {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (key, value))
struct Key {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(Key, (), (key))
struct Found {
  bool found = false;
  std::optional<std::string> value;
};
BOOST_DESCRIBE_STRUCT(Found, (), (found, value))
struct Changed {
  std::string key, change;
};
BOOST_DESCRIBE_STRUCT(Changed, (), (key, change))
struct Ticks {
  std::uint32_t count = 0, interval_ms = 0;
};
BOOST_DESCRIBE_STRUCT(Ticks, (), (count, interval_ms))
struct Tick {
  std::uint32_t tick = 0, of = 0;
};
BOOST_DESCRIBE_STRUCT(Tick, (), (tick, of))
struct Ticked {
  std::uint32_t ticks = 0;
};
BOOST_DESCRIBE_STRUCT(Ticked, (), (ticks))

client::Context connect(const std::string& path) {
  client::ConnectOptions options;
  options.socket_path = path;
  options.reconnect.max = 5s;
  options.on_state = [](const client::ConnectionState& state) { std::cerr << state.message << std::endl; };
  return client::Context::connect(options);
}

void errors(const client::Context& context) {
  const auto result = context.try_call<Found>("kv.get", Key{""});
  if (!result) std::cout << result.failure().name << ": " << result.message() << std::endl;
  try {
    context.call<void>("kv.put", Key{"no value"});
  } catch (const client::CallError& error) {
    std::cout << error.what() << std::endl;
  }
}

void bounds(const client::Context& context) {
  std::stop_source source;
  client::CallOptions options;
  options.deadline = 50ms;
  options.stop = source.get_token();
  const auto late = context.try_call<Ticked>("timer.ticks", Ticks{1, 10'000}, options);
  std::cout << bp_status_name(late.status()) << std::endl;
}

client::Task<std::string> value_of(const client::Context& context, std::string key) {
  auto call = context.call_async<Found>("kv.get", Key{key});
  const Found found = co_await call;
  co_return found.value.value_or("nothing");
}

void without_waiting(const client::Context& context) {
  std::future<Found> future = context.async<Found>("kv.get", Key{"tour"});
  std::promise<void> done;
  context.submit<Found>("kv.get", Key{"tour"}, [&](client::Result<Found> result) {
    std::cout << "callback: " << result->value.value_or("nothing") << std::endl;
    done.set_value();
  });
  done.get_future().wait();
  std::cout << "future: " << future.get().value.value_or("nothing") << std::endl;
  std::cout << "coroutine: " << client::run(value_of(context, "tour")) << std::endl;
}

void parts(const client::Context& context) {
  auto ticks = context.stream<Tick, Ticked>("timer.ticks", Ticks{3, 1});
  for (const Tick& tick : ticks) std::cout << tick.tick << " of " << tick.of << std::endl;
  std::cout << ticks.reply().ticks << " ticks" << std::endl;
}

client::Task<std::uint32_t> parts_of(const client::Context& context, std::uint32_t count) {
  auto ticks = context.stream_async<Tick, Ticked>("timer.ticks", Ticks{count, 1});
  while (const Tick* tick = co_await ticks.next()) std::cout << "tick " << tick->tick << std::endl;
  const Ticked all = co_await ticks.reply();
  co_return all.ticks;
}

int main(int, char** arguments) try {
  const client::Context context = connect(arguments[1]);
  std::promise<std::string> heard;
  const auto listener = context.on<Changed>(
      "kv.changed", [&](const Changed& event) { heard.set_value(event.key + " was " + event.change); },
      [](const client::Gap& gap) { std::cerr << "lost " << gap.lost << " events" << std::endl; });
  const auto put = context.method<Entry, void>("kv.put");
  put({"tour", "a value"});
  std::cout << heard.get_future().get() << std::endl;
  errors(context);
  bounds(context);
  without_waiting(context);
  parts(context);
  std::cout << client::run(parts_of(context, 2)) << " ticks" << std::endl;
} catch (const std::exception& error) {
  std::cerr << error.what() << std::endl;
  return 1;
}
