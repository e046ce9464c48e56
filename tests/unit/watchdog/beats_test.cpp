// SPDX-License-Identifier: Apache-2.0
//
// What of the request thread's work is a beat: a long turn of short steps is no stall.
#include <set>

#include "../request/loop_fixture.hpp"

using namespace backplane::host;

namespace {

constexpr int steps = 20;

/// The beats that had been at each of some steps; as many different ones as steps if each is a beat.
struct Beats {
  explicit Beats(RequestLoop& of) : loop(of) {}
  void note() { seen.insert(loop.heartbeat().beats()); }
  RequestLoop& loop;
  std::set<std::uint64_t> seen;
};

}  // namespace

TEST_CASE("each handler that goes on in a turn is a beat") {
  LoopFixture rig;
  Beats beats(rig.loop);
  std::atomic<int> suspended{0};
  rig.handler("t.sleeps", [&](const bp_call& call) {
    ++suspended;
    rig.expect(await_api::sleep(call.token, 50) == BP_OK);
    beats.note();
    return rig.expect(reply(call.token, BP_OK, "") == BP_OK), BP_DONE;
  });
  rig.start();
  std::vector<SeenReplies> replies(steps);
  for (SeenReplies& each : replies) rig.call("t.sleeps", each);
  while (suspended != steps) std::this_thread::yield();
  rig.on_thread([] { std::this_thread::sleep_for(std::chrono::milliseconds(60)); });  // now all are due at once
  for (SeenReplies& each : replies) each.wait();
  rig.end();
  CHECK(beats.seen.size() == steps);
}

TEST_CASE("each message that a turn takes from the task_queue is a beat") {
  LoopFixture rig;
  rig.start();
  Beats beats(rig.loop);
  std::promise<void> posted;
  rig.loop.post([&] { posted.get_future().wait(); });
  for (int i = 0; i < steps; ++i) rig.loop.post([&] { beats.note(); });
  posted.set_value();
  rig.on_thread([] {});
  rig.end();
  CHECK(beats.seen.size() == steps);
}

TEST_CASE("each stale warning that a turn hands out is a beat, and names its call") {
  LoopOptions options;
  options.stale_interval = 50 * nanos_per_ms;
  LoopFixture rig(options);
  std::atomic<int> open{0};
  std::vector<std::atomic<bp_token>> tokens(steps);
  rig.handler("t.later", [&](const bp_call& call) {
    tokens[static_cast<std::size_t>(open)] = call.token;
    ++open;
    return BP_LATER;
  });
  rig.start();
  struct Caller {
    Beats beats;
    std::vector<Culprit> culprits;
    std::atomic<int> ended{0};
    static void on_reply(void* user, const bp_answer* answer) {
      auto& self = *static_cast<Caller*>(user);
      if (answer->status != BP_STALE) {
        ++self.ended;
      } else if (self.culprits.size() < steps) {
        self.beats.note();
        self.culprits.push_back(self.beats.loop.heartbeat().culprit());
      }
    }
  } caller{Beats(rig.loop), {}};
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = str("t.later");
  submission.on_reply = Caller::on_reply;
  submission.user = &caller;
  for (int i = 0; i < steps; ++i) REQUIRE(rig.loop.submit(submission, nullptr) == BP_OK);
  while (open != steps) std::this_thread::yield();
  rig.on_thread([] { std::this_thread::sleep_for(std::chrono::milliseconds(60)); });
  rig.on_thread([] {});  // a turn in between
  for (auto& token : tokens) reply(token, BP_OK, "");
  while (caller.ended != steps) std::this_thread::yield();
  rig.end();
  CHECK(caller.beats.seen.size() == steps);
  REQUIRE(caller.culprits.size() == steps);
  for (const Culprit& culprit : caller.culprits) {
    CHECK(culprit.in == Holder::reply);
    CHECK(culprit.name == "t.later");
  }
}

TEST_CASE("a handler that calls functions which answer at once does not beat by that: it never lets go of the thread") {
  LoopFixture rig;
  std::uint64_t before = 0;
  std::uint64_t after = 1;
  Culprit within;
  Culprit afterwards;
  rig.handler("t.asks", [&](const bp_call& call) {
    before = rig.loop.heartbeat().beats();
    for (int i = 0; i < steps; ++i) {
      rig.expect(await_api::host_call(call.token, "app.now", {nullptr, 0}, 0, nullptr) == BP_OK);
    }
    after = rig.loop.heartbeat().beats();
    afterwards = rig.loop.heartbeat().culprit();
    return rig.expect(reply(call.token, BP_OK, "") == BP_OK), BP_DONE;
  });
  rig.start();
  struct User {
    LoopFixture& rig;
    Culprit& within;
  } user{rig, within};
  const bp_host_function_fn answers = [](void* given, bp_context, bp_token token, bp_str, bp_bytes) {
    auto& self = *static_cast<User*>(given);
    self.within = self.rig.loop.heartbeat().culprit();
    self.rig.expect(reply(token, BP_OK, "") == BP_OK);
  };
  REQUIRE(rig.loop.functions().set("app.now", answers, &user, false) == BP_OK);
  SeenReplies replies;
  rig.call("t.asks", replies);
  replies.wait();
  rig.end();
  CHECK(before == after);
  CHECK(within.in == Holder::function);
  CHECK(within.name == "t.asks");
  CHECK(within.module == nullptr);
  CHECK(afterwards.in == Holder::handler);
  CHECK(afterwards.module == rig.generation.module);
  CHECK(afterwards.generation == 1);
}

TEST_CASE("a request thread that is stuck in the first thing it does is found, although the watchdog slept by then") {
  LoopFixture site;
  Workers workers(1);
  Watchdog watchdog({5 * nanos_per_ms, 50 * nanos_per_ms, 0});
  RequestLoop loop({}, site.registry, workers, watchdog, site);
  std::promise<void> told;
  std::promise<void> go_on;
  std::atomic<::pid_t> tid{0};
  const auto id = watchdog.watch(loop.heartbeat(), "request", [&](const Liveness& liveness) {
    if (!liveness.responding) told.set_value();
  });
  watchdog.post(0, [&tid] { tid = ::gettid(); });
  watchdog.flush();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  for (Nanos limit = after_ms(20'000); now() < limit && scheduling_of(tid)->state != 'S';) std::this_thread::yield();
  loop.post([&] { go_on.get_future().wait(); });
  std::thread thread([&] { loop.run(); });
  CHECK(told.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  go_on.set_value();
  loop.close();
  CHECK(loop.wait_until_idle(std::chrono::seconds(20)));
  CHECK(loop.end_instances(std::chrono::seconds(20)));
  loop.finish();
  thread.join();
  watchdog.unwatch(id);
}
