// SPDX-License-Identifier: Apache-2.0
//
// Events through the C functions: raw and typed, sizes, overflow, stops, counts, and removed listeners.
#include "fixture.hpp"

using namespace host_test;

namespace {

/// Notes events; while closed, its callback waits inside.
struct Ear {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> payloads;
  std::vector<std::string> names;
  bool typed = false;
  bool closed = false;
  bool inside = false;
  std::uint64_t lost = 0;
  std::uint64_t emitted_ms = 0;

  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Ear*>(user);
    std::unique_lock lock(self.mutex);
    self.inside = true;
    self.changed.notify_all();
    self.changed.wait(lock, [&] { return !self.closed; });
    self.inside = false;
    if ((event->flags & BP_EVENT_GAP) != 0) {
      self.lost += event->lost;
      self.emitted_ms = event->emitted_ms;
    }
    self.names.push_back(text_of(event->name));
    self.payloads.push_back(text_of(event->payload));
    self.typed = (event->flags & BP_EVENT_TYPED) != 0;
    self.changed.notify_all();
  }
  void set_closed(bool now) {
    const std::lock_guard lock(mutex);
    closed = now;
    changed.notify_all();
  }
  bool wait_inside() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, long_enough, [&] { return inside; });
  }
  std::vector<std::string> wait(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, long_enough, [&] { return payloads.size() >= count; });
    return payloads;
  }
  bool heard(const std::string& name) {
    const std::lock_guard lock(mutex);
    return std::find(names.begin(), names.end(), name) != names.end();
  }
};

bp_listener listen(const Context& context, std::string_view pattern, Ear& ear) {
  bp_listener listener{};
  REQUIRE(bp_listen(context.native, str(pattern), Ear::on_event, &ear, &listener) == BP_OK);
  return listener;
}

}  // namespace

TEST_CASE("raw events arrive as they are and typed ones in their envelope, in order") {
  const Context context;
  const Loaded emitter(context, "emitter");
  Ear raw;
  Ear typed;
  listen(context, "emitter.raw_event", raw);
  listen(context, "emitter.typed*", typed);
  CHECK(context.call("emitter.raw", "20 3") == "ok:20 0");
  CHECK(context.call("emitter.typed", "1 2") == "ok:1 0");
  const auto got = raw.wait(20);
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == std::to_string(i) + (i < 10 ? ".." : "."));
  CHECK_FALSE(raw.typed);
  const std::string item(
      "\x5a\x00\x00\x00\x02"
      "0.",
      7);
  CHECK(typed.wait(1) == std::vector<std::string>{"\xa2\x69"
                                                  "eventType\x73"
                                                  "emitter.typed_event\x67payload" +
                                                  item});
  CHECK(typed.typed);
}

