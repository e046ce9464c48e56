// SPDX-License-Identifier: Apache-2.0
//
// Calls without callbacks (wait.h), by embedded and by connected contexts.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "cbor_value.hpp"
#include "streams_payload.hpp"
#include "waited_fixture.hpp"

using namespace host_test;

namespace {

void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

/// Whether the host has no call any more.
bool idle(const Context& context) {
  return eventually([&] {
    Result report;
    if (bp_host_status(context.native, &report) != BP_OK) return false;
    const Value read = Value::of(report.text());
    for (const Value& each : read["names"].items) {
      if (each["in_flight"].number != 0) return false;
    }
    return true;
  });
}

}  // namespace

TEST_CASE("parts come in order, then the terminal answer, as often as somebody asks") {
  const BothWays both;
  const Loaded module(both.home.context, "partials");
  const Pending call(both.ctx, "partials.count", "5");
  REQUIRE(call.started == BP_OK);
  for (const char* expected : {"1", "2", "3", "4", "5"}) {
    Result part;
    REQUIRE(bp_call_next(call.native, BP_FOREVER, &part) == BP_PARTIAL);
    CHECK(part.status == BP_PARTIAL);
    CHECK(part.text() == expected);
  }
  for (int i = 0; i < 3; ++i) {
    Result answer;
    CHECK(bp_call_next(call.native, BP_FOREVER, &answer) == BP_OK);
    CHECK(answer.text() == "end");
    Result again;
    CHECK(bp_call_wait(call.native, 0, &again) == BP_OK);
    CHECK(again.text() == "end");
  }
  bp_call_free(call.native);
  Result none;
  CHECK(bp_call_next(call.native, BP_FOREVER, &none) == BP_INVALID_HANDLE);
  CHECK(none.says("no such call"));
}

