// SPDX-License-Identifier: Apache-2.0
//
// Partial replies and requests in parts, in both worlds.
#include "worlds.hpp"

TEST_CASE("Partial replies are a range, and the answer follows") {
  const World world = any_world();
  auto ticks = world.context.stream<Tick, Ticked>("timer.ticks", Ticks{5, 1});
  std::vector<std::uint32_t> seen;
  for (const Tick& tick : ticks) seen.push_back(tick.tick);
  CHECK(seen == std::vector<std::uint32_t>{1, 2, 3, 4, 5});
  CHECK(ticks.reply().ticks == 5);
  auto none = world.context.stream<Tick, Ticked>("timer.ticks", Ticks{0, 0});
  for (const Tick& tick : none) FAIL("there is no part " << tick.tick);
  CHECK(none.reply().ticks == 0);
  // The answer without the parts.
  CHECK(world.context.stream<Tick, Ticked>("timer.ticks", Ticks{3, 0}).reply().ticks == 3);
}

TEST_CASE("A slow reader holds its handler by the window, and gets every part") {
  const World world = any_world();
  client::CallOptions options;
  options.window_parts = 4;
  auto pieces = world.context.stream<Piece, Sum>("streams.send", Order{60, 1000, 0}, options);
  std::uint64_t count = 0;
  for (const Piece& piece : pieces) {
    CHECK(piece.number == count++);
    if (count % 20 == 0) std::this_thread::sleep_for(5ms);
  }
  CHECK(count == 60);
  CHECK(pieces.reply().bytes == 60'000);
  // A handler that does not wait sends only what the window takes: nobody reads yet.
  auto some = world.context.stream<Piece, Sum>("streams.try_send", Order{1000, 10, 0}, options);
  CHECK(some.reply().parts == 4);
  // Megabytes through a window of kilobytes.
  options.window_parts = 0;
  options.window_bytes = 65536;
  auto large = world.context.stream<Piece, Sum>("streams.send", Order{300, 20'000, 0}, options);
  count = 0;
  for (const Piece& piece : large) count += piece.data.size();
  CHECK(count == 6'000'000);
}

TEST_CASE("A stream that ends with an error throws it after its parts") {
  const World world = any_world();
  client::CallOptions options;
  options.deadline = 60ms;
  auto ticks = world.context.stream<Tick, Ticked>("timer.ticks", Ticks{10'000, 10}, options);
  std::uint32_t seen = 0;
  bp_status status = BP_OK;
  try {
    for (const Tick& tick : ticks) seen = tick.tick;
  } catch (const client::CallError& error) {
    status = error.status();
  }
  CHECK(seen >= 1);
  CHECK(status == BP_DEADLINE);
  CHECK(ticks.try_reply().status() == BP_DEADLINE);
  CHECK(world.context.stream<Tick, Ticked>("no.such").try_reply().status() == BP_UNKNOWN_NAME);
  CHECK(world.context.stream<Tick, Ticked>("").try_reply().status() == BP_INVALID_ARGUMENT);
}

TEST_CASE("A part of another form ends the stream and cancels the call") {
  const World world = any_world();
  auto pieces = world.context.stream<WrongPiece, Sum>("streams.send", Order{100'000, 10, 0});
  CHECK(pieces.next() == nullptr);
  const auto result = pieces.try_reply();
  CHECK(result.status() == BP_BAD_PAYLOAD);
  CHECK(result.message() == "part 1 has another form than expected: number: expected text, got int");
}

TEST_CASE("A stream that is left, canceled or stopped ends its handler") {
  World world = any_world();
  {
    auto left = world.context.stream<Tick, Ticked>("timer.ticks", Ticks{10'000, 1});
    REQUIRE(left.next() != nullptr);
  }
  auto canceled = world.context.stream<Tick, Ticked>("timer.ticks", Ticks{10'000, 1});
  canceled.cancel();
  CHECK(canceled.try_reply().status() == BP_CANCELED);
  std::stop_source source;
  client::CallOptions options;
  options.stop = source.get_token();
  auto stopped = world.context.stream<Tick, Ticked>("timer.ticks", Ticks{10'000, 1}, options);
  REQUIRE(stopped.next() != nullptr);
  source.request_stop();
  CHECK(stopped.try_reply().status() == BP_CANCELED);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(world.context.stop(10s) == BP_OK);  // no handler is left to wait for
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("A request goes in parts, and waits for its handler") {
  const World world = any_world();
  auto sum = world.context.upload<Piece, Sum>("streams.sum", Order{0, 5, 0});
  for (std::uint64_t i = 1; i <= 3000; ++i) REQUIRE(sum.part({i, std::string(1000, 'x')}));
  const Sum all = sum.reply();
  CHECK(all.parts == 3001);
  CHECK(all.bytes == 3'000'005);
}

TEST_CASE("A part that finds no room is not sent, if the caller does not wait") {
  const World world = any_world();
  auto slow = world.context.upload<Piece, Sum>("streams.slow_sum", Order{0, 0, 60'000});
  std::uint64_t sent = 0;
  std::optional<bool> last = true;
  while (sent < 20 && (last = slow.try_part({sent, std::string(200'000, 'x')}))) ++sent;
  CHECK_FALSE(last.has_value());
  CHECK(sent >= 4);  // 1 MiB
  CHECK(sent <= 8);
  slow.cancel();
  CHECK(slow.try_reply().status() == BP_CANCELED);
  CHECK_FALSE(slow.part({0, "x"}));
}

TEST_CASE("A part waits while too much waits to be sent to the host") {
  std::atomic<bool> full{false};
  HostProcess process;
  client::ConnectOptions options;
  options.socket_path = process.socket();
  const client::Context context = client::Context::connect(options);
  auto sum = context.upload<Piece, Sum>("streams.sum", Order{});
  process.signal(SIGSTOP);
  const backplane::Bytes large(1 << 20);
  for (int i = 0; i < 200 && !full; ++i) {
    context.submit<client::Raw>("echo.raw", backplane::View(large), [&](const client::Result<client::Raw>& result) {
      if (result.status() == BP_OVERLOADED) full = true;
    });
  }
  CHECK(full);
  CHECK_FALSE(sum.try_part({1, "x"}).has_value());
  std::jthread later([&] {
    std::this_thread::sleep_for(20ms);
    process.signal(SIGCONT);
  });
  CHECK(sum.part({1, "x"}));
  CHECK(sum.reply().parts == 2);
}

TEST_CASE(
    "A connected host that ignores the window of a call ends it, and takes no more memory than twice the window") {
  load_modules();
  const client::Context context = client::Host().context();
  client::detail::Core core(client::detail::Core::Kind::connected, nullptr, false);
  core.publish(context.native());
  const auto shared = std::make_shared<client::detail::PartialReplies>("streams.send");
  client::CallOptions options;
  options.window_bytes = 4096;
  shared->start(core, {"streams.send"}, Order{100, 1000, 0}, options, true);
  // Credit for what nobody has read makes this host send as if there were no window.
  REQUIRE(eventually([&] {
    bp_request_credit(shared->native(), shared->request(), 1 << 20);
    return !shared->credits();
  }));
  std::size_t bytes = 0;
  for (backplane::View part; shared->next(part);) bytes += part.size();
  CHECK(bytes <= 2 * 4096);
  CHECK(shared->failure().status == BP_PROTOCOL);
}

TEST_CASE("A part that waits gives the credit that the handler may wait for") {
  const World world = any_world();
  client::CallOptions options;
  options.window_bytes = 16 << 20;
  options.window_parts = 4;
  options.deadline = 60s;
  auto echo = world.context.upload<Piece, Sum, Piece>("streams.echo", Order{}, options);
  for (std::uint64_t i = 0; i < 4; ++i) {
    REQUIRE(echo.part({i, "x"}));
    REQUIRE(echo.next() != nullptr);
  }
  // No echo waits now. More than the window of the request: one is echoed, so that the others find room.
  for (std::uint64_t i = 4; i < 8; ++i) REQUIRE(echo.part({i, std::string(600'000, 'x')}));
  for (std::uint64_t i = 4; i < 8; ++i) REQUIRE(echo.next() != nullptr);
  CHECK(echo.reply().parts == 8);
}

TEST_CASE("Parts go both ways at once") {
  const World world = any_world();
  auto echo = world.context.upload<Piece, Sum, Piece>("streams.echo", Order{});
  for (std::uint64_t i = 0; i < 50; ++i) {
    REQUIRE(echo.part({i, "x"}));
    const Piece* const back = echo.next();
    REQUIRE(back != nullptr);
    CHECK(back->number == i);
  }
  CHECK(echo.reply().parts == 50);
  auto none = world.context.upload<Piece, Sum>("echo.shout", Shout{"x"});  // takes no parts
  CHECK(none.try_reply().status() == BP_NOT_SUPPORTED);
}