TEST_CASE("events of any size arrive whole") {
  const Context context;
  const Loaded emitter(context, "emitter");
  Ear ear;
  listen(context, "emitter.*", ear);
  std::size_t count = 0;
  for (const std::size_t size : {0, 1, 511, 512, 513, 100'000}) {
    CAPTURE(size);
    CHECK(context.call("emitter.raw", "1 " + std::to_string(size)) == "ok:1 0");
    const auto got = ear.wait(++count);
    REQUIRE(got.size() == count);
    CHECK(got.back().size() == size);
  }
}

TEST_CASE("events of one context are not heard in another") {
  const Context context;
  const Context other;
  const Loaded emitter(context, "emitter");
  Ear here;
  Ear there;
  listen(context, "*", here);
  listen(other, "*", there);
  CHECK(context.call("emitter.raw", "1 1") == "ok:1 0");
  here.wait(1);
  CHECK(there.payloads.empty());
}

TEST_CASE("an event queue that overflows refuses events and calls, says so, and recovers with nothing lost") {
  bp_context_options options = no_options();
  options.on_event_overflow = BP_OVERFLOW_REFUSE;
  options.event_queue_depth = 8;
  const Context context(options);
  const Loaded emitter(context, "emitter");
  Ear ear;
  Ear liveness;
  listen(context, "emitter.*", ear);
  listen(context, "backplane.not_responding", liveness);
  listen(context, "backplane.responding", liveness);
  ear.set_closed(true);
  CHECK(context.call("emitter.raw", "1 1") == "ok:1 0");
  REQUIRE(ear.wait_inside());
  CHECK(context.call("emitter.raw", "10 1") == "ok:7 3");  // one is inside, seven fit
  REQUIRE(liveness.wait(1).size() == 1);
  CHECK(liveness.heard("backplane.not_responding"));
  Replies refused;
  CHECK(context.submit("emitter.raw", refused, "1 1") == BP_EVENT_QUEUE_STUCK);
  Result sync;
  CHECK(bp_call_sync(context.native, BP_STR("emitter.raw"), bytes_of("1 1"), 0, &sync) == BP_EVENT_QUEUE_STUCK);
  CHECK_FALSE(liveness.heard("backplane.responding"));

  ear.set_closed(false);
  CHECK(ear.wait(8) == std::vector<std::string>{"0", "0", "1", "2", "3", "4", "5", "6"});
  REQUIRE(liveness.wait(2).size() == 2);
  CHECK(liveness.heard("backplane.responding"));
  CHECK(refused.terminal() == 0);
  CHECK(context.call("emitter.raw", "1 1") == "ok:1 0");
  CHECK(ear.wait(9).size() == 9);
}

TEST_CASE("what was emitted before the stop is delivered") {
  Context context;
  const Context keeper;
  const Loaded emitter(keeper, "emitter");
  Ear ear;
  listen(context, "*", ear);
  ear.set_closed(true);
  CHECK(context.call("emitter.raw", "50 1") == "ok:50 0");
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ear.set_closed(false);
  });
  CHECK(context.destroy() == BP_OK);
  opener.join();
  CHECK(ear.payloads.size() == 50);
}

TEST_CASE("what instances emit when the context stops is delivered, however full the queue is by then") {
  Context context;
  const Context keeper;
  const Loaded emitter(keeper, "emitter");
  const Loaded last_words(keeper, "last_words");
  Ear ear;
  listen(context, "*", ear);
  ear.set_closed(true);
  CHECK(context.call("emitter.raw", "500 1") == "ok:500 0");
  REQUIRE(ear.wait_inside());
  std::thread opener([&] {
    // Not before the instances have ended: what they emitted waits behind the others.
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ear.set_closed(false);
  });
  CHECK(context.destroy() == BP_OK);
  opener.join();
  REQUIRE(ear.payloads.size() == 510);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(ear.names[500 + i] == "last_words.said");
    CHECK(ear.payloads[500 + i] == std::to_string(i));
  }
}

TEST_CASE("the counts of events add up when a context comes to rest") {
  bp_context_options options = no_options();
  options.on_event_overflow = BP_OVERFLOW_REFUSE;
  options.event_queue_depth = 4;
  const Context context(options);
  const Loaded emitter(context, "emitter");
  CHECK(context.call("emitter.raw", "5 1") == "ok:5 0");  // nobody listens
  Ear ear;
  listen(context, "emitter.*", ear);
  ear.set_closed(true);
  CHECK(context.call("emitter.raw", "1 1") == "ok:1 0");
  REQUIRE(ear.wait_inside());
  CHECK(context.call("emitter.raw", "10 1") == "ok:3 7");
  const auto counts = [&context] {
    Result status;
    REQUIRE(bp_host_status(context.native, &status) == BP_OK);
    const std::string text = status.text();
    const std::size_t at = text.find("events");
    REQUIRE(at != std::string::npos);
    std::vector<int> values;  // queued, emitted, delivered, refused: all small enough for one byte
    for (const char* key : {"\x66queued",
                            "\x67"
                            "emitted",
                            "\x69"
                            "delivered",
                            "\x67refused"}) {
      const std::size_t found = text.find(key, at);
      REQUIRE(found != std::string::npos);
      values.push_back(static_cast<unsigned char>(text.at(found + std::string_view(key).size())));
    }
    return values;
  };
  CHECK(counts() == std::vector<int>{4, 16, 5, 7});
  ear.set_closed(false);
  CHECK(ear.wait(4).size() == 4);
  CHECK(eventually([&] { return counts() == std::vector<int>{0, 16, 9, 7}; }));
}

