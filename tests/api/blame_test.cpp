// SPDX-License-Identifier: Apache-2.0
//
// What the status says of each wire name and each module.
#include <deque>

#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

constexpr std::uint64_t ms = 1'000'000;

/// The entry of `key` in `list` ("names" by "name", "by_module" by "module"); throws if there is none.
Value entry(const Context& context, const char* list, const char* by, const std::string& key) {
  const Value status = status_of(context.native);
  for (const Value& each : status[list].items) {
    if (each[by].text == key) return each;
  }
  throw std::runtime_error("the status says nothing of " + key);
}
Value name(const Context& context, const std::string& key) { return entry(context, "names", "name", key); }

/// The counts of a name since `before`.
std::uint64_t since(const Value& before, const Value& after, const char* what) {
  return after[what].number - before[what].number;
}

}  // namespace

TEST_CASE("calls, errors and bytes are counted exactly, over all contexts, those that are gone too") {
  const Context keeper;
  const Loaded sleeper(keeper, "sleeper");
  CHECK(keeper.call("sleeper.sleep", "0") == "ok:0");
  const Value before = name(keeper, "sleeper.sleep");
  for (int i = 0; i < 3; ++i) {
    const Context other;
    for (int j = 0; j < 5; ++j) CHECK(other.call("sleeper.sleep", "00") == "ok:0");
    Replies canceled;
    bp_request request{};
    REQUIRE(other.submit("sleeper.sleep", canceled, "60000", 0, &request) == BP_OK);
    CHECK(eventually([&] { return name(keeper, "sleeper.sleep")["in_flight"].number == 1; }));  // it has begun
    CHECK(bp_cancel(other.native, request) == BP_OK);
    CHECK(canceled.wait() == Seen{"canceled"});
  }
  // The one reply that a handler can still give after the cancel's was refused: it counts as nothing.
  Value after;
  CHECK(eventually([&] {
    after = name(keeper, "sleeper.sleep");
    return after["in_flight"].number == 0;
  }));
  CHECK(since(before, after, "calls") == 18);
  CHECK(since(before, after, "errors") == 3);
  CHECK(since(before, after, "refused") == 0);
  CHECK(since(before, after, "bytes_in") == 15 * 2 + 3 * 5);
  CHECK(since(before, after, "bytes_out") == 15);
  const Value whole = entry(keeper, "by_module", "module", "sleeper");
  CHECK(whole["calls"].number >= after["calls"].number);
  CHECK(whole["run_ns"]["max"].number >= after["run_ns"]["max"].number);
}

TEST_CASE("a call is in flight until it has been answered") {
  const Context context;
  const Loaded holder(context, "holder");
  Replies open;
  bp_request request{};
  REQUIRE(context.submit("holder.keep", open, {}, 0, &request) == BP_OK);
  CHECK(eventually([&] {
    const Value status = status_of(context.native);
    for (const Value& each : status["names"].items) {
      if (each["name"].text == "holder.keep") return each["in_flight"].number == 1;
    }
    return false;  // it has not begun
  }));
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(open.wait() == Seen{"canceled"});
  CHECK(eventually([&] { return name(context, "holder.keep")["in_flight"].number == 0; }));
  CHECK(name(context, "holder.keep")["errors"].number == 1);
}

TEST_CASE("who holds the thread is told from who waits") {
  const Context context;
  const Loaded slow(context, "slow");
  const Loaded sleeper(context, "sleeper");
  const Loaded blocking(context, "blocking");
  const Value quick_before = (context.call("sleeper.sleep", "0"), name(context, "sleeper.sleep"));
  std::deque<Replies> replies;
  REQUIRE(context.submit("slow.sleep", replies.emplace_back(), "30") == BP_OK);
  // One wait in 32 is measured. With this many calls, a late wait is certainly measured.
  for (int i = 0; i < 64; ++i) REQUIRE(context.submit("sleeper.sleep", replies.emplace_back(), "20") == BP_OK);
  for (int i = 0; i < 64; ++i) REQUIRE(context.submit("blocking.one_by_one", replies.emplace_back(), "3") == BP_OK);
  for (Replies& each : replies) CHECK(each.wait().size() == 1);
  CHECK(eventually([&] { return name(context, "blocking.one_by_one")["in_flight"].number == 0; }));

  // The culprit ran; the one behind it waited for the thread, and not while it slept.
  CHECK(name(context, "slow.sleep")["run_ns"]["max"].number >= 30 * ms);
  const Value behind = name(context, "sleeper.sleep");
  CHECK(behind["wait_ns"]["max"].number >= 25 * ms);
  CHECK(behind["run_ns"]["total"].number - quick_before["run_ns"]["total"].number < 15 * ms);
  // On a worker the run is what the worker did, and the wait includes the wait for the instance.
  const Value worker = name(context, "blocking.one_by_one");
  CHECK(worker["run_ns"]["p50"].number >= 2 * ms);
  CHECK(worker["wait_ns"]["max"].number >= 30 * ms);
}

TEST_CASE("requests that no handler was begun for are counted as refused, whatever the reason") {
  bp_context_options options = no_options();
  options.queue_depth = 2;
  std::deque<Replies> replies;  // outlives the context, which still answers at its end
  const Context context(options);
  {
    const Loaded slow(context, "slow");
    const Loaded gone(context, "sleeper");
    CHECK(context.call("slow.sleep", "0") == "ok:0");
    const Value before = name(context, "slow.sleep");
    REQUIRE(context.submit("slow.sleep", replies.emplace_back(), "20") == BP_OK);
    std::uint64_t overloaded = 0;
    bp_request queued{};
    for (int i = 0; i < 10; ++i) {
      bp_request request{};
      if (context.submit("slow.sleep", replies.emplace_back(), "0", 0, &request) == BP_OK) {
        queued = request;
      } else {
        ++overloaded;
      }
    }
    CHECK(overloaded > 0);
    const bool canceled = bp_cancel(context.native, queued) == BP_OK;  // behind the one that holds the thread
    const std::uint64_t expected = overloaded + (canceled ? 1 : 0);
    CHECK(eventually([&] { return since(before, name(context, "slow.sleep"), "refused") == expected; }));
  }
  const Value before = name(context, "slow.sleep");
  CHECK(context.call("slow.sleep", "0") == "module_gone");
  CHECK(since(before, name(context, "slow.sleep"), "refused") == 1);
  CHECK(since(before, name(context, "slow.sleep"), "calls") == 0);
}
