// SPDX-License-Identifier: Apache-2.0
//
// All at once: producers, a canceller, deadlines, reloads; then the count must come out even.
#include <deque>
#include <random>

#include "fixture.hpp"

using namespace host_test;

namespace {

struct Counts {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> terminal{0};
  std::atomic<std::uint64_t> odd{0};  ///< statuses that nothing here can cause
};

/// One call: it may not end twice.
struct Call {
  explicit Call(Counts& all) : counts(all) {}
  Counts& counts;
  std::atomic<int> ends{0};

  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Call*>(user);
    if (answer->status == BP_STALE || answer->status == BP_PARTIAL) {
      if (self.ends != 0) ++self.counts.odd;
      return;
    }
    if (self.ends.fetch_add(1) != 0) ++self.counts.odd;
    switch (answer->status) {
      case BP_OK:
      case BP_CANCELED:
      case BP_DEADLINE:
        break;
      default:
        ++self.counts.odd;
    }
    ++self.counts.terminal;
  }
};

/// Submits a mix of calls until told to stop, and publishes the newest request for the canceller.
void produce(bp_context context, unsigned seed, Counts& counts, std::deque<Call>& calls, const std::atomic<bool>& stop,
             std::atomic<std::uint64_t>& newest) {
  std::mt19937 random(seed);
  const std::pair<std::string_view, std::string_view> mix[] = {
      {"gen.which", ""},          {"gen.slow", "1"},           {"gen.slow", "0"},
      {"replies_late.race", ""},  {"partials.count", "3"},     {"partials.late", "2"},
      {"asks.call", "gen.which"}, {"asks.host", "app.thread"}, {"asks.blocking", "app.thread"}};
  while (!stop) {
    const auto& [name, payload] = mix[random() % std::size(mix)];
    Call& call = calls.emplace_back(counts);
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = str(name);
    submission.payload = bytes_of(payload);
    submission.timeout_ms = random() % 8 == 0 ? 1 + random() % 3 : 0;
    submission.on_reply = Call::on_reply;
    submission.user = &call;
    bp_request request{};
    if (bp_submit(context, &submission, &request) == BP_OK) {
      ++counts.accepted;
      newest = request.id;
    }
    // Bounded, so that the end does not take longer than the hammering.
    while (!stop && counts.accepted - counts.terminal > 400) std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE("under producers, cancels, deadlines and reloads each accepted call ends exactly once") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  bp_context_options options = no_options();
  options.stale_interval_ms = 2;
  Context context(options);
  const Context keeper;
  const Loaded gen(keeper, "generation_a", "gen");
  const Loaded late(keeper, "replies_late");
  const Loaded partials(keeper, "partials");
  const Loaded asks(keeper, "asks");
  const bp_host_function_fn from_thread = [](void* user, bp_context ctx, bp_token token, bp_str, bp_bytes) {
    // Every other one is answered here, the rest by the canceller's thread.
    auto& slot = *static_cast<std::atomic<bp_token>*>(user);
    const bp_token before = slot.exchange(token);
    if (before == 0) return;
    const bp_answer answer = answer_of(BP_OK);
    bp_complete(ctx, before, &answer);
  };
  std::atomic<bp_token> waiting{0};
  REQUIRE(bp_function_set(context.native, BP_STR("app.thread"), from_thread, &waiting) == BP_OK);

  Counts counts;
  std::atomic<bool> stop{false};
  std::atomic<bool> stop_canceller{false};
  constexpr unsigned producers = 3;
  std::deque<Call> calls[producers];
  std::atomic<std::uint64_t> newest[producers]{};
  std::vector<std::thread> threads;
  for (unsigned p = 0; p < producers; ++p) {
    threads.emplace_back([&, p] { produce(context.native, seed + p, counts, calls[p], stop, newest[p]); });
  }
  std::thread canceller([&] {
    while (!stop_canceller) {
      for (auto& request : newest) bp_cancel(context.native, {request.load()});
      if (const bp_token token = waiting.exchange(0); token != 0) {
        const bp_answer answer = answer_of(BP_OK);
        bp_complete(context.native, token, &answer);
        bp_complete(context.native, token, &answer);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
  const auto limit = Clock::now() + std::chrono::milliseconds(1'200);
  int reloads = 0;
  int failed = 0;
  while (Clock::now() < limit) {
    const std::string path = module_path(reloads % 2 == 0 ? "generation_b" : "generation_a");
    const bp_load_options load = load_options(path);
    Result result;
    if (bp_module_reload(keeper.native, BP_STR("gen"), &load, 0, &result) != BP_OK) ++failed;
    ++reloads;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  CHECK(bp_context_stop(context.native, 5'000) == BP_OK);
  stop_canceller = true;
  canceller.join();
  CHECK(counts.accepted == counts.terminal);
  CHECK(counts.odd == 0);
  CHECK(counts.accepted > 1'000);
  CHECK(reloads > 3);
  CHECK(failed == 0);
  CHECK(context.destroy() == BP_OK);
  CHECK(counts.accepted == counts.terminal);
}