TEST_CASE("a wait for the answer drops the parts, and the handler does not wait for their reader") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Pending call(both.ctx, "streams.send", order(400, 65'536));
  Result answer;
  REQUIRE(bp_call_wait(call.native, 20'000, &answer) == BP_OK);
  CHECK(Value::of(answer.text())["parts"].number == 400);
}

TEST_CASE("a reader that never reads holds its own handler alone, within the window") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const char* const name = GENERATE("streams.send", "streams.blocking_send");
  {
    const Pending call(both.ctx, name, order(100'000, 10'000), 0, 100'000);
    REQUIRE(call.started == BP_OK);
    settle();
    CHECK(both.home.context.call("streams.nap", order(0, 0, 0)).starts_with("ok"));
    int waiting = 0;
    settle();
    while (call.next(0) == BP_PARTIAL && waiting < 1'000) ++waiting;
    // Each part that was taken may have let another one in.
    CHECK(waiting >= 9);
    CHECK(waiting < 1'000);
    CHECK(call.next() == BP_PARTIAL);
  }
  CHECK(idle(both.home.context));  // the free has ended it
}

TEST_CASE("one reader that never reads does not hold another") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Pending call(both.ctx, "streams.send", order(300, 10'000), 0, 100'000);
  const Pending other(both.ctx, "streams.send", order(300, 10'000), 0, 100'000);
  settle();
  CHECK(other.next() == BP_PARTIAL);
  std::uint64_t taken = 1;
  while (other.next() == BP_PARTIAL) ++taken;
  CHECK(taken == 300);
  CHECK(call.next(0) == BP_PARTIAL);
}

TEST_CASE("a wait ends with its time, and the call goes on") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Pending call(both.ctx, "streams.nap", order(0, 0, 200));
  CHECK(call.next(0) == BP_STALE);
  CHECK(call.next(5) == BP_STALE);
  CHECK(call.wait(5) == BP_STALE);
  CHECK(call.wait() == BP_OK);
}

TEST_CASE("a deadline, a cancel and an unknown name end a call that is waited for") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Pending late(both.ctx, "streams.nap", order(0, 0, 60'000), 0, 0, 30);
  const Pending canceled(both.ctx, "streams.nap", order(0, 0, 60'000));
  const Pending unknown(both.ctx, "no.such");
  CHECK(late.wait() == BP_DEADLINE);
  CHECK(bp_call_cancel(canceled.native) == BP_OK);
  CHECK(canceled.next() == BP_CANCELED);
  CHECK(bp_call_cancel(canceled.native) == BP_INVALID_HANDLE);
  Result answer;
  CHECK(bp_call_wait(unknown.native, 20'000, &answer) == BP_UNKNOWN_NAME);
  CHECK(answer.says("no.such"));
}

TEST_CASE("a free ends the waits of all threads, and the call") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Pending call(both.ctx, "streams.nap", order(0, 0, 60'000));
  std::atomic<int> freed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] { freed += call.next(BP_FOREVER) == BP_INVALID_HANDLE; });
    threads.emplace_back([&] { freed += call.wait(BP_FOREVER) == BP_INVALID_HANDLE; });
  }
  settle();
  CHECK(freed == 0);
  bp_call_free(call.native);
  for (std::thread& each : threads) each.join();
  CHECK(freed == 6);
  CHECK(idle(both.home.context));
}

TEST_CASE("calls are freed while they are answered, from other threads") {
  const BothWays both;
  const Loaded module(both.home.context, "partials");
  std::atomic<bool> ends{false};
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> last{0};
  threads.emplace_back([&] {  // frees whatever there is, twice
    while (!ends) {
      const std::uint64_t id = last.load();
      bp_call_free({id});
      bp_call_free({id > 3 ? id - 3 : 0});
    }
  });
  threads.emplace_back([&] {
    while (!ends) bp_call_cancel({last.load()});
  });
  int odd = 0;
  for (int i = 0; i < 300; ++i) {
    const Pending call(both.ctx, "partials.count", "3");
    REQUIRE(call.started == BP_OK);
    last = call.native.id;
    for (bp_status status = BP_PARTIAL; status == BP_PARTIAL;) {
      status = call.next();
      const bool fits = status == BP_PARTIAL || status == BP_OK || status == BP_CANCELED || status == BP_INVALID_HANDLE;
      odd += !fits;
    }
  }
  ends = true;
  for (std::thread& each : threads) each.join();
  CHECK(odd == 0);
  CHECK(idle(both.home.context));
}

TEST_CASE("each part goes to one of the threads that ask, and the terminal answer to all") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Pending call(both.ctx, "streams.send", order(500, 2'000));
  std::atomic<int> parts{0};
  std::atomic<int> ends{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      bp_status status = BP_PARTIAL;
      while ((status = call.next()) == BP_PARTIAL) ++parts;
      ends += status == BP_OK;
    });
  }
  for (std::thread& each : threads) each.join();
  CHECK(parts == 500);
  CHECK(ends == 4);
}

TEST_CASE("a request in parts waits for room") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Pending call(both.ctx, "streams.sum", order(0, 5), BP_SUBMIT_PARTS);
  std::uint64_t bytes = 5;
  for (std::uint64_t n = 1; n < 300; ++n) {
    const std::string part = piece(n, 40'000);
    REQUIRE(bp_call_part(call.native, bytes_of(part), n == 299 ? BP_PART_LAST : 0, BP_FOREVER) == BP_OK);
    bytes += 40'000;
  }
  Result answer;
  REQUIRE(bp_call_wait(call.native, 20'000, &answer) == BP_OK);
  CHECK(Value::of(answer.text())["bytes"].number == bytes);
  CHECK(bp_call_part(call.native, bytes_of("x"), 0, BP_FOREVER) == BP_INVALID_HANDLE);

  const Pending slow(both.ctx, "streams.slow_sum", order(0, 0, 60'000), BP_SUBMIT_PARTS);
  const std::string part = piece(1, 300'000);
  bp_status status = BP_OK;
  for (int i = 0; i < 100 && status == BP_OK; ++i) status = bp_call_part(slow.native, bytes_of(part), 0, 0);
  CHECK(status == BP_WOULD_BLOCK);
  // The handler may have begun only now, and have taken one.
  for (int i = 0; i < 3 && (status = bp_call_part(slow.native, bytes_of(part), 0, 20)) == BP_OK; ++i) {
  }
  CHECK(status == BP_WOULD_BLOCK);
  std::thread freer([&] {
    settle();
    bp_call_free(slow.native);
  });
  CHECK(bp_call_part(slow.native, bytes_of(part), 0, BP_FOREVER) == BP_INVALID_HANDLE);
  freer.join();
}

TEST_CASE("a call outlives its context, and its waits end") {
  Home home;
  auto far = std::make_unique<Connected>(home.path());
  bp_context_options options = no_options();
  options.stop_timeout_ms = 50;
  auto context = std::make_unique<Context>(options);
  const Loaded module(home.context, "streams");
  const Pending near_call(context->native, "streams.nap", order(0, 0, 60'000));
  const Pending far_call(far->native, "streams.nap", order(0, 0, 60'000));
  bp_status found = BP_OK;
  std::thread waiter([&] { found = near_call.next(BP_FOREVER); });
  settle();
  context.reset();
  waiter.join();
  CHECK(found == BP_CANCELED);
  CHECK(near_call.wait(0) == BP_CANCELED);
  CHECK(bp_context_stop(far->native, 50) == BP_OK);
  far.reset();
  CHECK(far_call.wait() != BP_STALE);
  CHECK(far_call.wait(0) != BP_INVALID_HANDLE);
}

TEST_CASE("the host's own threads may look, but not wait") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Loaded partials(both.home.context, "partials");
  const Pending waited(both.ctx, "streams.nap", order(0, 0, 300));
  std::atomic<bp_status> looked{-1}, slept{-1}, sent{-1};
  Replies replies([&](const bp_answer&) {
    Result result;
    looked = bp_call_next(waited.native, 0, &result);
    Result other;
    slept = bp_call_wait(waited.native, 1'000, &other);
    sent = bp_call_part(waited.native, {nullptr, 0}, 0, 1'000);
  });
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("partials.count");
  submission.payload = bytes_of("0");
  submission.on_reply = Replies::on_reply;
  submission.user = &replies;
  REQUIRE(bp_submit(both.ctx, &submission, nullptr) == BP_OK);
  replies.wait();
  CHECK(looked == BP_STALE);
  CHECK(slept == BP_REENTRANT);
  CHECK(sent == BP_REENTRANT);
  CHECK(waited.wait() == BP_OK);
}

TEST_CASE("what cannot be started is refused, and leaves no call") {
  const Context context;
  const Loaded module(context, "partials");
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("partials.count");
  bp_pending call{7};
  CHECK(bp_call_start(context.native, &submission, nullptr) == BP_INVALID_ARGUMENT);
  CHECK(bp_call_start(context.native, nullptr, &call) == BP_INVALID_ARGUMENT);
  CHECK(call.id == 0);
  submission.on_reply = Replies::on_reply;
  CHECK(bp_call_start(context.native, &submission, &call) == BP_INVALID_ARGUMENT);
  submission.on_reply = nullptr;
  submission.flags = 0x8000;
  CHECK(bp_call_start(context.native, &submission, &call) == BP_INVALID_ARGUMENT);
  submission.flags = 0;
  CHECK(bp_call_start({12345}, &submission, &call) == BP_INVALID_HANDLE);
  submission.struct_size = 8;
  CHECK(bp_call_start(context.native, &submission, &call) == BP_INVALID_ARGUMENT);
  CHECK(call.id == 0);
  for (const bp_pending wrong : {bp_pending{0}, bp_pending{UINT64_MAX}, bp_pending{std::uint64_t{1} << 40}}) {
    Result result;
    CHECK(bp_call_wait(wrong, BP_FOREVER, &result) == BP_INVALID_HANDLE);
    CHECK(bp_call_next(wrong, BP_FOREVER, nullptr) == BP_INVALID_ARGUMENT);
    CHECK(bp_call_cancel(wrong) == BP_INVALID_HANDLE);
    CHECK(bp_call_part(wrong, {nullptr, 0}, 0, BP_FOREVER) == BP_INVALID_HANDLE);
    bp_call_free(wrong);
  }
}

TEST_CASE("in a forked child every function returns at once") {
  const BothWays both;
  const Loaded module(both.home.context, "streams");
  const Pending call(both.ctx, "streams.nap", order(0, 0, 100));
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::alarm(10);
    bp_result result{};
    result.struct_size = sizeof result;
    bp_pending other{};
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = BP_STR("streams.nap");
    bp_serving serving{};
    int wrong = bp_call_next(call.native, BP_FOREVER, &result) != BP_INVALID_HANDLE;
    wrong += bp_call_start(both.ctx, &submission, &other) != BP_INVALID_HANDLE;
    bp_call_free(call.native);
    wrong += bp_context_serve(both.ctx, "/nowhere/s", nullptr, &serving, nullptr) != BP_NOT_SUPPORTED;
    wrong += bp_serving_end(both.home.serving, 0) != BP_INVALID_HANDLE;
    wrong += bp_context_then(
                 both.ctx, BP_CONTEXT_GONE, [](void*) {}, nullptr) != BP_INVALID_HANDLE;
    ::_exit(wrong);
  }
  int state = 0;
  REQUIRE(::waitpid(child, &state, 0) == child);
  CHECK(WIFEXITED(state));
  CHECK(WEXITSTATUS(state) == 0);
  CHECK(call.wait() == BP_OK);
}
