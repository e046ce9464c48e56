// SPDX-License-Identifier: Apache-2.0
//
// Host functions: who answers, from where, and what is refused.
#include <future>

#include "fixture.hpp"

using namespace host_test;

namespace {

/// Keeps the tokens of the calls that it gets, for the test to answer.
struct CompletionThread {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<bp_token> tokens;

  static void take(void* user, bp_context, bp_token token, bp_str, bp_bytes) {
    auto& self = *static_cast<CompletionThread*>(user);
    const std::lock_guard lock(self.mutex);
    self.tokens.push_back(token);
    self.changed.notify_all();
  }
  bp_token wait(std::size_t count = 1) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, long_enough, [&] { return tokens.size() >= count; });
    return tokens.size() >= count ? tokens[count - 1] : 0;
  }
};

/// Answers with the text that it was registered with.
void say(void* user, bp_context ctx, bp_token token, bp_str, bp_bytes) {
  const bp_answer answer = answer_of(BP_OK, static_cast<const char*>(user));
  bp_complete(ctx, token, &answer);
}

bp_status complete(const Context& context, bp_token token, bp_status status = BP_OK, std::string_view payload = {}) {
  const bp_answer answer = answer_of(status, payload);
  return bp_complete(context.native, token, &answer);
}

void* text(const char* words) { return const_cast<char*>(words); }

}  // namespace

TEST_CASE("a host function answers inline or from another thread, and its errors arrive whole") {
  const Context context;
  const Loaded asks(context, "asks");
  REQUIRE(bp_function_set(context.native, BP_STR("app.say"), say, text("inline")) == BP_OK);
  CHECK(context.call("asks.host", "app.say") == "ok:inline");

  CompletionThread completion_thread;
  REQUIRE(bp_function_set(context.native, BP_STR("app.completion_thread"), CompletionThread::take,
                          &completion_thread) == BP_OK);
  Replies replies;
  REQUIRE(context.submit("asks.host", replies, "app.completion_thread") == BP_OK);
  std::thread([&] { complete(context, completion_thread.wait(), BP_OK, "from a thread"); }).join();
  CHECK(replies.wait() == Seen{"ok:from a thread"});

  Replies failed;
  REQUIRE(context.submit("asks.host", failed, "app.completion_thread") == BP_OK);
  bp_answer error = answer_of(BP_STATUS_MODULE_FIRST + 4);
  error.message = BP_STR("no such profile");
  CHECK(bp_complete(context.native, completion_thread.wait(2), &error) == BP_OK);
  CHECK(failed.wait() == Seen{"module"});
  CHECK(failed.message() == "no such profile");
}

TEST_CASE("a call of a host function that nobody has says so") {
  const Context context;
  const Loaded asks(context, "asks");
  Replies replies;
  REQUIRE(context.submit("asks.host", replies, "app.absent") == BP_OK);
  CHECK(replies.wait() == Seen{"no_host_function"});
  CHECK_THAT(replies.message(), Catch::Contains("\"app.absent\""));
}

TEST_CASE("second, late, forged and unfit completions are refused and change nothing") {
  const Context context;
  const Context other;
  const Loaded asks(context, "asks");
  CompletionThread completion_thread;
  REQUIRE(bp_function_set(context.native, BP_STR("app.completion_thread"), CompletionThread::take,
                          &completion_thread) == BP_OK);
  Replies replies;
  bp_request request{};
  REQUIRE(context.submit("asks.host", replies, "app.completion_thread", 0, &request) == BP_OK);
  const bp_token token = completion_thread.wait();
  for (const bp_token forged : {bp_token{0}, bp_token{1}, ~bp_token{0}, token + 4, token ^ 1,
                                token + (bp_token{1} << 26), token | bp_token{1} << 63, request.id}) {
    CAPTURE(forged);
    CHECK(complete(context, forged) == BP_STALE_TOKEN);
  }
  CHECK(complete(other, token) == BP_STALE_TOKEN);
  for (const bp_status status : std::initializer_list<bp_status>{BP_STALE, BP_PARTIAL, BP_MISSING_CALLBACK, -1}) {
    CAPTURE(status);
    CHECK(complete(context, token, status) == BP_INVALID_ARGUMENT);
  }
  CHECK(replies.terminal() == 0);
  CHECK(complete(context, token, BP_OK, "first") == BP_OK);
  CHECK(complete(context, token, BP_OK, "second") == BP_STALE_TOKEN);
  CHECK(replies.wait() == Seen{"ok:first"});

  Replies canceled;
  REQUIRE(context.submit("asks.host", canceled, "app.completion_thread", 0, &request) == BP_OK);
  const bp_token late = completion_thread.wait(2);
  REQUIRE(bp_cancel(context.native, request) == BP_OK);
  CHECK(canceled.wait() == Seen{"canceled"});
  CHECK(eventually([&] { return complete(context, late) == BP_STALE_TOKEN; }));
}

