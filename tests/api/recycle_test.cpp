// SPDX-License-Identifier: Apache-2.0
//
// Contexts whose threads and buffers are used again, and many of them at once.
#include <deque>
#include <memory>

#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

}  // namespace

TEST_CASE(
    "ten thousand contexts made and destroyed one after another grow neither memory nor threads nor descriptors") {
  const Context keeper;
  const Loaded sleeper(keeper, "sleeper");
  const Loaded holder(keeper, "holder");
  const auto cycle = [] {
    Context context;
    Replies open;
    REQUIRE(context.submit("holder.keep", open) == BP_OK);
    CHECK(context.call("sleeper.remaining") == "ok:none");
    bp_context_close(context.native);
    bp_context_stop(context.native, 1);  // the open call is canceled
    CHECK(context.destroy() == BP_OK);
    CHECK(open.terminal() == 1);
  };
  const auto empty_cycle = [] { const Context context; };
  for (int i = 0; i < 100; ++i) cycle();
  for (int i = 0; i < 500; ++i) empty_cycle();
  const std::size_t threads_before = threads();
  const std::size_t descriptors_before = descriptors();
  const std::size_t resident_before = resident();
  for (int i = 0; i < (sanitized ? 50 : 200); ++i) cycle();
  for (int i = 0; i < (sanitized ? 1'000 : 10'000); ++i) empty_cycle();
  CHECK(threads() <= threads_before);
  CHECK(descriptors() <= descriptors_before);
  // Allocators keep a little; what grows by a page a cycle would be 40 MB.
  if (!sanitized) CHECK(resident() <= resident_before + 1'000'000);
}

TEST_CASE(
    "to make a context of what another left, and destroy it, wakes neither event threads nor the control thread") {
  const Context keeper;
  const Loaded handles(keeper, "handles");
  const auto cycles = [](int count) {
    for (int i = 0; i < count; ++i) {
      const Context context;
    }
  };
  cycles(10);
  // They have begun, and come to rest, by the time that they have not been switched for a while.
  const auto switches = [] { return std::pair(switches_of("bp-event"), switches_of("bp-control")); };
  auto before = switches();
  REQUIRE(eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return before == std::exchange(before, switches());
  }));
  cycles(300);
  const auto after = switches();
  // A thread that has not come to rest by then does so once more; each cycle used to wake each of them.
  CHECK(after.first - before.first <= 10);
  CHECK(after.second - before.second <= 10);
  CHECK(before.first > 0);
  CHECK(before.second > 0);
}

