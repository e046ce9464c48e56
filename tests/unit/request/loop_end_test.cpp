// SPDX-License-Identifier: Apache-2.0
//
// How a request thread comes to its end while there is still work in it.
#include <atomic>

#include "loop_fixture.hpp"

using namespace backplane::host;

namespace {

constexpr std::uint64_t an_hour = 3'600'000;

void never_answers(void*, bp_context, bp_token, bp_str, bp_bytes) {}

/// Cancels everything and says whether it came to an end soon.
bool ends_soon(LoopFixture& rig) {
  rig.loop.close();
  CHECK_FALSE(rig.loop.wait_until_idle(std::chrono::milliseconds(10)));
  rig.loop.cancel_all();
  return rig.loop.wait_until_idle(std::chrono::seconds(5));
}

}  // namespace

TEST_CASE("a handler that has answered and then waits is woken when everything is canceled") {
  struct Wait {
    const char* what;
    std::function<bp_status(bp_token)> run;
  };
  const std::vector<Wait> waits = {
      {"sleep", [](bp_token token) { return await_api::sleep(token, an_hour); }},
      {"host function",
       [](bp_token token) {
         return await_api::host_call(token, "app.never", {nullptr, 0}, 0, nullptr);
       }},
      {"call",
       [](bp_token token) {
         return await_api::call(token, "t.later", {nullptr, 0}, 0, nullptr);
       }},
  };
  for (const Wait& wait : waits) {
    for (const std::uint32_t flags : {0u, std::uint32_t{BP_HANDLER_BLOCKING}}) {
      CAPTURE(wait.what, flags);
      LoopFixture rig;
      std::atomic<bp_status> ended{BP_OK};
      rig.loop.functions().set("app.never", never_answers, nullptr, false);
      rig.handler("t.later", [](const bp_call&) -> bp_handled { return BP_LATER; });
      rig.handler(
          "t.first_answers",
          [&](const bp_call& call) -> bp_handled {
            reply(call.token, BP_OK, "done");
            ended = wait.run(call.token);
            return BP_DONE;
          },
          flags);
      rig.start();
      SeenReplies replies;
      rig.call("t.first_answers", replies);
      REQUIRE(replies.wait() == std::vector<std::string>{"ok:done"});
      REQUIRE(ends_soon(rig));
      CHECK(ended == BP_CANCELED);
      CHECK(replies.terminal() == 1);
    }
  }
}

TEST_CASE("a handler that never stops awaiting is told each time that it is canceled, until it gives up") {
  LoopFixture rig;
  std::atomic<int> told{0};
  std::promise<void> begun;
  rig.handler("t.stubborn", [&](const bp_call& call) -> bp_handled {
    begun.set_value();
    for (int i = 0; i < 5; ++i) told += await_api::sleep(call.token, an_hour) == BP_CANCELED;
    return BP_DONE;
  });
  rig.start();
  SeenReplies replies;
  rig.call("t.stubborn", replies);
  begun.get_future().wait();
  REQUIRE(ends_soon(rig));
  CHECK(told == 5);
  CHECK(replies.now() == std::vector<std::string>{"canceled:"});
}

TEST_CASE("every open request gets one terminal reply when everything is canceled, wherever it stands") {
  LoopFixture rig;
  std::promise<void> go_on;
  auto waits = go_on.get_future().share();
  rig.loop.functions().set("app.never", never_answers, nullptr, false);
  rig.handler("t.later", [](const bp_call&) -> bp_handled { return BP_LATER; });
  rig.handler("t.asks", [](const bp_call& call) -> bp_handled {
    await_api::host_call(call.token, "app.never", {nullptr, 0}, 0, nullptr);
    return BP_DONE;
  });
  rig.handler("t.calls", [](const bp_call& call) -> bp_handled {
    await_api::call(call.token, "t.asks", {nullptr, 0}, 0, nullptr);
    return BP_DONE;
  });
  rig.handler(
      "t.blocks",
      [&](const bp_call& call) -> bp_handled {
        waits.wait();
        reply(call.token, BP_OK, "too late");
        return BP_DONE;
      },
      BP_HANDLER_BLOCKING);
  rig.start();
  std::deque<SeenReplies> all;
  for (int i = 0; i < 10; ++i) {
    for (const char* name : {"t.later", "t.asks", "t.calls", "t.blocks"}) rig.call(name, all.emplace_back());
  }
  rig.loop.close();
  CHECK_FALSE(rig.loop.wait_until_idle(std::chrono::milliseconds(10)));
  rig.loop.cancel_all();
  for (auto& replies : all) CHECK(replies.wait() == std::vector<std::string>{"canceled:"});
  go_on.set_value();
  CHECK(rig.loop.wait_until_idle(std::chrono::seconds(10)));
  for (auto& replies : all) CHECK(replies.terminal() == 1);
  CHECK(rig.loop.counts().open == 0);
  CHECK(rig.loop.counts().tokens_open == 0);
}

