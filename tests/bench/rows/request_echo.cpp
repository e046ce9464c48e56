// SPDX-License-Identifier: Apache-2.0
//
// A small request there and back through the public functions: by method handle, with a callback, many in flight.
#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../embedded.hpp"
#include "../rounds.hpp"
#include "asio_floor.hpp"
#include "in_flight.hpp"
#include "team.hpp"

namespace bench {
namespace {

constexpr std::uint32_t window = 1024;
constexpr std::size_t payload_size = 64;

/// One thread's calls, and what came back.
class Producer {
 public:
  /// One of `producers`, which have an equal part of the window each.
  Producer(const Embedded& host, unsigned producers)
      : host_(host), method_(host.method("echo.raw")), in_flight_(window / producers, producers + 1) {
    payload_.fill(0x5a);
  }

  void run(std::uint32_t count) {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = BP_SUBMIT_NO_STALE;
    submission.method = method_;
    submission.payload = {payload_.data(), payload_.size()};
    submission.on_reply = on_reply;
    submission.user = this;
    in_flight_.start(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      in_flight_.wait_for_room();
      submit_or_die(host_.context(), submission);
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
  InFlight in_flight_;
  std::atomic<bool> wrong_{false};
};

/// So many producers, each on a thread of its own.
class Producers {
 public:
  Producers(const Embedded& host, unsigned producers) : team_(producers) {
    for (unsigned i = 0; i < producers; ++i) all_.push_back(std::make_unique<Producer>(host, producers));
  }

  /// Nanoseconds of each of `count` calls.
  double echo(std::uint64_t count) {
    const auto part = static_cast<std::uint32_t>(std::max<std::uint64_t>(count / all_.size(), 1));
    const double each = timed(part * all_.size(), [&] { team_.run([&](unsigned i) { all_[i]->run(part); }); });
    for (const auto& producer : all_) {
      if (producer->wrong()) throw std::runtime_error("a reply of echo.raw was not what had been sent");
    }
    return each;
  }

 private:
  std::vector<std::unique_ptr<Producer>> all_;
  Team team_;
};

// From nanoseconds to how many a second: here more is better.
Figure as_rate(const Figure& each) { return {1e9 / each.value, 1e9 / *each.floor}; }

Figure against_post(Effort effort) {
  const Embedded host(BENCH_PLUGIN_DIR "/echo.so");
  Producers one(host, 1);
  PostFloor floor;
  return as_rate(interleaved(
      Rounds::of(effort, 100'000), [&](std::uint64_t n) { return one.echo(n); },
      [&](std::uint64_t n) { return floor.post(static_cast<std::uint32_t>(n), window); }));
}

template <unsigned producers>
Figure against_one(Effort effort) {
  const Embedded host(BENCH_PLUGIN_DIR "/echo.so");
  Producers many(host, producers);
  Producers one(host, 1);
  return as_rate(interleaved(
      Rounds::of(effort, 100'000), [&](std::uint64_t n) { return many.echo(n); },
      [&](std::uint64_t n) { return one.echo(n); }));
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
    {"request.echo.2", "calls/s", "the same from 2 threads, 512 in flight of each", "from 1 thread", not_below,
     against_one<2>},
    {"request.echo.4", "calls/s", "the same from 4 threads, 256 in flight of each", "from 1 thread", not_below,
     against_one<4>},
    {"request.echo.8", "calls/s", "the same from 8 threads, 128 in flight of each", "from 1 thread", not_below,
     against_one<8>},
};

}  // namespace

std::span<const Row> request_echo_rows() { return rows; }

}  // namespace bench
