// SPDX-License-Identifier: Apache-2.0
//
// Races that the request loop's comments argue about. Some are told by ThreadSanitizer alone: then the test is
// what makes the two sides meet.
#include <atomic>

#include "loop_fixture.hpp"

using namespace backplane::host;

namespace {

bp_handled answers(const bp_call& call) {
  reply(call.token, BP_OK, "");
  return BP_DONE;
}

bp_handled keeps(const bp_call&) { return BP_LATER; }

/// Holds the request thread until it is let go.
struct Hold {
  explicit Hold(LoopFixture& rig) {
    rig.loop.post([this] {
      held.set_value();
      let_go.get_future().wait();
    });
    held.get_future().wait();
  }
  std::promise<void> held;
  std::promise<void> let_go;
};

std::atomic<int> created{0};
std::promise<void>* creation_waits = nullptr;

bp_status create(void*, bp_instance*, void**) {
  ++created;
  if (creation_waits != nullptr) creation_waits->get_future().wait();
  return BP_OK;
}

/// A second generation of the rig's module, which has no handlers.
struct Next {
  explicit Next(LoopFixture& rig) {
    generation.module = rig.generation.module;
    generation.manifest.name = "t";
    generation.number = 2;
    generation.slot = 1;
    generation.entry.instance_create = create;
    generation.entry.instance_destroy = rig.generation.entry.instance_destroy;
    created = 0;
  }
  std::shared_ptr<Retirement> retire(LoopFixture& rig, std::atomic<int>& counted_down) {
    generation.retirement = std::make_shared<Retirement>([&] { ++counted_down; });
    generation.retirement->add_context();
    rig.loop.instances().retire(generation);
    return generation.retirement;
  }
  Generation generation;
};

}  // namespace

TEST_CASE("a loop may end while the thread that gave the last answer is still on its way out of it") {
  for (int round = 0; round < 200; ++round) {
    std::thread answerer;
    {
      const auto rig = std::make_unique<LoopFixture>();  // on the heap, where a sanitizer sees a use after its end
      std::promise<bp_token> token;
      rig->handler("t.later", [&](const bp_call& call) -> bp_handled { return token.set_value(call.token), BP_LATER; });
      rig->handler("t.worker", answers, BP_HANDLER_BLOCKING);
      rig->start();
      SeenReplies replies;
      rig->call(round % 4 == 0 ? "t.worker" : "t.later", replies);
      if (round % 4 != 0) {
        answerer = std::thread([open = token.get_future().get(), parts = round % 4 == 1] {
          if (parts) reply(open, BP_PARTIAL, "");
          reply(open, BP_OK, "");
        });
      }
      CHECK(replies.wait().back() == "ok:");
    }
    if (answerer.joinable()) answerer.join();
  }
}

