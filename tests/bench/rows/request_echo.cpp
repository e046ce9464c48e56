// SPDX-License-Identifier: Apache-2.0
//
// A small request there and back through the public functions: by method handle, with a callback, many in flight.
#include <array>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../embedded.hpp"
#include "../rounds.hpp"
#include "asio_floor.hpp"
#include "in_flight.hpp"

namespace bench {
namespace {

constexpr std::uint64_t window = 1024;
constexpr std::size_t payload_size = 64;

/// One thread's calls, and what came back.
class Producer {
 public:
  explicit Producer(const Embedded& host) : host_(host), method_(host.method("echo.raw")) { payload_.fill(0x5a); }

  void run(std::uint64_t count) {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = BP_SUBMIT_NO_STALE;
    submission.method = method_;
    submission.payload = {payload_.data(), payload_.size()};
    submission.on_reply = on_reply;
    submission.user = this;
    for (std::uint64_t i = 0; i < count; ++i) {
      in_flight_.wait_for_room();
      if (bp_submit(host_.context(), &submission, nullptr) != BP_OK) in_flight_.ended(), wrong_ = true;
    }
    in_flight_.wait_for_all();
  }
  bool wrong() const { return wrong_; }

 private:
  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Producer*>(user);
    if (answer->status != BP_OK || answer->payload.size != payload_size ||
        std::memcmp(answer->payload.data, self.payload_.data(), payload_size) != 0) {
      self.wrong_ = true;
    }
    self.in_flight_.ended();
  }

  const Embedded& host_;
  const bp_method method_;
  std::array<std::uint8_t, payload_size> payload_{};
  InFlight in_flight_{window};
  std::atomic<bool> wrong_{false};
};

double echo(const Embedded& host, unsigned producers, std::uint64_t count) {
  std::vector<std::unique_ptr<Producer>> all;
  for (unsigned i = 0; i < producers; ++i) all.push_back(std::make_unique<Producer>(host));
  const double each = timed(count, [&] {
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < producers; ++i) threads.emplace_back([&, i] { all[i]->run(count / producers); });
    all[0]->run(count - (producers - 1) * (count / producers));
    for (std::thread& thread : threads) thread.join();
  });
  for (const auto& producer : all) {
    if (producer->wrong()) throw std::runtime_error("a reply of echo.raw was not what had been sent");
  }
  return each;
}

// From nanoseconds to how many a second: here more is better.
Figure as_rate(const Figure& each) { return {1e9 / each.value, 1e9 / *each.floor}; }

Figure against_post(Effort effort) {
  const Embedded host(BENCH_PLUGIN_DIR "/echo.so");
  PostFloor floor;
  return as_rate(interleaved(
      Rounds::of(effort, 100'000), [&](std::uint64_t n) { return echo(host, 1, n); },
      [&](std::uint64_t n) { return floor.post(n, window); }));
}

template <unsigned producers>
Figure against_one(Effort effort) {
  const Embedded host(BENCH_PLUGIN_DIR "/echo.so");
  return as_rate(interleaved(
      Rounds::of(effort, 100'000), [&](std::uint64_t n) { return echo(host, producers, n); },
      [&](std::uint64_t n) { return echo(host, 1, n); }));
}

constexpr const char* what = "64 bytes echoed by method handle with a callback, 1024 in flight";
constexpr Reach not_below{Reach::Of::ratio, Reach::Side::at_least, 1.0};

constexpr Row rows[] = {
    {"request.echo.1",
     "calls/s",
     what,
     "asio::post to a thread's io_context, completed",
     {Reach::Of::ratio, Reach::Side::at_least, 4.0},
     against_post},
    {"request.echo.2", "calls/s", "the same from 2 threads", "from 1 thread", not_below, against_one<2>},
    {"request.echo.4", "calls/s", "the same from 4 threads", "from 1 thread", not_below, against_one<4>},
    {"request.echo.8", "calls/s", "the same from 8 threads", "from 1 thread", not_below, against_one<8>},
};

}  // namespace

std::span<const Row> request_echo_rows() { return rows; }

}  // namespace bench
