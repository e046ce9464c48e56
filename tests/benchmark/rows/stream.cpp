// SPDX-License-Identifier: Apache-2.0
//
// An answer in parts, each of which waits for room, against calls of the same size.
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "../module/calls.h"
#include "../rounds.hpp"
#include "pipeline.hpp"

namespace bench {
namespace {

constexpr std::uint32_t window = 16;

/// Takes the parts of one stream, and looks at each.
class Taker {
 public:
  Taker(const Embedded& host, std::size_t size)
      : context_(host.context()), method_(host.method("bench_calls.stream")), data_(size, 0x5a) {}

  /// Nanoseconds for each part; 0 if one was wrong.
  double run(std::uint64_t count) {
    next_ = 0;
    wrong_ = false;
    ended_ = false;
    const bench_stream order{count, data_.data(), data_.size()};
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = BP_SUBMIT_NO_STALE;
    submission.method = method_;
    submission.payload = {reinterpret_cast<const std::uint8_t*>(&order), sizeof order};
    submission.on_reply = on_reply;
    submission.user = this;
    const double each = timed(count, [&] {
      submit_or_die(context_, submission);
      ended_.wait(false);
    });
    return next_ == count && !wrong_ ? each : 0;
  }

 private:
  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Taker*>(user);
    if (answer->status != BP_PARTIAL) {
      self.wrong_ |= answer->status != BP_OK;
      self.ended_ = true;
      return self.ended_.notify_one();
    }
    std::uint64_t number = 0;
    std::memcpy(&number, answer->payload.data, sizeof number);
    self.wrong_ |= number != self.next_++ || answer->payload.size != self.data_.size();
  }

  const bp_context context_;
  const bp_method method_;
  std::vector<std::uint8_t> data_;
  std::uint64_t next_ = 0;
  bool wrong_ = false;
  std::atomic<bool> ended_{false};
};

double calls(Pipeline& pipeline, const std::vector<std::uint8_t>& payload, std::uint64_t count) {
  const auto fill = [&](bp_submission& submission, std::uint32_t) {
    submission.payload = {payload.data(), payload.size()};
  };
  const auto right = [](const bp_answer& answer, std::uint32_t) { return answer.status == BP_OK; };
  return timed(count, [&] { pipeline.run(static_cast<std::uint32_t>(count), fill, right); });
}

template <std::size_t size, std::uint64_t count>
Figure measure(Effort effort) {
  const Embedded host(BENCH_MODULE_DIR "/bench_calls.so");
  Taker taker(host, size);
  Pipeline pipeline(host, "bench_calls.take", window);
  const std::vector<std::uint8_t> payload(size, 0x5a);
  const Figure each = interleaved(
      Rounds::of(effort, count), [&](std::uint64_t n) { return taker.run(n); },
      [&](std::uint64_t n) { return calls(pipeline, payload, n); });
  return as_rate(each, size == 64 ? 1 : static_cast<double>(size) / 1e9);
}

constexpr Row rows[] = {
    {"stream.parts",
     "parts/s",
     "an answer in parts of 64 bytes, each of which waits for room",
     "calls with 64 bytes, 16 in flight",
     {Reach::Of::ratio, Reach::Side::at_least, 0.3},
     measure<64, 20'000>},
    {"stream.bytes",
     "GB/s",
     "the same with parts of 64 KiB",
     "calls with 64 KiB, 16 in flight",
     {Reach::Of::ratio, Reach::Side::at_least, 0.5},
     measure<64 * 1024, 2'000>},
};

}  // namespace

std::span<const Row> stream_rows() { return rows; }

}  // namespace bench