TEST_CASE("a request thread that does not spin never sleeps on while a call, an answer or a cancel waits") {
  LoopOptions options;
  options.spin = 0;
  LoopFixture rig(options);
  rig.handler("t.plain", answers);
  rig.handler("t.later", keeps);
  rig.start();
  struct Call {
    std::atomic<bool> ended{false};
    static void on_reply(void* user, const bp_answer*) { static_cast<Call*>(user)->ended = true; }
  };
  // One call at a time, each a little later after the one before, so that it meets each step of the way to sleep.
  for (int i = 0; i < 3'000; ++i) {
    Call call;
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.name = i % 3 == 0 ? BP_STR("t.plain") : BP_STR("t.later");
    submission.on_reply = Call::on_reply;
    submission.user = &call;
    bp_request request{};
    REQUIRE(rig.loop.submit(submission, &request) == BP_OK);
    const auto pause = [i] {
      const Nanos until = now() + static_cast<Nanos>(i % 100) * 200;
      while (now() < until) {
      }
    };
    pause();
    if (i % 3 == 1) REQUIRE(rig.loop.cancel(request) == BP_OK);
    if (i % 3 == 2) REQUIRE(reply(request.id, BP_OK, "") == BP_OK);
    const Nanos limit = after_ms(10'000);
    while (!call.ended && now() < limit) std::this_thread::yield();
    const bool ended = call.ended;
    if (!ended) rig.on_thread([] {});  // wakes it, so that the call is not there for ever
    REQUIRE(ended);
    pause();
  }
}

TEST_CASE("tokens of calls that have ended are refused, at any moment of the next use of their records") {
  LoopFixture rig;
  rig.handler("t.plain", answers);
  rig.start();
  std::vector<bp_request> old;
  for (int i = 0; i < 64; ++i) {
    SeenReplies replies;
    old.push_back(rig.call("t.plain", replies));
    replies.wait();
  }
  std::atomic<bool> stop{false};
  std::atomic<int> passes{0};
  std::vector<std::thread> strangers;
  for (int t = 0; t < 2; ++t) {
    strangers.emplace_back([&] {
      while (!stop) {
        for (const bp_request request : old) {
          rig.expect(rig.loop.cancel(request) == BP_INVALID_HANDLE);
          rig.expect(reply(request.id, BP_OK, "forged") == BP_STALE_TOKEN);
          rig.expect(reply(request.id, BP_PARTIAL, "forged") == BP_STALE_TOKEN);
        }
        ++passes;
      }
    });
  }
  for (int i = 0; i < 2'000 || passes < 20; ++i) {
    SeenReplies replies;
    rig.call("t.plain", replies);
    REQUIRE(replies.wait() == std::vector<std::string>{"ok:"});
  }
  stop = true;
  for (auto& stranger : strangers) stranger.join();
}

TEST_CASE("parts that race with the end of their call reach that call alone, and before its end") {
  LoopFixture rig;
  std::atomic<bp_token> open{0};
  std::atomic<int> taken{0};
  rig.handler("t.parts", [&](const bp_call& call) -> bp_handled {
    const int before = taken;
    open = call.token;
    while (taken < before + 3) await_api::sleep(call.token, 0);
    reply(call.token, BP_OK, "end");
    return BP_DONE;
  });
  rig.start();
  std::atomic<bool> stop{false};
  std::vector<std::thread> senders;
  for (int t = 0; t < 2; ++t) {
    senders.emplace_back([&] {
      bp_token last = 0;
      int sent = 0;
      while (!stop) {
        const bp_token token = open;
        sent = std::exchange(last, token) == token ? sent + 1 : 0;
        if (sent > 20) {  // few enough for the request thread to keep up
          std::this_thread::yield();
          continue;
        }
        const bp_status status = reply(token, BP_PARTIAL, std::to_string(token));
        rig.expect(status == BP_OK || status == BP_STALE_TOKEN);
        if (status == BP_OK) ++taken;
      }
    });
  }
  for (int round = 0; round < 200; ++round) {
    SeenReplies replies;
    const bp_request request = rig.call("t.parts", replies);
    auto seen = replies.wait();
    REQUIRE(seen.back() == "ok:end");
    seen.pop_back();
    for (const std::string& part : seen) REQUIRE(part == "partial:" + std::to_string(request.id));
    REQUIRE_FALSE(seen.empty());  // of three that were counted, two may have been for the call before
    rig.on_thread([] {});         // what comes after the end would come now, and find `replies` gone
    REQUIRE(replies.now().size() == seen.size() + 1);
  }
  stop = true;
  for (auto& sender : senders) sender.join();
}

TEST_CASE("a worker that is woken may be gone with what it waited on at once") {
  LoopFixture rig;
  rig.handler(
      "t.waits",
      [](const bp_call& call) -> bp_handled {
        for (int i = 0; i < 300; ++i) await_api::sleep(call.token, 0);
        return answers(call);
      },
      BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT);
  rig.start();
  std::deque<SeenReplies> all;
  for (int i = 0; i < 4; ++i) rig.call("t.waits", all.emplace_back());
  for (SeenReplies& each : all) CHECK(each.wait() == std::vector<std::string>{"ok:"});
}

TEST_CASE("an instance that nobody waits for any more is not made") {
  LoopFixture rig;
  rig.start();
  Next next(rig);
  Hold hold(rig);
  CHECK_FALSE(rig.loop.instances().begin(next.generation, false)->wait(std::chrono::milliseconds(5), true).empty());
  hold.let_go.set_value();
  rig.on_thread([] {});
  CHECK(created == 0);
}

TEST_CASE("an instance that is being made when it is given up is ended by the retirement that follows") {
  LoopFixture rig;
  rig.start();
  Next next(rig);
  std::promise<void> go_on;
  creation_waits = &go_on;
  CHECK_FALSE(rig.loop.instances().begin(next.generation, false)->wait(std::chrono::milliseconds(5), true).empty());
  std::atomic<int> counted_down{0};
  const auto retirement = next.retire(rig, counted_down);
  CHECK(counted_down == 0);
  go_on.set_value();
  rig.on_thread([] {});
  rig.on_thread([] {});
  creation_waits = nullptr;
  CHECK(LoopFixture::destroyed == created);
  CHECK(counted_down == 1);
}

TEST_CASE("what was submitted before the close is canceled with everything else, although the thread never saw it") {
  LoopFixture rig;
  std::promise<void> holding;
  std::promise<void> let_go;
  std::atomic<int> begun{0};
  rig.handler("t.holds", [&](const bp_call& call) -> bp_handled {
    holding.set_value();
    let_go.get_future().wait();
    return answers(call);
  });
  rig.handler("t.later", [&](const bp_call&) -> bp_handled { return ++begun, BP_LATER; });
  rig.start();
  SeenReplies holder;
  SeenReplies replies[3];
  rig.call("t.holds", holder);
  holding.get_future().wait();
  for (SeenReplies& each : replies) rig.call("t.later", each);
  rig.loop.close();
  rig.loop.cancel_all();
  let_go.set_value();
  for (SeenReplies& each : replies) CHECK(each.wait() == std::vector<std::string>{"canceled:"});
  CHECK(holder.wait() == std::vector<std::string>{"ok:"});
  CHECK(begun == 0);
}

TEST_CASE("a reply callback may cancel any number of other calls") {
  LoopFixture rig;
  rig.handler("t.later", keeps);
  rig.handler("t.plain", answers);
  rig.start();
  std::deque<SeenReplies> all;
  std::vector<bp_request> open;
  for (int i = 0; i < 300; ++i) open.push_back(rig.call("t.later", all.emplace_back()));
  struct Canceller {
    LoopFixture& rig;
    std::vector<bp_request>& open;
    static void on_reply(void* user, const bp_answer* answer) {
      auto& self = *static_cast<Canceller*>(user);
      for (const bp_request request : self.open) self.rig.expect(self.rig.loop.cancel(request) == BP_OK);
      self.rig.expect(answer->status == BP_OK);
    }
  } canceller{rig, open};
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("t.plain");
  submission.on_reply = Canceller::on_reply;
  submission.user = &canceller;
  REQUIRE(rig.loop.submit(submission, nullptr) == BP_OK);
  for (SeenReplies& each : all) CHECK(each.wait() == std::vector<std::string>{"canceled:"});
}

TEST_CASE("a blocking call that is canceled while it waits for a thread never begins") {
  LoopFixture rig;  // has two workers
  std::promise<void> go_on;
  auto waits = go_on.get_future().share();
  std::atomic<int> begun{0};
  rig.handler(
      "t.blocks",
      [&](const bp_call& call) -> bp_handled {
        ++begun;
        waits.wait();
        return answers(call);
      },
      BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT);
  rig.start();
  SeenReplies first[2];
  SeenReplies third;
  for (SeenReplies& each : first) rig.call("t.blocks", each);
  const bp_request request = rig.call("t.blocks", third);
  while (begun != 2) std::this_thread::yield();
  rig.on_thread([] {});
  CHECK(rig.loop.cancel(request) == BP_OK);
  CHECK(third.wait() == std::vector<std::string>{"canceled:"});
  go_on.set_value();
  for (SeenReplies& each : first) CHECK(each.wait() == std::vector<std::string>{"ok:"});
  rig.end();
  CHECK(begun == 2);
}
