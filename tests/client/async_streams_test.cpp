// SPDX-License-Identifier: Apache-2.0
//
// Partial replies and requests in parts for coroutines, in both worlds.
#include <dlfcn.h>

#include "killable.hpp"
#include "worlds.hpp"

/// What the end of a request in parts gets in place of being sent. BP_OK: it is sent.
static std::atomic<bp_status> end_gets{BP_OK};

extern "C" bp_status bp_request_part(bp_context context, bp_request request, bp_bytes payload, std::uint32_t flags) {
  static const auto next = reinterpret_cast<decltype(&bp_request_part)>(::dlsym(RTLD_NEXT, "bp_request_part"));
  const bp_status refused = (flags & BP_PART_END) != 0 ? end_gets.load() : static_cast<bp_status>(BP_OK);
  return refused == BP_OK ? next(context, request, payload, flags) : refused;
}

namespace {

// A coroutine that is made of a stream keeps a reference to it, so the stream must not be a temporary.
template <class S>
concept gives_reply = requires(S&& stream) {
  std::forward<S>(stream).reply();
};
template <class S>
concept gives_result = requires(S&& stream) {
  std::forward<S>(stream).try_reply();
};
template <class S>
concept sends = requires(S&& stream, const Piece& piece) {
  std::forward<S>(stream).part(piece);
};
template <class S>
concept finishes = requires(S&& stream) {
  std::forward<S>(stream).finish();
};
using Ticking = client::AsyncStream<Tick, Ticked>;
using Summing = client::AsyncUpload<Piece, Sum>;
static_assert(gives_reply<Ticking&> && !gives_reply<Ticking>);
static_assert(gives_result<Ticking&> && !gives_result<Ticking>);
static_assert(gives_reply<Summing&> && !gives_reply<Summing>);
static_assert(gives_result<Summing&> && !gives_result<Summing>);
static_assert(sends<Summing&> && !sends<Summing>);
static_assert(finishes<Summing&> && !finishes<Summing>);

/// Counts how often it resumes.
Killable counts(int* resumed) {
  for (;;) {
    co_await std::suspend_always();
    ++*resumed;
  }
}

/// Where one coroutine waits.
class Place : public std::enable_shared_from_this<Place> {
 public:
  void wait(const Killable& coroutine, client::Executor* executor) {
    const std::lock_guard lock(mutex_);
    slot_.put(coroutine.handle, executor);
  }
  void wake() {
    std::unique_lock lock(mutex_);
    slot_.wake(lock, shared_from_this());
  }
  void forget() {
    std::unique_lock lock(mutex_);
    slot_.forget(lock);
  }

 private:
  std::mutex mutex_;
  client::detail::CoroutineSlot slot_{mutex_};
};

/// Runs its first job at once. The coroutine waits again then, and another thread wakes it before post() returns. The
/// second post() returns when the test says so.
struct Nested final : client::Executor {
  void post(client::Job& job) noexcept override {
    if (++posts == 1) {
      job.run();
      place->wait(coroutine, this);
      other = std::jthread([this] { place->wake(); });
      entered.get_future().wait();
    } else {
      second = &job;
      entered.set_value();
      gate.get_future().wait();
    }
  }

  std::shared_ptr<Place> place = std::make_shared<Place>();
  Killable coroutine{};
  std::atomic<int> posts{0};
  client::Job* second = nullptr;
  std::promise<void> entered, gate;
  std::jthread other;
};

client::Task<std::vector<std::uint32_t>> numbers(client::AsyncStream<Tick, Ticked>& ticks) {
  std::vector<std::uint32_t> seen;
  while (const Tick* tick = co_await ticks.next()) seen.push_back(tick->tick);
  co_return seen;
}

client::Task<std::uint64_t> count_pieces(client::AsyncStream<Piece, Sum>& pieces, std::uint64_t* bytes) {
  std::uint64_t count = 0;
  while (const Piece* piece = co_await pieces.next()) {
    if (piece->number != count++) co_return 0;
    *bytes += piece->data.size();
  }
  co_return count;
}

client::Task<Sum> sum_up(const client::Context& context, std::uint64_t count, std::size_t size) {
  auto upload = context.upload_async<Piece, Sum>("streams.sum", Order{0, 5, 0});
  for (std::uint64_t i = 1; i <= count; ++i) {
    const Piece piece{i, std::string(size, 'x')};
    if (!co_await upload.part(piece)) break;
  }
  co_return co_await upload.reply();
}

}  // namespace

TEST_CASE("A coroutine reads partial replies one by one, and the answer follows") {
  const World world = any_world();
  auto ticks = world.context.stream_async<Tick, Ticked>("timer.ticks", Ticks{5, 1});
  CHECK(client::run(numbers(ticks)) == std::vector<std::uint32_t>{1, 2, 3, 4, 5});
  CHECK(client::run(ticks.reply()).ticks == 5);
  CHECK(client::run(numbers(ticks)).empty());
  auto none = world.context.stream_async<Tick, Ticked>("timer.ticks", Ticks{0, 0});
  CHECK(client::run(numbers(none)).empty());
  CHECK(client::run(none.reply()).ticks == 0);
  auto left = world.context.stream_async<Tick, Ticked>("timer.ticks", Ticks{3, 0});
  CHECK(client::run(left.reply()).ticks == 3);  // the parts are dropped
}

