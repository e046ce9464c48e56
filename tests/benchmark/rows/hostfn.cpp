// SPDX-License-Identifier: Apache-2.0
//
// A handler calls a function of the application's and awaits the answer: one that answers at once, and one that has
// another thread answer.
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "../host.hpp"
#include "../module/calls.h"
#include "../rounds.hpp"
#include "floor_handover.hpp"
#include "relax.hpp"

namespace bench {
namespace {

constexpr bp_str name = BP_STR("bench.twice");

std::uint64_t number_in(bp_bytes payload) {
  std::uint64_t number = 0;
  if (payload.size == sizeof number) std::memcpy(&number, payload.data, sizeof number);
  return number;
}

/// BP_OK unless the token is not the one that awaits; the handler then waits for ever, and the row's time runs out.
bp_status answer_twice(bp_context context, bp_token token, std::uint64_t number) {
  const std::uint64_t twice = 2 * number;
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = BP_OK;
  answer.payload = {reinterpret_cast<const std::uint8_t*>(&twice), sizeof twice};
  return bp_complete(context, token, &answer);
}

void answers_at_once(void*, bp_context context, bp_token token, bp_str, bp_bytes payload) {
  answer_twice(context, token, number_in(payload));
}

// What the compiler may not look through: the floor's function.
std::uint64_t (*volatile twice)(std::uint64_t) = [](std::uint64_t number) { return 2 * number; };

double plain_calls(std::uint64_t count) {
  std::uint64_t right = 0;
  const std::uint64_t begin = bench_now();
  for (std::uint64_t i = 1; i <= count; ++i) right += twice(i) == 2 * i;
  const std::uint64_t took = bench_now() - begin;
  return right == count ? static_cast<double>(took) / static_cast<double>(count) : 0;
}

void set_function(bp_context context, bp_host_function_fn function, void* user) {
  expect_ok(bp_function_set(context, name, function, user), "bp_function_set", bp_result{});
}

Figure inline_answer(Effort effort) {
  Host host("bench_calls");
  set_function(host.context(), answers_at_once, nullptr);
  const auto ours = [&](std::uint64_t count) {
    const bench_report report = host.order("outward", bench_outward{count, nullptr});
    return static_cast<double>(report.nanoseconds) / static_cast<double>(count);
  };
  const auto floor = [&](std::uint64_t count) {
    double each = 0;
    host.on_request_thread([&] { each = plain_calls(count); });
    return each;
  };
  return interleaved(Rounds::of(effort, 50'000), ours, floor);
}

/// Answers on a thread of its own, which spins for what comes while `working`.
class Answerer {
 public:
  explicit Answerer(bp_context context) : context_(context), thread_([this] { serve(); }) {}
  Answerer(const Answerer&) = delete;
  Answerer& operator=(const Answerer&) = delete;
  ~Answerer() {
    set(over);
    thread_.join();
  }

  void work() { set(working); }
  void rest() { set(resting); }

  static void function(void* user, bp_context, bp_token token, bp_str, bp_bytes payload) {
    auto& self = *static_cast<Answerer*>(user);
    self.number_ = number_in(payload);
    self.token_.store(token, std::memory_order_release);
  }

 private:
  enum State : std::uint32_t { resting, working, over };

  void set(State state) {
    state_.store(state);
    state_.notify_one();
  }
  void serve() {
    for (;;) {
      const std::uint32_t state = state_.load(std::memory_order_relaxed);
      if (state == over) return;
      if (state == resting) state_.wait(resting);
      const bp_token token = token_.load(std::memory_order_acquire);
      if (token == 0) {
        relax();
        continue;
      }
      const std::uint64_t number = number_;
      token_.store(0, std::memory_order_relaxed);
      answer_twice(context_, token, number);
    }
  }

  const bp_context context_;
  std::atomic<std::uint32_t> state_{resting};
  alignas(64) std::atomic<bp_token> token_{0};
  std::uint64_t number_ = 0;
  std::thread thread_;
};

Figure other_thread(Effort effort) {
  Host host("bench_calls");
  Answerer answerer(host.context());
  set_function(host.context(), Answerer::function, &answerer);
  SpinHandOver floor;
  const auto ours = [&](std::uint64_t count, std::vector<double>& out) {
    std::vector<double> samples(count);
    answerer.work();
    host.order("outward", bench_outward{count, samples.data()});
    answerer.rest();
    out.insert(out.end(), samples.begin(), samples.end());
  };
  return interleaved_samples(Rounds::of(effort, 2000), ours,
                             [&](std::uint64_t n, std::vector<double>& out) { floor.samples(n, out); });
}

constexpr Row rows[] = {
    {"hostfn.inline",
     "ns",
     "a handler calls a host function, which answers at once, and has the answer",
     "a call through a pointer",
     {Reach::Of::value, Reach::Side::at_most, 150},
     inline_answer},
    {"hostfn.thread",
     "ns",
     "the same, answered by another thread that spins for it, median",
     "two threads that spin, there and back",
     {Reach::Of::ratio, Reach::Side::at_most, 4},
     other_thread,
     true},
};

}  // namespace

std::span<const Row> hostfn_rows() { return rows; }

}  // namespace bench
