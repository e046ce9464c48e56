// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"

using namespace host_test;

TEST_CASE("a deadline ends a call wherever it stands, with one reply") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const Loaded holder(context, "holder");
  const Loaded blocking(context, "blocking");
  const Loaded late(context, "replies_late");
  for (const auto& [name, payload] : std::vector<std::pair<const char*, const char*>>{{"sleeper.sleep", "60000"},
                                                                                      {"holder.keep", ""},
                                                                                      {"blocking.await", "60000"},
                                                                                      {"blocking.one_by_one", "40"},
                                                                                      {"replies_late.after", "40"}}) {
    CAPTURE(name);
    Replies replies;
    const auto begin = Clock::now();
    REQUIRE(context.submit(name, replies, payload, 10) == BP_OK);
    CHECK(replies.wait() == Seen{"deadline"});
    CHECK(Clock::now() - begin >= std::chrono::milliseconds(10));
  }
  CHECK(context.call("holder.release") == "ok:0");
}

TEST_CASE("a deadline that passes while the call waits in the queue ends it, and its handler never runs") {
  const Context context;
  const Loaded slow(context, "slow");
  const Loaded holder(context, "holder");
  Replies busy;
  REQUIRE(context.submit("slow.sleep", busy, "40") == BP_OK);
  Replies replies;
  REQUIRE(context.submit("holder.keep", replies, "", 5) == BP_OK);
  CHECK(replies.wait() == Seen{"deadline"});
  CHECK(busy.wait() == Seen{"ok:40"});
  CHECK(context.call("holder.release") == "ok:0");
}

TEST_CASE("a blocking call that waits for its turn can reach its deadline, and those behind it still run") {
  const Context context;
  const Loaded blocking(context, "blocking");
  Replies first;
  Replies second;
  Replies third;
  REQUIRE(context.submit("blocking.one_by_one", first, "40") == BP_OK);
  REQUIRE(context.submit("blocking.one_by_one", second, "0", 5) == BP_OK);
  REQUIRE(context.submit("blocking.one_by_one", third, "0") == BP_OK);
  CHECK(second.wait() == Seen{"deadline"});
  CHECK(first.terminal() == 0);
  CHECK(first.wait() == Seen{"ok:1"});
  CHECK(third.wait() == Seen{"ok:1"});
}

TEST_CASE("a handler's calls inherit what remains of its deadline") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const Loaded asks(context, "asks");
  CHECK(context.call("asks.call", "sleeper.remaining") == "ok:none");
  const std::string left = context.call("asks.call", "sleeper.remaining", 30'000);
  REQUIRE(left.starts_with("ok:"));
  const int ms = std::stoi(left.substr(3));
  CHECK(ms > 0);
  CHECK(ms <= 30'000);
}

TEST_CASE("a handler that waits for a host function or another call is freed by its own deadline") {
  const Context context;
  const Loaded asks(context, "asks");
  const Loaded holder(context, "holder");
  const bp_host_function_fn never = [](void*, bp_context, bp_token, bp_str, bp_bytes) {};
  REQUIRE(bp_function_set(context.native, BP_STR("app.never"), never, nullptr) == BP_OK);
  CHECK(context.call("asks.host", "app.never", 10) == "deadline");
  CHECK(context.call("asks.blocking", "app.never", 10) == "deadline");
  CHECK(context.call("asks.call", "holder.keep", 10) == "deadline");
  CHECK(context.call("holder.release") == "ok:0");  // the inner call ended with the outer one
}

TEST_CASE("a handler hears of a cancel at its suspension, and each later wait ends at once") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  Replies replies;
  bp_request request{};
  REQUIRE(context.submit("sleeper.stubborn", replies, "1000000", 0, &request) == BP_OK);
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(replies.wait() == Seen{"canceled"});
  // A million waits of a millisecond each, were they not ended at once.
  CHECK(bp_context_stop(context.native, 10'000) == BP_OK);
  CHECK(replies.terminal() == 1);
}