TEST_CASE("a token that is being answered while everything is canceled does not keep the others from failing") {
  LoopFixture rig;
  struct Tokens {
    std::mutex mutex;
    std::vector<bp_token> all;
  } tokens;
  rig.loop.functions().set(
      "app.note",
      [](void* user, bp_context, bp_token token, bp_str, bp_bytes) {
        auto& self = *static_cast<Tokens*>(user);
        const std::lock_guard lock(self.mutex);
        self.all.push_back(token);
      },
      &tokens, false);
  std::atomic<int> failed{0};
  rig.handler("t.asks_after", [&](const bp_call& call) -> bp_handled {
    reply(call.token, BP_OK, "done");
    failed += await_api::host_call(call.token, "app.note", {nullptr, 0}, 0, nullptr) == BP_CANCELED;
    return BP_DONE;
  });
  rig.start();
  std::deque<SeenReplies> all;
  for (int i = 0; i < 5; ++i) rig.call("t.asks_after", all.emplace_back());
  for (auto& replies : all) replies.wait();
  rig.loop.close();
  CHECK_FALSE(rig.loop.wait_until_idle(std::chrono::milliseconds(10)));
  // The last token heads the list of open ones. Its answer reaches the task queue behind the order to cancel.
  std::promise<void> ready;
  rig.loop.post([&] { ready.get_future().wait(); });
  rig.loop.cancel_all();
  const bp_answer answer{sizeof(bp_answer), BP_OK, {nullptr, 0}, {"", 0}, {nullptr, 0}, nullptr};
  CHECK(rig.loop.complete(tokens.all.back(), answer) == BP_OK);
  ready.set_value();
  REQUIRE(rig.loop.wait_until_idle(std::chrono::seconds(5)));
  CHECK(failed == 5);
  CHECK(rig.loop.counts().tokens_open == 0);
}

