// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"

using namespace host_test;

TEST_CASE("blocking calls of one instance run one at a time, and several where the module allows it") {
  const Context context;
  const Loaded blocking(context, "blocking");
  Replies serial[4];
  Replies crowd[4];
  for (Replies& each : serial) REQUIRE(context.submit("blocking.one_by_one", each, "5") == BP_OK);
  for (Replies& each : crowd) REQUIRE(context.submit("blocking.together", each, "100") == BP_OK);
  for (Replies& each : serial) CHECK(each.wait() == Seen{"ok:1"});
  int most = 0;
  for (Replies& each : crowd) most = std::max(most, std::stoi(each.wait().back().substr(3)));
  CHECK(most >= 2);
}

TEST_CASE("the request thread goes on while a blocking handler blocks") {
  const Context context;
  const Loaded blocking(context, "blocking");
  const Loaded sleeper(context, "sleeper");
  Replies slow;
  REQUIRE(context.submit("blocking.one_by_one", slow, "1000") == BP_OK);
  for (int i = 0; i < 10; ++i) CHECK(context.call("sleeper.remaining") == "ok:none");
  CHECK(slow.terminal() == 0);
  CHECK(slow.wait() == Seen{"ok:1"});
}

TEST_CASE("a blocking handler may await, and is woken by its cancel") {
  const Context context;
  const Loaded blocking(context, "blocking");
  CHECK(context.call("blocking.await", "3") == "ok:3");
  Replies replies;
  bp_request request{};
  REQUIRE(context.submit("blocking.await", replies, "60000", 0, &request) == BP_OK);
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(replies.wait() == Seen{"canceled"});
  // The worker is free again: the next serial call gets its turn.
  CHECK(context.call("blocking.await", "1") == "ok:1");
}

TEST_CASE("a blocking handler's question to a host function is answered from any thread") {
  const Context context;
  const Loaded asks(context, "asks");
  const bp_host_function_fn inline_answer = [](void*, bp_context ctx, bp_token token, bp_str, bp_bytes payload) {
    bp_answer answer = answer_of(BP_OK);
    answer.payload = payload;
    bp_complete(ctx, token, &answer);
  };
  const bp_host_function_fn thread_answer = [](void*, bp_context ctx, bp_token token, bp_str, bp_bytes) {
    std::thread([ctx, token] {
      const bp_answer answer = answer_of(BP_OK, "from a thread");
      bp_complete(ctx, token, &answer);
    }).detach();
  };
  REQUIRE(bp_function_set(context.native, BP_STR("app.inline"), inline_answer, nullptr) == BP_OK);
  REQUIRE(bp_function_set(context.native, BP_STR("app.thread"), thread_answer, nullptr) == BP_OK);
  for (int i = 0; i < 50; ++i) {
    CHECK(context.call("asks.blocking", "app.inline") == "ok:asked");
    CHECK(context.call("asks.blocking", "app.thread") == "ok:from a thread");
  }
  CHECK(context.call("asks.blocking", "app.absent") == "no_host_function");
}

TEST_CASE("blocking handlers that wait for blocking handlers do not use up the workers") {
  const Context context;
  const Loaded blocking(context, "blocking");
  Replies nested[16];  // more than there are workers
  for (Replies& each : nested) REQUIRE(context.submit("blocking.nest", each, "1", 10'000) == BP_OK);
  for (Replies& each : nested) CHECK(each.wait() == Seen{"ok:nested"});
}

TEST_CASE("a blocking handler that waits for one of its own instance, which waits for it, is told") {
  const Context context;
  const Loaded blocking(context, "blocking");
  CHECK(context.call("blocking.nest_alone", "1") == "reentrant");
  CHECK(context.call("blocking.one_by_one", "1") == "ok:1");
}

TEST_CASE("a blocking handler that waits for one of its own instance through another handler is told") {
  const Context context;
  const Loaded blocking(context, "blocking");
  const Loaded asks(context, "asks");
  CHECK(context.call("blocking.nest_around", "", 10'000) == "reentrant");
  CHECK(context.call("blocking.one_by_one", "1", 10'000) == "ok:1");
}
