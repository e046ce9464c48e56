// SPDX-License-Identifier: Apache-2.0
//
// Partial replies and requests in parts through generated C++, with and without coroutines.
//
//   bindings_cpp_parts embedded TIMER STREAMS    the modules are loaded from these files
//   bindings_cpp_parts connected SOCKET
#include <iostream>
#include <streams.hpp>
#include <timer.hpp>

namespace {

namespace client = backplane::client;
using client::CallError;

int faults = 0;

void check(bool right, std::string_view what) {
  if (right) return;
  ++faults;
  std::cerr << "wrong: " << what << std::endl;
}

client::Task<> read_ticks(const timer::Timer& timer) {
  auto ticks = timer.ticks.stream_async({3, 1});
  std::uint32_t seen = 0;
  while (const timer::Tick* tick = co_await ticks.next()) check(tick->tick == ++seen && tick->of == 3, "a tick");
  const timer::Ticked all = co_await ticks.reply();
  check(seen == 3 && all.ticks == 3, "all ticks");
}

client::Task<bp_status> late(const timer::Timer& timer) {
  client::CallOptions options;
  options.deadline = client::Milliseconds(30);
  auto ticks = timer.ticks.stream_async({10'000, 5}, options);
  std::uint32_t seen = 0;
  while (co_await ticks.next() != nullptr) ++seen;
  check(seen < 10'000, "the deadline comes first");
  co_return (co_await ticks.try_reply()).status();
}

client::Task<bp_status> canceled(const timer::Timer& timer) {
  auto ticks = timer.ticks.stream_async({10'000, 1});
  check(co_await ticks.next() != nullptr, "a tick before the cancel");
  ticks.cancel();
  co_return (co_await ticks.try_reply()).status();
}

client::Task<streams::Sum> sum(const streams::Streams& streams, std::uint64_t count) {
  auto upload = streams.sum.upload_async({0, 0, 0});
  for (std::uint64_t number = 1; number <= count; ++number) {
    const streams::Piece piece{number, std::string(1000, 'x')};
    check(co_await upload.part(piece), "a part finds room");
  }
  co_return co_await upload.reply();
}

client::Task<streams::Sum> echo(const streams::Streams& streams) {
  auto upload = streams.echo.upload_async({0, 0, 0});
  for (std::uint64_t number = 1; number <= 20; ++number) {
    const streams::Piece piece{number, "x"};
    check(co_await upload.part(piece), "a part is sent");
    const streams::Piece* const back = co_await upload.next();
    check(back != nullptr && back->number == number, "the part comes back");
  }
  co_return co_await upload.reply();
}

void with_coroutines(const timer::Timer& timer, const streams::Streams& streams) {
  client::run(read_ticks(timer));
  check(client::run(late(timer)) == BP_DEADLINE, "the deadline of a stream");
  check(client::run(canceled(timer)) == BP_CANCELED, "a stream that is canceled");
  const streams::Sum all = client::run(sum(streams, 2000));
  check(all.parts == 2001 && all.bytes == 2'000'000, "an upload of a coroutine");
  check(client::run(echo(streams)).parts == 20, "parts of a coroutine, both ways");
}

void with_threads(const timer::Timer& timer, const streams::Streams& streams) {
  std::uint32_t seen = 0;
  for (const timer::Tick& tick : timer.ticks({3, 1})) check(tick.tick == ++seen, "a tick of a range");
  check(seen == 3, "all ticks of a range");
  std::vector<streams::Piece> pieces(2000);
  for (std::uint64_t i = 0; i < pieces.size(); ++i) pieces[i] = {i + 1, std::string(1000, 'x')};
  const streams::Sum all = streams.sum.send({0, 0, 0}, pieces);
  check(all.parts == 2001 && all.bytes == 2'000'000, "an upload of a range");
  auto upload = streams.echo({0, 0, 0});
  for (std::uint64_t number = 1; number <= 20; ++number) {
    check(upload.part({number, "x"}), "a part is sent");
    const streams::Piece* const back = upload.next();
    check(back != nullptr && back->number == number, "the part comes back");
  }
  check(upload.reply().parts == 20, "parts both ways");
}

int calls(const client::Context& context) {
  const timer::Timer timer(context);
  const streams::Streams streams(context);
  with_coroutines(timer, streams);
  with_threads(timer, streams);
  return faults == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) try {
  if (count == 3 && arguments[1] == std::string_view("connected")) {
    client::ConnectOptions options;
    options.socket_path = arguments[2];
    return calls(client::Context::connect(options));
  }
  const client::Host host;
  for (int i = 2; i < count; ++i) host.load(arguments[i]);
  return calls(host.context());
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << std::endl;
  return 1;
}
