// SPDX-License-Identifier: Apache-2.0
//
// The request loop where only handlers of the test's own can go: order, lifetimes, tokens.
#include <atomic>
#include <stdexcept>

#include "loop_fixture.hpp"

using namespace backplane::host;

TEST_CASE("parts that another thread has sent come before the terminal reply of the request thread") {
  LoopFixture rig;
  std::vector<std::string> told;
  rig.handler("t.mixed", [](const bp_call& call) -> bp_handled {
    std::thread([&] {
      for (const char* part : {"1", "2", "3"}) reply(call.token, BP_PARTIAL, part);
    }).join();
    reply(call.token, BP_PARTIAL, "4");
    reply(call.token, BP_OK, "end");
    return BP_DONE;
  });
  rig.start();
  SeenReplies replies;
  rig.call("t.mixed", replies);
  CHECK(replies.wait() == std::vector<std::string>{"partial:1", "partial:2", "partial:3", "partial:4", "ok:end"});
}

TEST_CASE("parts after the terminal reply are refused and never delivered") {
  LoopFixture rig;
  std::atomic<bp_status> late{BP_OK};
  rig.handler("t.late_part", [&](const bp_call& call) -> bp_handled {
    reply(call.token, BP_OK, "end");
    late = reply(call.token, BP_PARTIAL, "late");
    return BP_DONE;
  });
  rig.start();
  SeenReplies replies;
  rig.call("t.late_part", replies);
  CHECK(replies.wait() == std::vector<std::string>{"ok:end"});
  CHECK(late == BP_STALE_TOKEN);
}

TEST_CASE("a status that cannot end a call is refused, and the call stays open") {
  LoopFixture rig;
  rig.handler("t.odd", [&rig](const bp_call& call) -> bp_handled {
    rig.expect(reply(call.token, BP_STALE, "") == BP_INVALID_ARGUMENT);
    rig.expect(reply(call.token, BP_MISSING_CALLBACK, "") == BP_INVALID_ARGUMENT);
    rig.expect(reply(call.token, -7, "") == BP_INVALID_ARGUMENT);
    rig.expect(reply(call.token, BP_STATUS_MODULE_FIRST + 1, "") == BP_OK);
    return BP_DONE;
  });
  rig.start();
  SeenReplies replies;
  rig.call("t.odd", replies);
  CHECK(replies.wait() == std::vector<std::string>{"module 1001:"});
}

TEST_CASE("of a handler's threads that all answer at once exactly one wins") {
  LoopFixture rig;
  std::atomic<int> won{0};
  std::atomic<int> lost{0};
  rig.handler("t.race", [&](const bp_call& call) -> bp_handled {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] { ++(reply(call.token, BP_OK, "x") == BP_OK ? won : lost); });
    }
    for (auto& thread : threads) thread.join();
    return BP_LATER;
  });
  rig.start();
  for (int round = 0; round < 50; ++round) {
    SeenReplies replies;
    rig.call("t.race", replies);
    CHECK(replies.wait() == std::vector<std::string>{"ok:x"});
  }
  CHECK(won == 50);
  CHECK(lost == 150);
}

TEST_CASE("awaiting is refused from outside the handler that has the token") {
  LoopFixture rig;
  std::atomic<bp_status> other_thread{BP_OK};
  std::atomic<bp_status> other_token{BP_OK};
  rig.handler("t.await", [&](const bp_call& call) -> bp_handled {
    std::thread([&] { other_thread = await_api::sleep(call.token, 0); }).join();
    other_token = await_api::sleep(call.token + 4, 0);
    rig.expect(await_api::sleep(call.token, 0) == BP_OK);
    rig.expect(await_api::check(call.token + 4, nullptr) == BP_NOT_SUPPORTED);
    reply(call.token, BP_OK, "");
    return BP_DONE;
  });
  rig.start();
  SeenReplies replies;
  rig.call("t.await", replies);
  CHECK(replies.wait() == std::vector<std::string>{"ok:"});
  CHECK(other_thread == BP_NOT_SUPPORTED);
  CHECK(other_token == BP_NOT_SUPPORTED);
  CHECK(await_api::sleep(0, 0) == BP_NOT_SUPPORTED);
}

TEST_CASE("a handler that awaits in a catch block finds its own exception when it goes on") {
  LoopFixture rig;
  rig.handler("t.throws", [](const bp_call& call) -> bp_handled {
    std::string seen;
    try {
      throw std::runtime_error(text_of(call.payload));
    } catch (const std::exception&) {
      await_api::sleep(call.token, 1);
      try {
        throw;
      } catch (const std::exception& again) {
        seen = again.what();
      }
    }
    reply(call.token, BP_OK, seen);
    return BP_DONE;
  });
  rig.start();
  std::deque<SeenReplies> all;
  for (int i = 0; i < 20; ++i) rig.call("t.throws", all.emplace_back(), std::to_string(i));
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].wait() == std::vector<std::string>{"ok:" + std::to_string(i)});
  }
}