TEST_CASE("A coroutine makes room for parts as it reads them") {
  const World world = any_world();
  client::CallOptions options;
  options.window_parts = 4;
  std::uint64_t bytes = 0;
  auto pieces = world.context.stream_async<Piece, Sum>("streams.send", Order{200, 1000, 0}, options);
  CHECK(client::run(count_pieces(pieces, &bytes)) == 200);
  CHECK(bytes == 200'000);
  auto some = world.context.stream_async<Piece, Sum>("streams.try_send", Order{1000, 10, 0}, options);
  CHECK(client::run(some.reply()).parts == 4);
  options.window_parts = 0;
  options.window_bytes = 65536;
  bytes = 0;
  auto large = world.context.stream_async<Piece, Sum>("streams.send", Order{300, 20'000, 0}, options);
  CHECK(client::run(count_pieces(large, &bytes)) == 300);
  CHECK(bytes == 6'000'000);
}

TEST_CASE("An async stream that ends with an error tells it after its parts") {
  const World world = any_world();
  client::CallOptions options;
  options.deadline = 500ms;
  auto ticks = world.context.stream_async<Tick, Ticked>("timer.ticks", Ticks{10'000, 10}, options);
  CHECK_FALSE(client::run(numbers(ticks)).empty());
  CHECK(client::run(ticks.try_reply()).status() == BP_DEADLINE);
  CHECK_THROWS_AS(client::run(ticks.reply()), client::CallError);
  auto unknown = world.context.stream_async<Tick, Ticked>("no.such");
  CHECK(client::run(unknown.try_reply()).status() == BP_UNKNOWN_NAME);
  auto wrong = world.context.stream_async<WrongPiece, Sum>("streams.send", Order{100'000, 10, 0});
  const auto result = client::run(wrong.try_reply());
  CHECK(result.status() == BP_BAD_PAYLOAD);
  CHECK(result.message() == "part 1 has another form than expected: number: expected text, got int");
}

TEST_CASE("An async stream is canceled by itself, by a token, and by the end of its coroutine") {
  World world = any_world();
  auto canceled = world.context.stream_async<Tick, Ticked>("timer.ticks", Ticks{10'000, 1});
  std::jthread later([&] {
    std::this_thread::sleep_for(5ms);
    canceled.cancel();
  });
  CHECK(client::run(canceled.try_reply()).status() == BP_CANCELED);
  std::stop_source source;
  client::CallOptions options;
  options.stop = source.get_token();
  auto stopped = world.context.stream_async<Tick, Ticked>("timer.ticks", Ticks{10'000, 1}, options);
  source.request_stop();
  CHECK(client::run(stopped.try_reply()).status() == BP_CANCELED);
  // Destroyed where it waits for a part that never comes, and with the executor between.
  client::Loop loop;
  options.stop = {};
  options.executor = &loop;
  for (int i = 0; i < 50; ++i) {
    const auto reads = [](const client::Context& context, const client::CallOptions& with, int* seen) -> Killable {
      auto ticks = context.stream_async<Tick, Ticked>("timer.ticks", Ticks{10'000, 1}, with);
      while (co_await ticks.next() != nullptr) ++*seen;
    };
    int seen = 0;
    const Killable killable = reads(world.context, options, &seen);
    std::this_thread::sleep_for(std::chrono::microseconds(100 * i));
    if (i % 2 != 0) loop.run_one();
    killable.handle.destroy();
    const int then = seen;
    while (loop.run_one()) {
    }
    CHECK(seen == then);
  }
  const auto begin = std::chrono::steady_clock::now();
  CHECK(world.context.stop(10s) == BP_OK);  // no handler is left to wait for
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("Without an executor an async stream resumes on the thread that brings the parts") {
  const World world = any_world();
  std::promise<bool> elsewhere;
  const auto reads = [](const client::Context& context, std::promise<bool>& done) -> client::Task<> {
    const auto here = std::this_thread::get_id();
    auto ticks = context.stream_async<Tick, Ticked>("timer.ticks", Ticks{20, 1});
    std::uint32_t count = 0;
    while (co_await ticks.next() != nullptr) ++count;
    const Ticked all = co_await ticks.reply();
    done.set_value(all.ticks == 20 && count == 20 && std::this_thread::get_id() != here);
  };
  client::detach(reads(world.context, elsewhere));
  CHECK(elsewhere.get_future().get());
}

TEST_CASE("A coroutine sends a request in parts, and awaits its end") {
  const World world = any_world();
  const Sum all = client::run(sum_up(world.context, 3000, 1000));
  CHECK(all.parts == 3001);
  CHECK(all.bytes == 3'000'005);
  CHECK(client::run(sum_up(world.context, 0, 0)).parts == 1);
  auto none = world.context.upload_async<Piece, Sum>("echo.shout", Shout{"x"});  // takes no parts
  CHECK(client::run(none.try_reply()).status() == BP_NOT_SUPPORTED);
  auto slow = world.context.upload_async<Piece, Sum>("streams.slow_sum", Order{0, 0, 60'000});
  const auto fills = [](client::AsyncUpload<Piece, Sum>& upload) -> client::Task<std::uint64_t> {
    const Piece piece{0, std::string(200'000, 'x')};
    std::uint64_t sent = 0;
    while (co_await upload.part(piece)) ++sent;
    co_return sent;
  };
  std::jthread later([&] {
    std::this_thread::sleep_for(50ms);
    slow.cancel();
  });
  CHECK(client::run(fills(slow)) <= 8);  // it waits for room until the cancel
  CHECK(client::run(slow.try_reply()).status() == BP_CANCELED);
}

TEST_CASE("A coroutine sends and reads parts in turns") {
  const World world = any_world();
  const auto turns = [](const client::Context& context) -> client::Task<std::uint64_t> {
    auto echo = context.upload_async<Piece, Sum, Piece>("streams.echo", Order{});
    for (std::uint64_t i = 0; i < 50; ++i) {
      const Piece piece{i, "x"};
      if (!co_await echo.part(piece)) co_return 0;
      const Piece* const back = co_await echo.next();
      if (back == nullptr || back->number != i) co_return 0;
    }
    co_return (co_await echo.reply()).parts;
  };
  CHECK(client::run(turns(world.context)) == 50);
}

TEST_CASE("A coroutine's part waits while too much waits to be sent to the host") {
  std::atomic<bool> full{false};
  HostProcess process;
  client::ConnectOptions options;
  options.socket_path = process.socket();
  const client::Context context = client::Context::connect(options);
  auto sum = context.upload_async<Piece, Sum>("streams.sum", Order{});
  process.signal(SIGSTOP);
  const backplane::Bytes large(1 << 20);
  for (int i = 0; i < 200 && !full; ++i) {
    context.submit<client::Raw>("echo.raw", backplane::View(large), [&](const client::Result<client::Raw>& result) {
      if (result.status() == BP_OVERLOADED) full = true;
    });
  }
  CHECK(full);
  std::jthread later([&] {
    std::this_thread::sleep_for(20ms);
    process.signal(SIGCONT);
  });
  const Piece piece{1, "x"};
  CHECK(client::run(sum.part(piece)));
  CHECK(client::run(sum.reply()).parts == 2);
}

TEST_CASE("An upload whose finish() is destroyed while it waits is finished by its reply()") {
  client::Loop loop;
  client::CommonOptions common;
  common.executor = &loop;
  const World world = any_world(common);
  client::CallOptions options;
  options.deadline = 2s;
  auto sum = world.context.upload_async<Piece, Sum>("streams.sum", Order{0, 5, 0}, options);
  const auto ends = [](Summing& upload) -> Killable { co_await upload.finish(); };
  end_gets = BP_OUT_OF_MEMORY;
  const Killable killed = ends(sum);
  CHECK_FALSE(killed.handle.done());
  killed.handle.destroy();
  end_gets = BP_OK;
  CHECK(client::run(sum.try_reply()).status() == BP_OK);
}

TEST_CASE("An upload whose end cannot be sent says so in its result") {
  const World world = any_world();
  auto sum = world.context.upload_async<Piece, Sum>("streams.sum", Order{0, 5, 0});
  end_gets = BP_ERROR;
  CHECK(client::run(sum.try_reply()).status() == BP_ERROR);
  CHECK_THROWS_AS(client::run(sum.reply()), client::CallError);
  end_gets = BP_OK;
  CHECK(client::run(sum.reply()).parts == 1);
}

TEST_CASE("A coroutine resumes on its own executor, also if another one has waited before it") {
  client::Loop first, second;
  const auto place = std::make_shared<Place>();
  int resumed = 0;
  const Killable gone = counts(&resumed), stays = counts(&resumed);
  place->wait(gone, &first);
  place->wake();
  place->forget();
  gone.handle.destroy();
  place->wait(stays, &second);
  place->wake();
  CHECK(first.run_one());
  CHECK(resumed == 0);
  CHECK(second.run_one());
  CHECK(resumed == 1);
  CHECK_FALSE(first.run_one());
  stays.handle.destroy();
}

TEST_CASE("The end of a coroutine waits for each executor that is given its job") {
  Nested executor;
  int resumed = 0;
  executor.coroutine = counts(&resumed);
  executor.place->wait(executor.coroutine, &executor);
  executor.place->wake();
  CHECK(resumed == 1);
  std::atomic<bool> forgotten{false};
  std::jthread forgets([&] {
    executor.place->forget();
    forgotten = true;
  });
  std::this_thread::sleep_for(50ms);
  CHECK_FALSE(forgotten);
  executor.gate.set_value();
  forgets.join();
  executor.other.join();
  executor.coroutine.handle.destroy();
  executor.second->run();
  CHECK(resumed == 1);
}