TEST_CASE("a thousand contexts live at once, each with its own instances") {
  const Context keeper;
  const Loaded sleeper(keeper, "sleeper");
  const Loaded handles(keeper, "handles");
  const std::size_t descriptors_before = descriptors();
  std::vector<std::unique_ptr<Context>> all;
  for (int i = 0; i < (sanitized ? 200 : 1'000); ++i) all.push_back(std::make_unique<Context>());
  CHECK(descriptors() == descriptors_before);  // so that the usual limit of 1024 does not hold here
  std::deque<Replies> replies;
  for (const auto& context : all) REQUIRE(context->submit("sleeper.sleep", replies.emplace_back(), "5") == BP_OK);
  for (Replies& each : replies) CHECK(each.wait() == Seen{"ok:5"});
  const std::string id = all.front()->call("handles.put", "own").substr(3);
  CHECK(all.front()->call("handles.get", id) == "ok:own");
  CHECK(all.back()->call("handles.get", id) == "invalid_handle");
  { const Loaded later(keeper, "never_replies"); }  // an instance in each, and away again
}

TEST_CASE("a context made of what another left knows nothing of that one") {
  const Context keeper;
  const Loaded emitter(keeper, "emitter");
  const Loaded asks(keeper, "asks");
  std::atomic<int> heard{0};
  const bp_event_fn count = [](void* user, const bp_event*) { ++*static_cast<std::atomic<int>*>(user); };
  const bp_host_function_fn answers = [](void*, bp_context context, bp_token token, bp_str, bp_bytes) {
    const bp_answer answer = answer_of(BP_OK, "answered");
    bp_complete(context, token, &answer);
  };
  Context first;
  bp_listener listener{};
  REQUIRE(bp_listen(first.native, BP_STR("*"), count, &heard, &listener) == BP_OK);
  REQUIRE(bp_function_set(first.native, BP_STR("app.answers"), answers, nullptr) == BP_OK);
  CHECK(first.call("asks.host", "app.answers") == "ok:answered");
  CHECK(first.call("emitter.raw", "3 1") == "ok:3 0");
  const bp_context stale = first.native;
  const std::uint64_t first_id = status_of(first.native)["contexts"].items.back()["id"].number;
  REQUIRE(first.destroy() == BP_OK);
  CHECK(heard == 3);

  const std::uint64_t resting = status_of(keeper.native)["resting"].number;
  REQUIRE(resting > 0);
  const Context second;
  const Value status = status_of(second.native);
  CHECK(status["resting"].number == resting - 1);
  const Value& own = status["contexts"].items.back();
  CHECK(own["id"].number > first_id);
  CHECK(own["state"].text == "open");
  for (const char* count_of : {"accepted", "replied", "errors", "refused", "running", "queued", "listeners"}) {
    CHECK(own[count_of].number == 0);
  }
  for (const char* count_of : {"emitted", "delivered", "refused", "queued"}) {
    CHECK(own["events"][count_of].number == 0);
  }
  CHECK(second.native.id != stale.id);
  CHECK(bp_context_close(stale) == BP_INVALID_HANDLE);
  CHECK(bp_unlisten(second.native, listener) == BP_INVALID_HANDLE);
  CHECK(second.call("asks.host", "app.answers") == "no_host_function");
  CHECK(second.call("emitter.raw", "3 1") == "ok:3 0");
  CHECK(heard == 3);
  bp_listener again{};
  REQUIRE(bp_listen(second.native, BP_STR("*"), count, &heard, &again) == BP_OK);
  CHECK(again.id == 1);
}

TEST_CASE("a context that was stopped twice, or timed out before it stopped, is as good as new afterwards") {
  const Context keeper;
  const Loaded slow(keeper, "slow");
  bp_context_options options = no_options();
  options.stop_timeout_ms = 15;
  for (int i = 0; i < 3; ++i) {
    Context context(options);
    Replies busy;
    REQUIRE(context.submit("slow.sleep", busy, "500") == BP_OK);  // much longer than a busy machine may delay two stops
    CHECK(bp_context_stop(context.native, 5) == BP_TIMEOUT);
    CHECK(bp_context_stop(context.native, 5) == BP_TIMEOUT);
    CHECK(bp_context_stop(context.native, 20'000) == BP_OK);
    CHECK(bp_context_stop(context.native, 5) == BP_OK);
    CHECK(context.destroy() == BP_OK);
    CHECK(busy.terminal() == 1);
    CHECK(Context(options).call("slow.sleep", "1") == "ok:1");
  }
}

TEST_CASE("contexts of other options are not taken for one another") {
  bp_context_options narrow = no_options();
  narrow.queue_depth = 1;
  narrow.event_queue_depth = 2;
  const Context keeper;
  const Loaded slow(keeper, "slow");
  for (int i = 0; i < 40; ++i) {  // more than rest at a time
    narrow.stop_timeout_ms = static_cast<std::uint32_t>(2'000 + i);
    const Context context(narrow);
  }
  CHECK(status_of(keeper.native)["resting"].number <= 32);
  {
    std::deque<Replies> replies;  // outlive the context, which still answers at its end
    Context wide;
    for (int i = 0; i < 10; ++i) REQUIRE(wide.submit("slow.sleep", replies.emplace_back(), "1") == BP_OK);
  }
  std::deque<Replies> replies;
  Context context(narrow);
  Seen refused;
  for (int i = 0; i < 10; ++i)
    refused.push_back(bp_status_name(context.submit("slow.sleep", replies.emplace_back(), "5")));
  CHECK(std::count(refused.begin(), refused.end(), "overloaded") > 0);
}
