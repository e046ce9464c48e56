// SPDX-License-Identifier: Apache-2.0
//
// A typed call of client.hpp, and the same by hand over backplane.h, one after another.
#include <backplane/client.hpp>

#include "../embedded.hpp"
#include "../module/orders.h"
#include "../module/typed.hpp"
#include "../rounds.hpp"
#include "floor_handover.hpp"

namespace bench {
namespace {

TypedIn request(std::uint64_t i) {
  return {static_cast<std::int64_t>(i) * 1'000'003, 42, 0.5 * static_cast<double>(i)};
}

TypedOut by_hand(bp_context context, const TypedIn& in) {
  const backplane::Bytes payload = backplane::encode(in);
  Result result;
  const bp_status status =
      bp_call_sync(context, BP_STR("bench_typed.check"), {payload.data(), payload.size()}, 0, &result);
  expect_ok(status, "bench_typed.check", result);
  return backplane::decode<TypedOut>({result.payload.data, result.payload.size}, backplane::lenient);
}

template <class Call>
auto samples(Call call) {
  return [call](std::uint64_t count, std::vector<double>& out) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const TypedIn in = request(i);
      const std::uint64_t begin = bench_now();
      const TypedOut answer = call(in);
      out.push_back(static_cast<double>(bench_now() - begin));
      if (answer.ok != typed_answer(in)) throw std::runtime_error("bench_typed.check gave a wrong answer");
    }
  };
}

Figure measure(Effort effort) {
  namespace client = backplane::client;
  bp_log_level(BP_LOG_ERROR);
  const client::Host host;
  host.load(BENCH_MODULE_DIR "/bench_typed.so");
  const client::Context context = host.context();
  const auto typed = [&](const TypedIn& in) { return context.call<TypedOut>("bench_typed.check", in); };
  const auto bare = [native = context.native()](const TypedIn& in) { return by_hand(native, in); };
  return interleaved_samples(Rounds::of(effort, 2000), samples(typed), samples(bare));
}

constexpr Row rows[] = {
    {"client.call",
     "ns",
     "Context::call of client.hpp: {a: int64, b: int64, x: float64} there, {ok: bool} back, one after another, median",
     "the same by hand: the SDK's codec and bp_call_sync",
     {Reach::Of::ratio, Reach::Side::at_most, 1.1},
     measure,
     true},
};

}  // namespace

std::span<const Row> client_call_rows() { return rows; }

}  // namespace bench
