// SPDX-License-Identifier: Apache-2.0
//
// Tokens of host function calls: every completion is taken, or refused and counted; every token is answered or
// failed in the end.
#include <random>

#include "matrix_fixture.hpp"
#include "status_counts.hpp"

using namespace host_test;

namespace {

struct Tokens {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<bp_token> all;

  static void take(void* user, bp_context, bp_token token, bp_str, bp_bytes) {
    auto& self = *static_cast<Tokens*>(user);
    const std::lock_guard lock(self.mutex);
    self.all.push_back(token);
    self.changed.notify_all();
  }
  std::vector<bp_token> wait(std::size_t count) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, long_enough, [&] { return all.size() >= count; }));
    return all;
  }
};

bp_status complete(const Context& context, bp_token token) {
  const bp_answer answer = answer_of(BP_OK, "answered");
  return bp_complete(context.native, token, &answer);
}

std::uint64_t count(const Context& context, const char* what) {
  return StatusCounts(context.native).sum(std::string("tokens.") + what);
}

}  // namespace

TEST_CASE("no forged, late, second or foreign completion reaches a handler, and each is counted") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const Context context;
  const Loaded asks(context, "asks");
  Tokens tokens;
  REQUIRE(bp_function_set(context.native, BP_STR("app.f"), Tokens::take, &tokens) == BP_OK);
  std::deque<Replies> replies;
  bp_request request{};
  for (int i = 0; i < 8; ++i)
    REQUIRE(context.submit("asks.host", replies.emplace_back(), "app.f", 0, &request) == BP_OK);
  const auto open = tokens.wait(8);
  CHECK(count(context, "open") == 8);
  const auto is_open = [&](bp_token token) { return std::find(open.begin(), open.end(), token) != open.end(); };
  std::uint64_t refused = 0;
  const auto refuse = [&](bp_token forged) {
    if (is_open(forged)) return;
    REQUIRE(complete(context, forged) == BP_STALE_TOKEN);
    ++refused;
  };
  for (const bp_token token : open) {
    for (int bit = 0; bit < 64; ++bit) refuse(token ^ bp_token{1} << bit);  // kind, index, generation, lock
    for (bp_token kind = 0; kind < 4; ++kind) refuse((token & ~bp_token{3}) | kind);
    for (int i = 0; i < 200; ++i) refuse(token ^ (random() & random() & random()));
  }
  for (int i = 0; i < 5'000; ++i) refuse(random());
  refuse(request.id);  // a request's, not a host function call's
  refuse(request.id | 3);
  for (Replies& each : replies) CHECK(each.terminal() == 0);
  CHECK(count(context, "refused") == refused);

  for (const bp_token token : open) CHECK(complete(context, token) == BP_OK);
  for (Replies& each : replies) CHECK(each.wait() == Seen{"ok:answered"});
  for (const bp_token token : open) {
    CHECK(complete(context, token) == BP_STALE_TOKEN);  // a second time
    ++refused;
  }
  CHECK(count(context, "refused") == refused);
  CHECK(eventually([&] { return count(context, "open") == 0; }));
  CHECK(count(context, "answered") == 8);
  CHECK(count(context, "failed") == 0);
}

TEST_CASE("a completion through another context is refused and counted there, and the token stays open") {
  const Context keeper;
  const Context context;
  const Loaded asks(keeper, "asks");
  Tokens tokens;
  REQUIRE(bp_function_set(context.native, BP_STR("app.f"), Tokens::take, &tokens) == BP_OK);
  Replies replies;
  REQUIRE(context.submit("asks.host", replies, "app.f") == BP_OK);
  const bp_token token = tokens.wait(1).front();
  const std::uint64_t before = count(keeper, "refused");
  CHECK(complete(keeper, token) == BP_STALE_TOKEN);
  CHECK(count(keeper, "refused") == before + 1);
  CHECK(replies.terminal() == 0);
  CHECK(complete(context, token) == BP_OK);
  CHECK(replies.wait() == Seen{"ok:answered"});
}

TEST_CASE("completions that race with cancels are taken or refused, and every token is answered or failed") {
  const Context context;
  const Loaded asks(context, "asks");
  Tokens tokens;
  REQUIRE(bp_function_set(context.native, BP_STR("app.f"), Tokens::take, &tokens) == BP_OK);
  constexpr std::size_t crowd = 400;
  std::deque<Replies> replies;
  std::vector<bp_request> requests(crowd);
  for (std::size_t i = 0; i < crowd; ++i) {
    const char* const wire = i == 0 ? "asks.blocking" : "asks.host";  // the former is one at a time
    REQUIRE(context.submit(wire, replies.emplace_back(), "app.f", 0, &requests[i]) == BP_OK);
  }
  const auto all = tokens.wait(crowd);
  std::atomic<std::uint64_t> taken{0};
  std::atomic<std::uint64_t> refused{0};
  std::thread completer([&] {
    for (const bp_token token : all) ++(complete(context, token) == BP_OK ? taken : refused);
  });
  std::thread canceller([&] {
    for (std::size_t i = crowd; i-- > 0;) bp_cancel(context.native, requests[i]);
  });
  completer.join();
  canceller.join();
  for (Replies& each : replies) {
    const Seen seen = each.wait();
    CHECK((seen == Seen{"ok:answered"} || seen == Seen{"canceled"}));
  }
  CHECK(eventually([&] { return StatusCounts(context.native).nothing_open(); }));
  CHECK(count(context, "answered") == taken);
  CHECK(count(context, "refused") == refused);
  CHECK(count(context, "answered") + count(context, "failed") == crowd);
}

