// SPDX-License-Identifier: Apache-2.0
//
// A request with parameters and an answer in CBOR, by the SDK's codec at both ends.
#include "../module/typed.hpp"

#include <backplane/sdk/cbor.hpp>

#include "../rounds.hpp"
#include "asio_floor.hpp"
#include "pipeline.hpp"

namespace bench {
namespace {

constexpr std::uint32_t window = 64;

TypedIn request(std::uint32_t i) { return {static_cast<std::int64_t>(i) * 1'000'003, 42 - i, 0.5 * i}; }

double check(Pipeline& calls, std::uint32_t count) {
  backplane::Bytes encoded;
  const auto fill = [&](bp_submission& submission, std::uint32_t i) {
    encoded = backplane::encode(request(i));
    submission.payload = {encoded.data(), encoded.size()};
  };
  const auto right = [](const bp_answer& answer, std::uint32_t i) {
    if (answer.status != BP_OK) return false;
    const backplane::View reply{answer.payload.data, answer.payload.size};
    return backplane::decode<TypedOut>(reply).ok == typed_answer(request(i));
  };
  return timed(count, [&] { calls.run(count, fill, right); });
}

Figure measure(Effort effort) {
  const Embedded host(BENCH_MODULE_DIR "/bench_typed.so");
  Pipeline calls(host, "bench_typed.check", window);
  PostFloor floor;
  return as_rate(interleaved(
      Rounds::of(effort, 20'000), [&](std::uint64_t n) { return check(calls, static_cast<std::uint32_t>(n)); },
      [&](std::uint64_t n) { return floor.post(static_cast<std::uint32_t>(n), window); }));
}

constexpr Row rows[] = {
    {"typed",
     "calls/s",
     "{a: int64, b: int64, x: float64} encoded, called, answered {ok: bool}, decoded; 64 in flight",
     "asio::post to a thread's io_context, completed, 64 in flight",
     {Reach::Of::ratio, Reach::Side::at_least, 1},
     measure},
};

}  // namespace

std::span<const Row> typed_rows() { return rows; }

}  // namespace bench
