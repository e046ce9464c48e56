// SPDX-License-Identifier: Apache-2.0
//
// Create, close, stop, destroy, with work in every place it can be.
#include <deque>
#include <memory>

#include "fixture.hpp"
#include "kept_thread.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

/// How many destroyed contexts have been put by for the next.
std::uint64_t resting() {
  const Context any;
  return status_of(any.native)["resting"].number;
}

void never_answers(void*, bp_context, bp_token, bp_str, bp_bytes) {}

/// A call in every place where one can wait.
void submit_everywhere(const Context& context, std::deque<Replies>& all) {
  bp_function_set(context.native, BP_STR("app.never"), never_answers, nullptr);
  for (const auto& [name, payload] : std::vector<std::pair<const char*, const char*>>{{"sleeper.sleep", "60000"},
                                                                                      {"holder.keep", ""},
                                                                                      {"asks.host", "app.never"},
                                                                                      {"asks.blocking", "app.never"},
                                                                                      {"asks.call", "holder.keep"},
                                                                                      {"blocking.await", "60000"},
                                                                                      {"blocking.one_by_one", "20"},
                                                                                      {"partials.late", "1000000"}}) {
    for (int i = 0; i < 3; ++i) REQUIRE(context.submit(name, all.emplace_back(), payload) == BP_OK);
  }
}

struct Everything {
  const Context keeper;
  const Loaded sleeper{keeper, "sleeper"};
  const Loaded holder{keeper, "holder"};
  const Loaded asks{keeper, "asks"};
  const Loaded blocking{keeper, "blocking"};
  const Loaded partials{keeper, "partials"};
};

}  // namespace

TEST_CASE("a closed context refuses calls and lets those that were accepted end") {
  const Context keeper;
  const Loaded sleeper(keeper, "sleeper");
  const Context context;
  Replies before;
  REQUIRE(context.submit("sleeper.sleep", before, "20") == BP_OK);
  CHECK(bp_context_close(context.native) == BP_OK);
  CHECK(bp_context_close(context.native) == BP_OK);
  Replies after;
  bp_request request{5};
  CHECK(context.submit("sleeper.sleep", after, "1", 0, &request) == BP_CLOSED);
  CHECK(request.id == 0);
  CHECK(context.call("sleeper.sleep", "1") == "closed");
  CHECK(before.wait() == Seen{"ok:20"});
  CHECK(after.terminal() == 0);
}

