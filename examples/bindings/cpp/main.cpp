// SPDX-License-Identifier: Apache-2.0
//
// The module timer, from generated C++: see README.md beside this file.
#include <iostream>

#include "timer.hpp"

namespace client = backplane::client;

client::Task<std::string> echoed(const timer::Timer& timer, std::string text) {
  auto call = timer.echo.call_async({text, 5});
  const timer::Echoed reply = co_await call;
  co_return reply.echoed;
}

int main(int count, char** arguments) try {
  const client::Host host;
  host.load(count > 1 ? arguments[1] : "timer.so");
  client::Context context = host.context();
  const timer::Timer timer(context);  // checks the interface

  auto fired = timer.on_echo_fired.range();
  std::cout << "answer: " << timer.echo({.message = "hello", .delay_ms = 10}).echoed << std::endl;
  std::cout << "event: number " << fired.next()->echo_count << std::endl;

  auto ticks = timer.ticks({.count = 3, .interval_ms = 1});
  for (const timer::Tick& tick : ticks) std::cout << "tick " << tick.tick << " of " << tick.of << std::endl;
  std::cout << "ticks: " << ticks.reply().ticks << std::endl;

  std::cout << "coroutine: " << client::run(echoed(timer, "again")) << std::endl;

  const auto result = timer.echo.try_call({.message = "late", .delay_ms = 60001});
  if (timer::InvalidArgumentError::of(result)) std::cout << "error: " << result.message() << std::endl;
} catch (const client::CallError& error) {
  std::cerr << error.what() << std::endl;
  return 1;
}