TEST_CASE("a stop that has timed out ends the instances when its handlers return, without another stop") {
  for (const bool waits : {false, true}) {
    CAPTURE(waits);
    LoopFixture rig;
    std::promise<void> go_on;
    std::promise<void> begun;
    rig.handler("t.keeps", [&](const bp_call& call) -> bp_handled {
      begun.set_value();
      go_on.get_future().wait();  // keeps the request thread, so that it sees no step of the stop meanwhile
      if (waits) await_api::sleep(call.token, an_hour);
      return reply(call.token, BP_OK, ""), BP_DONE;
    });
    rig.start();
    SeenReplies replies;
    rig.call("t.keeps", replies);
    begun.get_future().wait();
    rig.loop.close();
    rig.loop.end_when_idle();
    CHECK_FALSE(rig.loop.wait_until_idle(std::chrono::milliseconds(5)));
    rig.loop.cancel_all();
    rig.loop.end_when_idle();  // as a second stop does while the first one's cancel is still on its way
    CHECK_FALSE(rig.loop.wait_until_idle(std::chrono::milliseconds(5)));
    CHECK(LoopFixture::destroyed == 0);
    go_on.set_value();
    CHECK(replies.wait() == std::vector<std::string>{waits ? "canceled:" : "ok:"});
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (LoopFixture::destroyed == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    CHECK(LoopFixture::destroyed == 1);
  }
}

TEST_CASE("a serial blocking handler that waits for its turn does not begin after a cancel of all") {
  LoopFixture rig;
  std::promise<void> go_on;
  std::promise<void> begun;
  std::atomic<int> runs{0};
  rig.handler(
      "t.serial",
      [&](const bp_call& call) -> bp_handled {
        if (runs.fetch_add(1) == 0) {
          begun.set_value();
          go_on.get_future().wait();
        }
        return reply(call.token, BP_OK, ""), BP_DONE;
      },
      BP_HANDLER_BLOCKING);
  rig.start();
  std::deque<SeenReplies> all;
  for (int i = 0; i < 3; ++i) rig.call("t.serial", all.emplace_back());
  begun.get_future().wait();
  rig.loop.close();
  // The request thread is kept until the first handler's return is queued behind the cancel.
  std::promise<void> ready;
  std::promise<void> kept;
  rig.loop.post([&] {
    kept.set_value();
    ready.get_future().wait();
  });
  kept.get_future().wait();
  rig.loop.cancel_all();
  go_on.set_value();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ready.set_value();
  REQUIRE(rig.loop.wait_until_idle(std::chrono::seconds(20)));
  CHECK(runs == 1);
  for (auto& replies : all) CHECK(replies.terminal() == 1);
}

TEST_CASE("an instance that is retired while the context ends is destroyed once") {
  LoopFixture rig;
  rig.handler("t.plain", [](const bp_call& call) -> bp_handled { return reply(call.token, BP_OK, ""), BP_DONE; });
  rig.start();
  std::atomic<int> counted_down{0};
  rig.generation.retirement = std::make_shared<Retirement>([&] { ++counted_down; });
  rig.generation.retirement->add_context();
  rig.loop.close();
  REQUIRE(rig.loop.wait_until_idle(std::chrono::seconds(5)));
  // Both reach the request thread in one go: the unload's word first, then the context's end.
  std::promise<void> both_sent;
  std::promise<void> holding;
  rig.loop.post([&] {
    holding.set_value();
    both_sent.get_future().wait();
  });
  holding.get_future().wait();
  rig.loop.instances().retire(rig.generation);
  std::thread ender([&] { rig.expect(rig.loop.end_instances(std::chrono::seconds(10))); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  both_sent.set_value();
  ender.join();
  rig.on_thread([] {});
  CHECK(LoopFixture::destroyed == 1);
  CHECK(counted_down == 1);
}

TEST_CASE("an instance that is retired ends when its last request has") {
  LoopFixture rig;
  std::promise<bp_token> token;
  rig.handler("t.later", [&](const bp_call& call) -> bp_handled {
    token.set_value(call.token);
    return BP_LATER;
  });
  rig.start();
  std::atomic<int> counted_down{0};
  rig.generation.retirement = std::make_shared<Retirement>([&] { ++counted_down; });
  rig.generation.retirement->add_context();
  SeenReplies replies;
  rig.call("t.later", replies);
  const bp_token open = token.get_future().get();
  rig.registry.publish(*rig.generation.module, nullptr);
  rig.loop.instances().retire(rig.generation);
  rig.on_thread([] {});
  rig.on_thread([] {});
  CHECK(counted_down == 0);
  SeenReplies gone;
  rig.call("t.later", gone);
  CHECK(gone.wait() == std::vector<std::string>{"module_gone:"});
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;
  rig.loop.instances().count_work(rig.generation, std::chrono::steady_clock::now() + std::chrono::milliseconds(200),
                                  requests, tokens);
  CHECK(requests == 1);
  CHECK(tokens == 0);
  CHECK(reply(open, BP_OK, "at last") == BP_OK);
  CHECK(replies.wait() == std::vector<std::string>{"ok:at last"});
  rig.on_thread([] {});
  rig.on_thread([] {});
  CHECK(counted_down == 1);
  CHECK(LoopFixture::destroyed == 1);
}

TEST_CASE("a submit that comes while the context closes is accepted and answered, or refused") {
  for (int round = 0; round < 20; ++round) {
    LoopFixture rig;
    rig.handler("t.plain", [](const bp_call& call) -> bp_handled { return reply(call.token, BP_OK, ""), BP_DONE; });
    rig.start();
    std::atomic<int> accepted{0};
    std::atomic<int> answered{0};
    std::vector<std::thread> submitters;
    for (int t = 0; t < 3; ++t) {
      submitters.emplace_back([&] {
        bp_submission submission{};
        submission.struct_size = sizeof submission;
        submission.name = BP_STR("t.plain");
        submission.on_reply = [](void* user, const bp_answer*) { ++*static_cast<std::atomic<int>*>(user); };
        submission.user = &answered;
        bp_status status = BP_OK;
        while ((status = rig.loop.submit(submission, nullptr)) == BP_OK) ++accepted;
        rig.expect(status == BP_CLOSED);
      });
    }
    std::this_thread::yield();
    rig.loop.close();
    for (auto& submitter : submitters) submitter.join();
    REQUIRE(rig.loop.wait_until_idle(std::chrono::seconds(20)));
    CHECK(accepted == answered);
  }
}
