// SPDX-License-Identifier: Apache-2.0
//
// What a call costs in memory while it waits for its answer: one whose handler has returned, and one whose handler is
// suspended.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "../embedded.hpp"
#include "../module/orders.h"
#include "../row.hpp"

namespace bench {
namespace {

constexpr std::size_t payload_size = 64;
constexpr std::uint32_t most_calls = 1'000'000;

/// Calls of which each is answered with its number, once, in a process that is measured while none is.
class Calls {
 public:
  explicit Calls(std::uint64_t count) : answers_(count), tokens_(count) {
    // Once, so that neither thread nor handler is new when it is measured.
    expect_ok(bp_function_set(host_.context(), str(gate), gate_called, this), gate, bp_result{});
    tokens_used_ = 0;
    number("bench_keep.room", count);
  }

  /// Bytes that each of them costs while all wait. They come a thousand at a time: what a backlog needs on its way to
  /// the handlers is another matter, and mostly the allocator's.
  double cost(const char* name) {
    const std::uint64_t before = bench_resident();
    for (std::uint64_t i = 0; i < answers_.size();) {
      for (const std::uint64_t end = std::min<std::uint64_t>(i + 1'000, answers_.size()); i < end; ++i) submit(name, i);
      number("bench_keep.kept");  // handled behind them
    }
    const std::uint64_t after = bench_resident();
    if (ended_ != 0) throw std::runtime_error(std::string(name) + ": some calls were answered before they were to be");
    if (before == 0 || after <= before) {
      throw std::runtime_error("expected the process to grow, found " + std::to_string(before) +
                               " bytes in memory before and " + std::to_string(after) + " after; is /proc mounted?");
    }
    return static_cast<double>(after - before) / static_cast<double>(answers_.size());
  }

  void release() { expect_all(number("bench_keep.release"), "released"); }

  void complete() {
    expect_all(tokens_used_, "asking");
    for (std::uint64_t i = 0; i < tokens_.size(); ++i) {
      bp_answer answer{};
      answer.struct_size = sizeof answer;
      answer.payload = {reinterpret_cast<const std::uint8_t*>(&i), sizeof i};
      expect_ok(bp_complete(host_.context(), tokens_[i], &answer), "bp_complete", bp_result{});
    }
  }

  /// Stops the context, and so waits for what is on its way.
  void check() {
    expect_ok(bp_context_stop(host_.context(), 60'000), "bp_context_stop", bp_result{});
    expect_all(ended_, "answered");
    if (wrong_ != 0) throw std::runtime_error(std::to_string(wrong_) + " calls were not answered with their number");
  }

 private:
  static constexpr const char* gate = "app.gate";

  static void on_reply(void* user, const bp_answer* answer) {
    if (answer->status == BP_STALE) return;
    auto& self = *the_calls;
    auto& answers = *static_cast<std::uint8_t*>(user);
    std::uint64_t number = 0;
    const bool whole = answer->status == BP_OK && answer->payload.size == sizeof number;
    if (whole) std::memcpy(&number, answer->payload.data, sizeof number);
    if (!whole || number != static_cast<std::uint64_t>(&answers - self.answers_.data()) || answers++ != 0)
      ++self.wrong_;
    ++self.ended_;
  }

  static void gate_called(void* user, bp_context, bp_token token, bp_str, bp_bytes) {
    auto& self = *static_cast<Calls*>(user);
    if (self.tokens_used_ < self.tokens_.size()) self.tokens_[self.tokens_used_] = token;
    ++self.tokens_used_;
  }

  void submit(const char* name, std::uint64_t number) {
    static constexpr std::uint8_t payload[payload_size] = {};
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = {name, std::strlen(name)};
    submission.payload = {payload, sizeof payload};
    submission.on_reply = on_reply;
    submission.user = &answers_.at(number);
    expect_ok(bp_submit(host_.context(), &submission, nullptr), name, bp_result{});
  }

  /// Calls `name` with a number, and returns the one it is answered with.
  std::uint64_t number(const char* name, std::uint64_t with = 0) {
    const bp_bytes payload{reinterpret_cast<const std::uint8_t*>(&with), sizeof with};
    Result result;
    expect_ok(bp_call_sync(host_.context(), {name, std::strlen(name)}, payload, 0, &result), name, result);
    std::uint64_t answer = 0;
    if (result.payload.size != sizeof answer) throw std::runtime_error(std::string(name) + ": the answer is no number");
    std::memcpy(&answer, result.payload.data, sizeof answer);
    return answer;
  }

  void expect_all(std::uint64_t found, const char* what) const {
    if (found == answers_.size()) return;
    throw std::runtime_error("expected " + std::to_string(answers_.size()) + " calls to be " + what + ", found " +
                             std::to_string(found));
  }

  static inline Calls* the_calls = nullptr;

  // All of it is in memory before anything is measured.
  std::vector<std::uint8_t> answers_;  // how many each has had
  std::vector<bp_token> tokens_;
  std::atomic<std::uint64_t> tokens_used_{0};
  std::atomic<std::uint64_t> ended_{0};
  std::atomic<std::uint64_t> wrong_{0};
  const Embedded host_{BENCH_MODULE_DIR "/bench_keep.so", 0, most_calls};
  const struct Self {
    explicit Self(Calls& self) { the_calls = &self; }
  } self_{*this};
};

Figure pending(Effort effort) {
  Calls calls(effort == Effort::smoke ? 2'000 : most_calls);
  const double each = calls.cost("bench_keep.keep");
  calls.release();
  calls.check();
  return {each, {}};
}

Figure suspended(Effort effort) {
  Calls calls(effort == Effort::smoke ? 1'000 : 100'000);
  const double each = calls.cost("bench_keep.ask");
  calls.complete();
  calls.check();
  return {each, {}};
}

constexpr Row rows[] = {
    {"memory.pending",
     "B",
     "memory of each of 1000000 calls with 64 bytes whose handlers have returned and will answer later",
     "",
     {Reach::Of::value, Reach::Side::at_most, 400},
     pending},
    {"memory.suspended",
     "B",
     "memory of each of 100000 calls whose handlers are suspended in a host function",
     "",
     {Reach::Of::value, Reach::Side::at_most, 10'240},
     suspended},
};

}  // namespace

std::span<const Row> waiting_rows() { return rows; }

}  // namespace bench
