// SPDX-License-Identifier: Apache-2.0
//
// What callbacks may do, and what is refused instead of hanging.
#include "blocking_functions.hpp"

using namespace host_test;

TEST_CASE("blocking functions are refused in a reply callback, and the context goes on") {
  const Context context;
  std::vector<bp_status> got;
  Replies replies([&](const bp_answer&) { got = blocking_functions(context.native); });
  REQUIRE(context.submit("no.such_name", replies) == BP_OK);
  CHECK(replies.wait() == Seen{"unknown_name"});
  CHECK(got == all_refused);
  CHECK(context.call("no.such_name") == "unknown_name");
}

TEST_CASE("blocking functions are refused in a listener, and the context goes on") {
  const Context context;
  const Loaded emitter(context, "emitter");
  struct Heard {
    bp_context context;
    std::vector<bp_status> got;
    std::atomic<bool> done{false};
  } heard{context.native, {}, {}};
  bp_listener listener{};
  const bp_event_fn on_event = [](void* user, const bp_event*) {
    auto& self = *static_cast<Heard*>(user);
    self.got = blocking_functions(self.context);
    self.done = true;
  };
  REQUIRE(bp_listen(context.native, BP_STR("emitter.*"), on_event, &heard, &listener) == BP_OK);
  CHECK(context.call("emitter.raw", "1 1") == "ok:1 0");
  REQUIRE(eventually([&] { return heard.done.load(); }));
  CHECK(heard.got == all_refused);
  CHECK(context.call("no.such_name") == "unknown_name");
}

TEST_CASE("blocking functions are refused in a host function") {
  const Context context;
  const Loaded asks(context, "asks");
  std::vector<bp_status> got;
  const bp_host_function_fn function = [](void* user, bp_context ctx, bp_token token, bp_str, bp_bytes) {
    *static_cast<std::vector<bp_status>*>(user) = blocking_functions(ctx);
    const bp_answer answer = answer_of(BP_OK, "asked");
    bp_complete(ctx, token, &answer);
  };
  REQUIRE(bp_function_set(context.native, BP_STR("app.f"), function, &got) == BP_OK);
  CHECK(context.call("asks.host", "app.f") == "ok:asked");
  CHECK(got == all_refused);
}

TEST_CASE("a reply callback may submit, and each call gets its reply") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  Replies last;
  std::atomic<int> left{1'000};
  struct Chain {
    const Context& context;
    std::atomic<int>& left;
    Replies& last;
    static void on_reply(void* user, const bp_answer*) {
      auto& self = *static_cast<Chain*>(user);
      if (--self.left == 0) {
        self.context.submit("sleeper.remaining", self.last);
        return;
      }
      bp_submission submission{};
      submission.struct_size = sizeof submission;
      submission.name = BP_STR("sleeper.remaining");
      submission.on_reply = on_reply;
      submission.user = user;
      bp_submit(self.context.native, &submission, nullptr);
    }
  } chain{context, left, last};
  const bp_answer begin = answer_of(BP_OK);
  Chain::on_reply(&chain, &begin);
  CHECK(last.wait() == Seen{"ok:none"});
  CHECK(left == 0);
}

TEST_CASE("a blocking call is refused on any thread of the host, whichever context it is for") {
  const Context context;
  const Context other;
  std::string got;
  Replies replies([&](const bp_answer&) { got = other.call("no.such_name"); });
  REQUIRE(context.submit("no.such_name", replies) == BP_OK);
  replies.wait();
  CHECK(got == "reentrant");
  CHECK(other.call("no.such_name") == "unknown_name");
}