TEST_CASE("a stop lets what can end in time end, and may be called again") {
  const Context keeper;
  const Loaded sleeper(keeper, "sleeper");
  const Context context;
  Replies replies;
  REQUIRE(context.submit("sleeper.sleep", replies, "20") == BP_OK);
  CHECK(bp_context_stop(context.native, 10'000) == BP_OK);
  CHECK(replies.terminal() == 1);
  CHECK(replies.wait() == Seen{"ok:20"});
  CHECK(bp_context_stop(context.native, 1) == BP_OK);
  CHECK(context.call("sleeper.sleep", "1") == "closed");
}

TEST_CASE("at a stop every open call gets its one terminal reply before the stop returns") {
  const Everything everything;
  const Context context;
  std::deque<Replies> all;
  submit_everywhere(context, all);
  CHECK(bp_context_stop(context.native, 100) == BP_OK);
  for (Replies& each : all) CHECK(each.terminal() == 1);
}

TEST_CASE("at a destroy every open call gets its one terminal reply, and none comes afterwards") {
  const Everything everything;
  bp_context_options options = no_options();
  options.stop_timeout_ms = 100;
  for (int round = 0; round < 3; ++round) {
    Context context(options);
    std::deque<Replies> all;
    submit_everywhere(context, all);
    CHECK(context.destroy() == BP_OK);
    for (Replies& each : all) CHECK(each.terminal() == 1);
  }
}

TEST_CASE("a handler that wedges the request thread makes destroy time out in bounds, and is reaped when it returns") {
  const Context keeper;
  const Loaded slow(keeper, "slow");
  const Loaded sleeper(keeper, "sleeper");
  bp_context_options options = no_options();
  options.stop_timeout_ms = 20;
  Context wedged(options);
  const std::uint64_t resting_before = resting();
  const bp_context handle = wedged.native;
  Replies stuck;
  Replies behind;
  REQUIRE(wedged.submit("slow.sleep", stuck, "600") == BP_OK);
  REQUIRE(wedged.submit("sleeper.sleep", behind, "1") == BP_OK);
  const auto begin = Clock::now();
  CHECK(wedged.destroy() == BP_TIMEOUT);
  CHECK(Clock::now() - begin < std::chrono::milliseconds(400));
  CHECK(bp_context_close(handle) == BP_INVALID_HANDLE);
  CHECK(stuck.terminal() == 0);

  // The host continues meanwhile: calls, new contexts, and loads. The wedged context does not take part.
  CHECK(keeper.call("sleeper.sleep", "1") == "ok:1");
  { const Context other; }
  const Loaded handles(keeper, "handles");
  CHECK(keeper.call("handles.released") == "ok:0");
  CHECK(stuck.terminal() == 0);

  CHECK(stuck.wait().size() == 1);
  CHECK(behind.wait() == Seen{"canceled"});
  CHECK(eventually([&] { return resting() > resting_before; }));
  CHECK(stuck.terminal() == 1);
  CHECK(behind.terminal() == 1);
}

TEST_CASE("a listener that does not return makes destroy time out, and the context is reaped when it does") {
  const Context keeper;
  const Loaded emitter(keeper, "emitter");
  bp_context_options options = no_options();
  options.stop_timeout_ms = 20;
  Context context(options);
  const std::uint64_t resting_before = resting();
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;
    std::atomic<bool> inside{false};
  } gate;
  const bp_event_fn waits = [](void* user, const bp_event*) {
    auto& self = *static_cast<Gate*>(user);
    self.inside = true;
    std::unique_lock lock(self.mutex);
    self.changed.wait(lock, [&] { return self.open; });
  };
  bp_listener listener{};
  REQUIRE(bp_listen(context.native, BP_STR("*"), waits, &gate, &listener) == BP_OK);
  CHECK(context.call("emitter.raw", "1 1") == "ok:1 0");
  REQUIRE(eventually([&] { return gate.inside.load(); }));
  CHECK(context.destroy() == BP_TIMEOUT);
  {
    const std::lock_guard lock(gate.mutex);
    gate.open = true;
    gate.changed.notify_all();
  }
  CHECK(eventually([&] { return resting() > resting_before; }));
}

TEST_CASE("contexts are made and destroyed by several threads while modules come and go") {
  const Context keeper;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> makers;
  for (int t = 0; t < 2; ++t) {
    makers.emplace_back([&] {
      while (!stop) {
        bp_context context{};
        if (bp_context_create(nullptr, &context, nullptr) != BP_OK) ++wrong;
        Result result;
        const bp_status status = bp_call_sync(context, BP_STR("sleeper.remaining"), bytes_of(""), 0, &result);
        if (status != BP_OK && status != BP_UNKNOWN_NAME && status != BP_MODULE_GONE) ++wrong;
        if (bp_context_destroy(context) != BP_OK) ++wrong;
      }
    });
  }
  for (int i = 0; i < 15; ++i) const Loaded sleeper(keeper, "sleeper");
  stop = true;
  for (auto& maker : makers) maker.join();
  CHECK(wrong == 0);
}

TEST_CASE("a context may be destroyed by two threads at once, and one of them is told that it was") {
  for (int i = 0; i < 20; ++i) {
    bp_context context{};
    REQUIRE(bp_context_create(nullptr, &context, nullptr) == BP_OK);
    std::atomic<int> ok{0};
    std::atomic<int> invalid{0};
    const auto destroy = [&] {
      const bp_status status = bp_context_destroy(context);
      if (status == BP_OK) ++ok;
      if (status == BP_INVALID_HANDLE) ++invalid;
    };
    std::thread other(destroy);
    destroy();
    other.join();
    CHECK(ok == 1);
    CHECK(invalid == 1);
  }
}

TEST_CASE("a module stays mapped as long as an instance of it ends in a context that was given up") {
  const Context context;
  const std::string path = module_path("slow_end");
  const bp_load_options load = load_options(path);
  Result loaded;
  REQUIRE(bp_module_load(context.native, &load, &loaded) == BP_OK);
  bp_context_options options = no_options();
  options.stop_timeout_ms = 10;
  Context hasty(options);
  CHECK(hasty.call("slow_end.echo", "x") == "ok:x");
  CHECK(hasty.destroy() == BP_TIMEOUT);
  // The instance is still on its way out there, in code of the module's.
  Result early;
  CHECK(bp_module_unload(context.native, BP_STR("slow_end"), 10, &early) == BP_PINNED);
  Result gone;
  CHECK(bp_module_unload(context.native, BP_STR("slow_end"), 0, &gone) == BP_OK);
}

TEST_CASE("a stop cancels what more threads have submitted than have a lane") {
  const Context keeper;
  const Loaded sleeper(keeper, "sleeper");
  Context context;
  constexpr std::size_t threads = 80;  // 64 have lanes
  std::deque<Replies> replies(threads);
  std::atomic<std::size_t> submitted{0};
  std::atomic<bool> over{false};
  KeptThread kept(context);
  std::vector<std::thread> producers;
  for (std::size_t i = 0; i < threads; ++i) {
    producers.emplace_back([&, i] {
      if (context.submit("sleeper.remaining", replies[i]) == BP_OK) ++submitted;
      while (!over)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a thread keeps its lane while it lives
    });
  }
  const bool all = eventually([&] { return submitted == threads; });
  CHECK(bp_context_stop(context.native, 1) == BP_TIMEOUT);  // from now on no call begins
  kept.let_go();
  for (Replies& each : replies) CHECK(each.wait() == Seen{"canceled"});
  over = true;
  for (std::thread& producer : producers) producer.join();
  CHECK(all);
  CHECK(bp_context_stop(context.native, 0) == BP_OK);
  CHECK(context.destroy() == BP_OK);
}