TEST_CASE("a removed listener hears nothing more, although events go on") {
  const Context context;
  const Loaded emitter(context, "emitter");
  Ear stays;
  listen(context, "*", stays);
  for (int i = 0; i < 20; ++i) {
    auto ear = std::make_unique<Ear>();
    const bp_listener listener = listen(context, "emitter.*", *ear);
    CHECK(context.call("emitter.raw", "5 1") == "ok:5 0");
    CHECK(bp_unlisten(context.native, listener) == BP_OK);
    ear.reset();  // an event still on its way to it would touch freed memory
    CHECK(bp_unlisten(context.native, listener) == BP_INVALID_HANDLE);
  }
  CHECK(stays.wait(100).size() == 100);
}

TEST_CASE("an emitter without listeners loses nothing and fills nothing") {
  bp_context_options options = no_options();
  options.on_event_overflow = BP_OVERFLOW_REFUSE;
  options.event_queue_depth = 2;
  const Context context(options);
  const Loaded emitter(context, "emitter");
  CHECK(context.call("emitter.raw", "1000 10") == "ok:1000 0");
}

TEST_CASE("a listener that is too slow makes no emitter and no call fail, and is told what it has lost") {
  bp_context_options options = no_options();
  options.event_log_events = 16;
  const Context context(options);
  const Loaded emitter(context, "emitter");
  Ear slow;
  Ear liveness;
  listen(context, "emitter.*", slow);
  listen(context, "backplane.not_responding", liveness);
  listen(context, "backplane.responding", liveness);
  slow.set_closed(true);
  CHECK(context.call("emitter.raw", "1 1") == "ok:1 0");
  REQUIRE(slow.wait_inside());
  for (int i = 0; i < 20; ++i) REQUIRE(context.call("emitter.raw", "500 1") == "ok:500 0");
  CHECK(liveness.names.empty());
  slow.set_closed(false);
  CHECK(context.call("emitter.raw", "1 1") == "ok:1 0");
  CHECK(eventually([&] {
    const std::lock_guard lock(slow.mutex);
    return !slow.names.empty() && slow.names.size() - 1 + slow.lost == 10'002;
  }));
  CHECK(slow.lost > 9'000);
  CHECK(slow.emitted_ms > 1'600'000'000'000);
  CHECK(slow.heard("backplane.gap"));
}

TEST_CASE("a subscription may ask for a thread of its own, and may drop what it cannot take") {
  const Context context;
  const Loaded emitter(context, "emitter");
  Ear slow;
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.flags = BP_LISTEN_OWN_THREAD;
  subscription.pattern = str("emitter.*");
  subscription.on_event = Ear::on_event;
  subscription.user = &slow;
  subscription.label = str("slow one");
  bp_listener listener{};
  REQUIRE(bp_subscribe(context.native, &subscription, &listener) == BP_OK);
  std::atomic<int> dropped{0};
  subscription.flags = 0;
  subscription.label = str("");
  subscription.user = &dropped;
  subscription.on_event = [](void* user, const bp_event* event) {
    if (bp_event_drop(event) == BP_OK) ++*static_cast<std::atomic<int>*>(user);
  };
  bp_listener drops{};
  REQUIRE(bp_subscribe(context.native, &subscription, &drops) == BP_OK);
  slow.set_closed(true);
  CHECK(context.call("emitter.raw", "10 1") == "ok:10 0");
  CHECK(eventually([&] { return dropped == 10; }));  // although the other stands still
  CHECK(slow.payloads.empty());
  const bp_event outside{};
  CHECK(bp_event_drop(&outside) == BP_INVALID_HANDLE);
  CHECK(bp_event_drop(nullptr) == BP_INVALID_HANDLE);
  Result status;
  REQUIRE(bp_host_status(context.native, &status) == BP_OK);
  CHECK_THAT(status.text(), Catch::Contains("slow one"));
  slow.set_closed(false);
  CHECK(slow.wait(10).size() == 10);
  CHECK(bp_unlisten(context.native, listener) == BP_OK);
  CHECK(bp_unlisten(context.native, drops) == BP_OK);
}

TEST_CASE("a subscription that is none is refused") {
  const Context context;
  Ear ear;
  bp_listener listener{};
  bp_subscription right{};
  right.struct_size = sizeof right;
  right.pattern = str("a.*");
  right.on_event = Ear::on_event;
  right.user = &ear;
  const auto refused = [&](auto change) {
    bp_subscription wrong = right;
    change(wrong);
    listener.id = 7;
    return bp_subscribe(context.native, &wrong, &listener) == BP_INVALID_ARGUMENT && listener.id == 0;
  };
  CHECK(refused([](bp_subscription& s) { s.struct_size = 8; }));
  CHECK(refused([](bp_subscription& s) { s.flags = 8; }));
  CHECK(refused([](bp_subscription& s) { s.pattern = str("a*b"); }));
  CHECK(refused([](bp_subscription& s) { s.pattern = {nullptr, 3}; }));
  CHECK(refused([](bp_subscription& s) { s.label = {nullptr, 3}; }));
  CHECK(refused([](bp_subscription& s) { s.label = str("\xff"); }));
  static const std::string long_label(257, 'x');
  CHECK(refused([](bp_subscription& s) { s.label = str(long_label); }));
  CHECK(refused([](bp_subscription& s) { s.on_event = nullptr; }));
  CHECK(bp_subscribe(context.native, nullptr, &listener) == BP_INVALID_ARGUMENT);
  CHECK(bp_subscribe(context.native, &right, nullptr) == BP_INVALID_ARGUMENT);
  for (const auto change : {+[](bp_context_options& o) { o.event_log_events = 15; },
                            +[](bp_context_options& o) { o.event_log_bytes = 65'535; },
                            +[](bp_context_options& o) { o.on_event_overflow = 2; }}) {
    bp_context_options options = no_options();
    change(options);
    bp_context made{};
    Result why;
    CHECK(bp_context_create(&options, &made, &why) == BP_INVALID_ARGUMENT);
    CHECK_THAT(why.words(), Catch::Contains("event"));
  }
}

TEST_CASE("the listeners of a context have at most listener_patterns different patterns") {
  bp_context_options options = no_options();
  options.listener_patterns = 2;
  const Context context(options);
  Ear ear;
  const bp_listener first = listen(context, "a.*", ear);
  listen(context, "b.*", ear);
  listen(context, "a.*", ear);  // not another one
  bp_listener third{};
  CHECK(bp_listen(context.native, BP_STR("c.*"), Ear::on_event, &ear, &third) == BP_OVERLOADED);
  CHECK(bp_unlisten(context.native, first) == BP_OK);
  CHECK(bp_listen(context.native, BP_STR("c.*"), Ear::on_event, &ear, &third) == BP_OVERLOADED);  // one is left
}

TEST_CASE("options of flow that are out of bounds are refused") {
  for (const auto set : {+[](bp_context_options& o) { o.request_window_bytes = 4'095; },
                         +[](bp_context_options& o) { o.request_window_parts = 1'048'577; },
                         +[](bp_context_options& o) { o.listener_patterns = 1'048'577; }}) {
    bp_context_options options = no_options();
    set(options);
    bp_context context{};
    Result why;
    CHECK(bp_context_create(&options, &context, &why) == BP_INVALID_ARGUMENT);
    CHECK(why.says(", expected "));
  }
  bp_connect_options connect{};
  connect.struct_size = sizeof connect;
  connect.event_bytes = 65'535;
  bp_context context{};
  Result why;
  CHECK(bp_context_connect(&connect, &context, &why) == BP_INVALID_ARGUMENT);
  CHECK(why.says("event_bytes is 65535, expected 65536 to "));
}
