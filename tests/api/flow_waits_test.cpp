// SPDX-License-Identifier: Apache-2.0
//
// What waits for room, for a release, for an instance or for a worker thread, and how each wait ends.
#include <atomic>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "cbor_value.hpp"
#include "fixture.hpp"
#include "streamed.hpp"
#include "streams_payload.hpp"

using namespace host_test;

namespace {

void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

/// How many calls of "streams.block" have begun, including this one.
std::uint64_t begun(Replies& replies) {
  const Seen seen = replies.wait();
  REQUIRE(seen.size() == 1);
  REQUIRE(seen.back().starts_with("ok:"));
  return Value::of(seen.back().substr(3))["begun"].number;
}

/// Returns when the calls that this thread has submitted before have begun, or wait for what their handlers need.
void take_in(const Context& context) { CHECK(context.call("streams.nap", order(0, 0, 0)).starts_with("ok")); }

}  // namespace

TEST_CASE("an empty part waits until one byte of the window is free") {
  const Context context;
  const Loaded module(context, "partials");
  Streamed call(context, "partials.empty", "10", BP_SUBMIT_CREDIT, 10);
  CHECK(call.got(1));
  settle();
  CHECK(call.parts == 1);
  // The handler sleeps: it does not try again and again.
  CHECK(context.call("partials.count", "1", 3'000) == "ok:end");
  CHECK(call.credit(10) == BP_OK);
  const bool both = call.got(2);
  CHECK(both);
  if (!both) bp_cancel(context.native, call.request);
  CHECK(call.ended());
  CHECK(call.text == "end");
}

TEST_CASE("a source that is held when its context stops may be released then or later") {
  const Context keeper;
  const Loaded module(keeper, "streams");
  const bool during = GENERATE(false, true);
  for (int round = 0; round < 10; ++round) {
    auto context = std::make_unique<Context>();
    const bp_context native = context->native;
    bp_source source{};
    REQUIRE(bp_source_open(native, &source) == BP_OK);
    REQUIRE(bp_source_hold(native, source, 1) == BP_OK);
    const std::string ten = order(10, 10);
    Replies waits;
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = BP_STR("streams.send");
    submission.payload = bytes_of(ten);
    submission.on_reply = Replies::on_reply;
    submission.user = &waits;
    submission.source = source;
    REQUIRE(bp_submit(native, &submission, nullptr) == BP_OK);
    std::atomic<bool> stops{false};
    std::atomic<bp_status> last{-1};
    std::thread releaser([&] {
      if (!during) return;
      while (!stops) std::this_thread::yield();
      do {
        bp_source_hold(native, source, 1);
        last = bp_source_hold(native, source, 0);
      } while (last == BP_OK);
    });
    stops = true;
    CHECK(context->destroy() == BP_OK);
    releaser.join();
    CHECK(waits.terminal() == 1);
    if (!during) CHECK(waits.wait() == Seen{"canceled"});
    CHECK(bp_source_hold(native, source, 0) == BP_INVALID_HANDLE);
    CHECK(bp_source_close(native, source) == BP_INVALID_HANDLE);

    // The next context, which may have its threads, has a source that is not held.
    const Context next;
    bp_source fresh{};
    REQUIRE(bp_source_open(next.native, &fresh) == BP_OK);
    Replies goes;
    submission.user = &goes;
    submission.source = fresh;
    REQUIRE(bp_submit(next.native, &submission, nullptr) == BP_OK);
    CHECK(goes.wait().size() == 11);
    CHECK(bp_source_hold(next.native, source, 0) == BP_INVALID_HANDLE);
    CHECK(bp_source_close(next.native, fresh) == BP_OK);
  }
}

TEST_CASE("sources that were held when their context stopped do not hold those that get their records") {
  const Context keeper;
  const Loaded module(keeper, "streams");
  constexpr std::size_t many = 1'000;
  {
    const Context context;
    for (std::size_t i = 0; i < many; ++i) {
      bp_source source{};
      REQUIRE(bp_source_open(context.native, &source) == BP_OK);
      REQUIRE(bp_source_hold(context.native, source, 1) == BP_OK);
    }
  }
  const Context next;
  const std::string one = order(1, 10);
  std::deque<Replies> replies;
  std::vector<bp_source> sources(2 * many);
  for (bp_source& source : sources) {
    REQUIRE(bp_source_open(next.native, &source) == BP_OK);
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = BP_STR("streams.try_send");
    submission.payload = bytes_of(one);
    submission.on_reply = Replies::on_reply;
    submission.user = &replies.emplace_back();
    submission.source = source;
    REQUIRE(bp_submit(next.native, &submission, nullptr) == BP_OK);
  }
  std::size_t with_part = 0;
  for (Replies& each : replies) with_part += each.wait().size() == 2;
  CHECK(with_part == sources.size());
  for (const bp_source source : sources) CHECK(bp_source_close(next.native, source) == BP_OK);
}

TEST_CASE("a call that is canceled while it waits for its instance does not run, and those behind it do") {
  const Context context;
  const Loaded module(context, "streams");
  Replies runs, waits, behind;
  bp_request request{};
  REQUIRE(context.submit("streams.block", runs, numbers({{"us", 200'000}})) == BP_OK);
  REQUIRE(context.submit("streams.block", waits, numbers({{"us", 0}}), 0, &request) == BP_OK);
  REQUIRE(context.submit("streams.block", behind, numbers({{"us", 0}})) == BP_OK);
  take_in(context);
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(waits.wait() == Seen{"canceled"});
  CHECK(runs.terminal() == 0);  // it is answered at once, not when its turn comes
  const std::uint64_t first = begun(runs);
  CHECK(begun(behind) == first + 1);
  // The last in the line, too.
  Replies again, last, next;
  REQUIRE(context.submit("streams.block", again, numbers({{"us", 100'000}})) == BP_OK);
  REQUIRE(context.submit("streams.block", last, numbers({{"us", 0}}), 0, &request) == BP_OK);
  take_in(context);
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(begun(again) == first + 2);
  REQUIRE(context.submit("streams.block", next, numbers({{"us", 0}})) == BP_OK);
  CHECK(begun(next) == first + 3);
  CHECK(last.wait() == Seen{"canceled"});
}

TEST_CASE(
    "a call that is canceled while it waits for a worker thread does not run, and gives its instance to the next") {
  const Context context;
  const Loaded module(context, "streams");
  const Loaded blocking(context, "blocking");
  std::deque<Replies> crowd(64);  // more than a module may have worker threads
  for (Replies& each : crowd) REQUIRE(context.submit("blocking.together", each, "100") == BP_OK);
  Replies waits, behind;
  bp_request request{};
  REQUIRE(context.submit("blocking.one_by_one", waits, "0", 0, &request) == BP_OK);
  REQUIRE(context.submit("blocking.one_by_one", behind, "0") == BP_OK);
  take_in(context);
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(waits.wait() == Seen{"canceled"});
  CHECK(crowd.back().terminal() == 0);
  CHECK(behind.wait() == Seen{"ok:1"});
  for (Replies& each : crowd) CHECK(each.wait().back().starts_with("ok:"));
  CHECK(context.call("blocking.one_by_one", "0", 10'000) == "ok:1");
}
