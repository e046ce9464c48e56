// SPDX-License-Identifier: Apache-2.0
//
// A small request there and back through the public functions: by method handle, with a callback, many in flight.
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../embedded.hpp"
#include "../rounds.hpp"
#include "asio_floor.hpp"
#include "pipeline.hpp"
#include "team.hpp"

namespace bench {
namespace {

constexpr std::uint32_t window = 1024;

/// So many producers, each on a thread of its own.
class Producers {
 public:
  Producers(const Embedded& host, unsigned producers) : team_(producers) {
    payload_.fill(0x5a);
    for (unsigned i = 0; i < producers; ++i) {
      all_.push_back(std::make_unique<Pipeline>(host, "echo.raw", window, producers));
    }
  }

  /// Nanoseconds of each of `count` calls.
  double echo(std::uint64_t count) {
    const auto part = static_cast<std::uint32_t>(std::max<std::uint64_t>(count / all_.size(), 1));
    return timed(part * all_.size(), [&] { team_.run([&](unsigned i) { echo_part(*all_[i], part); }); });
  }

 private:
  void echo_part(Pipeline& calls, std::uint32_t count) const {
    const auto fill = [this](bp_submission& submission, std::uint32_t) {
      submission.payload = {payload_.data(), payload_.size()};
    };
    const auto check = [this](const bp_answer& answer, std::uint32_t) {
      return answer.status == BP_OK && answer.payload.size == payload_.size() &&
             std::memcmp(answer.payload.data, payload_.data(), payload_.size()) == 0;
    };
    calls.run(count, fill, check);
  }

  std::array<std::uint8_t, 64> payload_{};
  std::vector<std::unique_ptr<Pipeline>> all_;
  Team team_;
};

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
    {"request.echo.2", "calls/s", "the same from 2 threads", "from 1 thread", not_below, against_one<2>},
    {"request.echo.4", "calls/s", "the same from 4 threads", "from 1 thread", not_below, against_one<4>},
    {"request.echo.8", "calls/s", "the same from 8 threads", "from 1 thread", not_below, against_one<8>},
};

}  // namespace

std::span<const Row> request_echo_rows() { return rows; }

}  // namespace bench