TEST_CASE("a host function that never answers is given up at the stop") {
  Context context;
  const Context keeper;
  const Loaded asks(keeper, "asks");
  CompletionThread completion_thread;
  REQUIRE(bp_function_set(context.native, BP_STR("app.completion_thread"), CompletionThread::take,
                          &completion_thread) == BP_OK);
  Replies replies;
  Replies on_worker;
  REQUIRE(context.submit("asks.host", replies, "app.completion_thread") == BP_OK);
  REQUIRE(context.submit("asks.blocking", on_worker, "app.completion_thread") == BP_OK);
  const bp_token token = completion_thread.wait(2);
  const bp_status stopped = bp_context_stop(context.native, 20);
  CHECK((stopped == BP_OK || stopped == BP_TIMEOUT));  // the latter on a slow machine
  CHECK(bp_context_stop(context.native, 20'000) == BP_OK);
  CHECK(replies.wait() == Seen{"canceled"});
  CHECK(on_worker.wait() == Seen{"canceled"});
  CHECK(complete(context, token) == BP_STALE_TOKEN);
  CHECK(context.destroy() == BP_OK);
}

TEST_CASE(
    "a host function replaced or taken away in flight: open calls are still answered, new ones are not the old's") {
  const Context context;
  const Loaded asks(context, "asks");
  CompletionThread completion_thread;
  REQUIRE(bp_function_set(context.native, BP_STR("app.f"), CompletionThread::take, &completion_thread) == BP_OK);
  Replies open;
  REQUIRE(context.submit("asks.host", open, "app.f") == BP_OK);
  const bp_token token = completion_thread.wait();
  REQUIRE(bp_function_set(context.native, BP_STR("app.f"), say, text("new")) == BP_OK);
  CHECK(context.call("asks.host", "app.f") == "ok:new");
  REQUIRE(bp_function_set(context.native, BP_STR("app.f"), nullptr, nullptr) == BP_OK);
  CHECK(context.call("asks.host", "app.f") == "no_host_function");
  CHECK(bp_function_set(context.native, BP_STR("app.f"), nullptr, nullptr) == BP_NOT_FOUND);
  CHECK(complete(context, token, BP_OK, "still") == BP_OK);
  CHECK(open.wait() == Seen{"ok:still"});
}

TEST_CASE("taking a host function away waits for the call of it that runs, from another thread only") {
  const Context context;
  const Loaded asks(context, "asks");
  struct Slow {
    std::promise<void> inside;
    std::promise<void> go_on;
    std::atomic<bool> returned{false};
    static void run(void* user, bp_context ctx, bp_token token, bp_str, bp_bytes) {
      auto& self = *static_cast<Slow*>(user);
      self.inside.set_value();
      self.go_on.get_future().wait();
      const bp_answer answer = answer_of(BP_OK);
      bp_complete(ctx, token, &answer);
      self.returned = true;
    }
  } slow;
  REQUIRE(bp_function_set(context.native, BP_STR("app.slow"), Slow::run, &slow) == BP_OK);
  Replies replies;
  REQUIRE(context.submit("asks.host", replies, "app.slow") == BP_OK);
  slow.inside.get_future().wait();
  bool returned_first = false;
  std::thread remover([&] {
    bp_function_set(context.native, BP_STR("app.slow"), nullptr, nullptr);
    returned_first = slow.returned;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  slow.go_on.set_value();
  remover.join();
  CHECK(returned_first);
  CHECK(replies.wait() == Seen{"ok"});

  const bp_host_function_fn removes_itself = [](void*, bp_context ctx, bp_token token, bp_str name, bp_bytes) {
    const bp_answer answer = answer_of(bp_function_set(ctx, name, nullptr, nullptr), "removed");
    bp_complete(ctx, token, &answer);
  };
  REQUIRE(bp_function_set(context.native, BP_STR("app.self"), removes_itself, nullptr) == BP_OK);
  CHECK(context.call("asks.host", "app.self") == "ok:removed");
  CHECK(context.call("asks.host", "app.self") == "no_host_function");
}

TEST_CASE("the application's host function is asked before a module's of the same name") {
  const Context context;
  const Context plain;
  const Loaded asks(context, "asks");
  const Loaded offers(context, "offers_a");
  CHECK(context.call("asks.host", "offered.twice") == "ok:from offers_a");
  REQUIRE(bp_function_set(context.native, BP_STR("offered.twice"), say, text("from the application")) == BP_OK);
  CHECK(context.call("asks.host", "offered.twice") == "ok:from the application");
  CHECK(plain.call("asks.host", "offered.twice") == "ok:from offers_a");  // it is one context's alone
  REQUIRE(bp_function_set(context.native, BP_STR("offered.twice"), nullptr, nullptr) == BP_OK);
  CHECK(context.call("asks.host", "offered.twice") == "ok:from offers_a");
}

TEST_CASE("host functions are told the context, the name and the payload of the call") {
  const Context context;
  const Loaded asks(context, "asks");
  const bp_host_function_fn echo = [](void* user, bp_context ctx, bp_token token, bp_str name, bp_bytes payload) {
    *static_cast<std::uint64_t*>(user) = ctx.id;
    const std::string all = text_of(name) + " " + text_of(payload);
    const bp_answer answer = answer_of(BP_OK, all);
    bp_complete(ctx, token, &answer);
  };
  std::uint64_t told = 0;
  REQUIRE(bp_function_set(context.native, BP_STR("app.echo"), echo, &told) == BP_OK);
  CHECK(context.call("asks.host", "app.echo") == "ok:app.echo asked");
  CHECK(told == context.native.id);
}

TEST_CASE("many calls of a host function are open at once and answered in any order") {
  const Context context;
  const Loaded asks(context, "asks");
  CompletionThread completion_thread;
  REQUIRE(bp_function_set(context.native, BP_STR("app.completion_thread"), CompletionThread::take,
                          &completion_thread) == BP_OK);
  constexpr std::size_t count = 500;
  std::vector<Replies> all(count);
  for (Replies& each : all) REQUIRE(context.submit("asks.host", each, "app.completion_thread") == BP_OK);
  REQUIRE(completion_thread.wait(count) != 0);
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = count; i-- > 0;) {
        // Both try every token: one of them gets it.
        if (complete(context, completion_thread.tokens[(i + t) % count], BP_OK, "x") == BP_STALE_TOKEN) ++refused;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (Replies& each : all) CHECK(each.wait() == Seen{"ok:x"});
  CHECK(refused == count);
}