TEST_CASE("what a host function is shown stays valid until it returns, although it has answered a worker") {
  LoopFixture rig;
  rig.handler(
      "t.worker",
      [](const bp_call& call) -> bp_handled {
        auto name = std::make_unique<std::string>("app.function");
        auto payload = std::make_unique<std::string>("the payload that must stay");
        const bp_status status = await_api::host_call(call.token, *name, bytes_of(*payload), 0, nullptr);
        name->assign(name->size(), '-');
        payload->assign(payload->size(), '-');
        name.reset();
        payload.reset();
        reply(call.token, status, "");
        return BP_DONE;
      },
      BP_HANDLER_BLOCKING);
  struct Seen {
    LoopFixture& rig;
    std::string name;
    std::string payload;
  } seen{rig, {}, {}};
  const bp_host_function_fn function = [](void* user, bp_context, bp_token token, bp_str name, bp_bytes payload) {
    auto& self = *static_cast<Seen*>(user);
    const bp_answer answer{sizeof(bp_answer), BP_OK, {nullptr, 0}, {"", 0}, {nullptr, 0}, nullptr};
    self.rig.expect(self.rig.loop.complete(token, answer) == BP_OK);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // the worker would be on its way by now
    self.name = view(name);
    self.payload = text_of(payload);
  };
  rig.loop.functions().set("app.function", function, &seen, false);
  rig.start();
  SeenReplies replies;
  rig.call("t.worker", replies);
  CHECK(replies.wait() == std::vector<std::string>{"ok:"});
  rig.end();
  CHECK(seen.name == "app.function");
  CHECK(seen.payload == "the payload that must stay");
}

TEST_CASE("a token of one context is not answered through another") {
  LoopFixture one;
  LoopFixture other;
  struct Asked {
    std::promise<bp_token> token;
  } asked;
  one.loop.functions().set(
      "app.f",
      [](void* user, bp_context, bp_token token, bp_str, bp_bytes) {
        static_cast<Asked*>(user)->token.set_value(token);
      },
      &asked, false);
  one.handler("t.ask", [](const bp_call& call) -> bp_handled {
    reply(call.token, await_api::host_call(call.token, "app.f", {nullptr, 0}, 0, nullptr), "");
    return BP_DONE;
  });
  one.start();
  SeenReplies replies;
  one.call("t.ask", replies);
  const bp_token token = asked.token.get_future().get();
  const bp_answer answer{sizeof(bp_answer), BP_OK, {nullptr, 0}, {"", 0}, {nullptr, 0}, nullptr};
  CHECK(other.loop.complete(token, answer) == BP_STALE_TOKEN);
  CHECK(other.loop.counts().tokens_refused == 1);
  CHECK(replies.terminal() == 0);
  CHECK(one.loop.complete(token, answer) == BP_OK);
  CHECK(one.loop.complete(token, answer) == BP_STALE_TOKEN);
  CHECK(replies.wait() == std::vector<std::string>{"ok:"});
}

TEST_CASE("a canceled request's record is not used again before its handler has ended") {
  LoopFixture rig;
  std::promise<void> go_on;
  auto waits = go_on.get_future().share();
  std::atomic<bool> intact{true};
  std::promise<void> inside;
  rig.handler(
      "t.stays",
      [&, first = true](const bp_call& call) mutable -> bp_handled {
        if (!std::exchange(first, false)) return reply(call.token, BP_OK, ""), BP_DONE;
        inside.set_value();
        waits.wait();
        intact = text_of(call.payload) == std::string(50, 'p');
        rig.expect(await_api::check(call.token, nullptr) == BP_CANCELED);
        return BP_DONE;
      },
      BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT);
  rig.start();
  SeenReplies replies;
  const bp_request request = rig.call("t.stays", replies, std::string(50, 'p'));
  inside.get_future().wait();
  CHECK(rig.loop.cancel(request) == BP_OK);
  CHECK(replies.wait() == std::vector<std::string>{"canceled:"});
  CHECK(rig.loop.cancel(request) == BP_INVALID_HANDLE);
  for (int i = 0; i < 600; ++i) {  // more than one chunk of records
    SeenReplies other;
    rig.call("t.stays", other, std::string(50, 'q'));
    REQUIRE(other.wait() == std::vector<std::string>{"ok:"});
  }
  go_on.set_value();
  rig.end();
  CHECK(intact);
  CHECK(replies.terminal() == 1);
}

TEST_CASE("a request whose deadline has passed behind a handler that computes never begins") {
  LoopFixture rig;
  std::atomic<int> begun{0};
  rig.handler("t.computes", [](const bp_call& call) -> bp_handled {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    reply(call.token, BP_OK, "");
    return BP_DONE;
  });
  rig.handler("t.short", [&](const bp_call& call) -> bp_handled {
    ++begun;
    reply(call.token, BP_OK, "");
    return BP_DONE;
  });
  rig.start();
  SeenReplies first;
  SeenReplies second;
  rig.on_thread([&] {  // so that one turn takes both
    rig.call("t.computes", first);
    rig.call("t.short", second, "", 1);
  });
  CHECK(first.wait() == std::vector<std::string>{"ok:"});
  CHECK(second.wait() == std::vector<std::string>{"deadline:"});
  CHECK(begun == 0);
}

TEST_CASE("a call that its own handler cancels leaves nothing behind for the next one") {
  LoopFixture rig;
  rig.handler("t.cancel", [&](const bp_call& call) -> bp_handled {
    rig.expect(rig.loop.cancel({call.token}) == BP_OK);
    return BP_DONE;
  });
  rig.handler("t.check", [](const bp_call& call) -> bp_handled {
    reply(call.token, BP_OK, std::to_string(await_api::check(call.token, nullptr)));
    return BP_DONE;
  });
  rig.start();
  for (const auto& [name, seen] : {std::pair{"t.cancel", "canceled:"}, {"t.check", "ok:0"}}) {
    SeenReplies replies;
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = str(name);
    submission.on_reply = SeenReplies::on_reply;
    submission.user = &replies;
    REQUIRE(rig.loop.submit(submission, nullptr) == BP_OK);  // with no handle, so that it goes as a letter
    CHECK(replies.wait() == std::vector<std::string>{seen});
  }
}