TEST_CASE("host functions that come and go under calls answer each call, or it is told that there is none") {
  const Context context;
  const Loaded asks(context, "asks");
  const bp_host_function_fn answer = [](void* user, bp_context ctx, bp_token token, bp_str, bp_bytes) {
    const auto& alive = *static_cast<std::atomic<bool>*>(user);
    const bp_answer given = answer_of(alive ? BP_OK : BP_ERROR);
    bp_complete(ctx, token, &given);
  };
  std::atomic<bool> stop{false};
  std::atomic<int> changes{0};
  std::thread changer([&] {
    while (!stop) {
      std::atomic<bool> alive[2] = {true, true};
      for (auto& each : alive) bp_function_set(context.native, BP_STR("app.f"), answer, &each);
      alive[0] = false;  // replaced: nobody calls it with this any more
      bp_function_set(context.native, BP_STR("app.f"), nullptr, nullptr);
      alive[1] = false;
      ++changes;
    }
  });
  int answered = 0;
  int absent = 0;
  for (int i = 0; (i < 200 || changes < 20 || answered == 0) && i < 200'000; ++i) {
    const std::string got = context.call(i % 8 == 0 ? "asks.blocking" : "asks.host", "app.f");
    REQUIRE((got == "ok" || got == "no_host_function"));
    ++(got == "ok" ? answered : absent);
  }
  stop = true;
  changer.join();
  CHECK(answered > 0);
  CHECK(eventually([&] { return StatusCounts(context.native).nothing_open(); }));
}

TEST_CASE("a host function may call into the context, and answer when that call is answered") {
  const Context context;
  const Loaded asks(context, "asks");
  const Loaded sleeper(context, "sleeper");
  struct Back {
    bp_context context;
    bp_token token = 0;
    std::atomic<int> refused{0};
    static void on_reply(void* user, const bp_answer* answer) {
      auto& self = *static_cast<Back*>(user);
      self.refused += bp_complete(self.context, self.token, answer) != BP_OK;
    }
    static void call(void* user, bp_context ctx, bp_token token, bp_str, bp_bytes) {
      auto& self = *static_cast<Back*>(user);
      self.token = token;
      Result result;
      self.refused += bp_call_sync(ctx, BP_STR("sleeper.sleep"), bytes_of("1"), 0, &result) != BP_REENTRANT;
      bp_submission submission{};
      submission.struct_size = sizeof submission;
      submission.name = BP_STR("sleeper.sleep");
      submission.payload = bytes_of("3");
      submission.on_reply = on_reply;
      submission.user = user;
      self.refused += bp_submit(ctx, &submission, nullptr) != BP_OK;
    }
  } back{context.native};
  REQUIRE(bp_function_set(context.native, BP_STR("app.back"), Back::call, &back) == BP_OK);
  for (int i = 0; i < 20; ++i) {
    CHECK(context.call("asks.host", "app.back") == "ok:3");
    CHECK(context.call("asks.blocking", "app.back") == "ok:3");
  }
  CHECK(back.refused == 0);
}

// For the whole host: a stale token may be of a context that is no more.
TEST_CASE("a module's second answer to a host function call is refused and counted") {
  MatrixFixture fixture;
  const Context context;
  for (const char* name : {"matrix", "matrix_other"}) load(context.native, name, fixture.config());
  fixture.function = [](matrix_fixture*, const bp_host_api* host, const bp_call* call) {
    const bp_answer answer = answer_of(BP_OK, "answered");
    host->reply(call->token, &answer);
    host->reply(call->token, &answer);
  };
  fixture.begin([](MatrixFixture& self, const Here& here) -> bp_handled {
    bp_result result{};
    result.struct_size = sizeof result;
    here.await.host_call(here.call.token, BP_STR("matrix_other.offered"), here.call.payload, 0, &result);
    here.host.result_free(&result);
    return self.reply(here, BP_OK);
  });
  const std::uint64_t stale_before = StatusCounts(context.native).status["stale_answers"].number;
  CHECK(context.call("matrix.run", "1") == "ok:1");
  CHECK(count(context, "answered") == 1);
  CHECK(count(context, "refused") == 0);
  CHECK(StatusCounts(context.native).status["stale_answers"].number == stale_before + 1);
  for (const char* name : {"matrix", "matrix_other"}) CHECK(unloaded(context.native, name));
}
