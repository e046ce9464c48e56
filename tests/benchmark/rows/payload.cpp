// SPDX-License-Identifier: Apache-2.0
//
// Payloads of 64 KiB: copied by bp_submit, and handed over in a buffer of the host's.
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../module/calls.h"
#include "../rounds.hpp"
#include "pipeline.hpp"

namespace bench {
namespace {

constexpr std::size_t size = 64 * 1024;
constexpr std::uint32_t window = 16;  // a megabyte: what is in flight stays in a cache

constexpr std::uint64_t mark = 0x9e3779b97f4a7c15;

/// The first and the last bytes of each payload are its own.
void sign(std::uint8_t* data, std::uint64_t i) {
  const std::uint64_t last = i * mark;
  std::memcpy(data, &i, sizeof i);
  std::memcpy(data + size - sizeof last, &last, sizeof last);
}

bool right(const bp_answer& answer, std::uint64_t i) {
  bench_taken taken;
  if (answer.status != BP_OK || answer.payload.size != sizeof taken) return false;
  std::memcpy(&taken, answer.payload.data, sizeof taken);
  return taken.size == size && taken.first == i && taken.last == i * mark;
}

double copied(Pipeline& calls, std::vector<std::uint8_t>& source, std::uint32_t count) {
  const auto fill = [&](bp_submission& submission, std::uint32_t i) {
    sign(source.data(), i);
    submission.payload = {source.data(), size};
  };
  return timed(count, [&] { calls.run(count, fill, right); });
}

double handed(Pipeline& calls, std::uint32_t count) {
  const auto fill = [&](bp_submission& submission, std::uint32_t i) {
    submission.buffer = bp_buffer_new(size);
    if (submission.buffer == nullptr) refused(BP_OUT_OF_MEMORY);
    submission.buffer->size = size;
    sign(submission.buffer->data, i);
  };
  return timed(count, [&] { calls.run(count, fill, right); });
}

double small(Pipeline& calls, std::uint32_t count) {
  std::array<std::uint8_t, 64> payload;
  payload.fill(0x5a);
  const auto fill = [&](bp_submission& submission, std::uint32_t) {
    submission.payload = {payload.data(), payload.size()};
  };
  const auto same = [&](const bp_answer& answer, std::uint32_t) {
    return answer.status == BP_OK && answer.payload.size == payload.size() &&
           std::memcmp(answer.payload.data, payload.data(), payload.size()) == 0;
  };
  return timed(count, [&] { calls.run(count, fill, same); });
}

double plain_copies(const std::vector<std::uint8_t>& from, std::vector<std::uint8_t>& to, std::uint64_t count) {
  const double each = timed(count, [&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      std::memcpy(to.data(), from.data(), size);
      asm volatile("" : : "r"(to.data()) : "memory");  // it is read, as far as the compiler knows
    }
  });
  return to == from ? each : 0;
}

Figure measure_copied(Effort effort) {
  const Embedded host(BENCH_MODULE_DIR "/bench_calls.so");
  Pipeline calls(host, "bench_calls.take", window);
  std::vector<std::uint8_t> source(size, 0x5a), from(size, 0x5a), to(size);
  const Figure each = interleaved(
      Rounds::of(effort, 2'000), [&](std::uint64_t n) { return copied(calls, source, static_cast<std::uint32_t>(n)); },
      [&](std::uint64_t n) { return plain_copies(from, to, n); });
  return as_rate(each, static_cast<double>(size) / 1e9);
}

Figure measure_handed(Effort effort) {
  Embedded host(BENCH_MODULE_DIR "/bench_calls.so");
  host.load(BENCH_PLUGIN_DIR "/echo.so");
  Pipeline large_calls(host, "bench_calls.take", window);
  Pipeline small_calls(host, "echo.raw", window);
  return as_rate(interleaved(
      Rounds::of(effort, 20'000), [&](std::uint64_t n) { return handed(large_calls, static_cast<std::uint32_t>(n)); },
      [&](std::uint64_t n) { return small(small_calls, static_cast<std::uint32_t>(n)); }));
}

constexpr Row rows[] = {
    {"payload.copied",
     "GB/s",
     "64 KiB copied by bp_submit, answered by 24 bytes of them, 16 in flight",
     "memcpy of 64 KiB between two warm buffers",
     {Reach::Of::ratio, Reach::Side::at_least, 0.25},
     measure_copied},
    {"payload.handed",
     "calls/s",
     "64 KiB in a buffer of bp_buffer_new, 16 bytes of it written, handed over, 16 in flight",
     "64 bytes echoed, 16 in flight",
     {Reach::Of::ratio, Reach::Side::at_least, 0.7},
     measure_handed},
};

}  // namespace

std::span<const Row> payload_rows() { return rows; }

}  // namespace bench
