// SPDX-License-Identifier: Apache-2.0
//
// emit_wait and BP_LISTEN_LOSSLESS: who waits for whom, for how long, and what is lost.
#include <cstddef>
#include <cstring>
#include <utility>

#include "cbor_value.hpp"
#include "fixture.hpp"
#include "process_state.hpp"
#include "streams_payload.hpp"

using namespace host_test;

namespace {

/// A listener that lets events in while it is open, and counts them.
class Ear {
 public:
  Ear(const Context& context, std::string_view pattern, std::uint32_t flags, std::uint64_t window_bytes = 0)
      : context_(context.native) {
    bp_subscription subscription{};
    subscription.struct_size = sizeof subscription;
    subscription.flags = flags;
    subscription.pattern = str(pattern);
    subscription.on_event = on_event;
    subscription.user = this;
    subscription.window_bytes = window_bytes;
    subscription.label = str(label);
    REQUIRE(bp_subscribe(context_, &subscription, &listener) == BP_OK);
  }
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;
  ~Ear() {
    open(true);
    if (listener.id != 0) bp_unlisten(context_, listener);
  }
  void open(bool now) {
    const std::lock_guard lock(mutex_);
    open_ = now;
    changed_.notify_all();
  }
  bool has(std::uint64_t count) {
    return eventually([this, count] { return items.load() >= count; });
  }
  std::uint64_t missed() const { return items.load() == 0 ? 0 : newest.load() + 1 - items.load(); }

  static inline std::atomic<int> made{0};
  const std::string label = "ear " + std::to_string(++made);
  bp_listener listener{};
  std::atomic<std::uint64_t> items{0};   // of news.tell
  std::atomic<std::uint64_t> newest{0};  // the number of the last
  std::atomic<std::uint64_t> bytes{0};   // of events with the flag
  std::atomic<std::uint64_t> noise{0};
  std::atomic<std::uint64_t> lost{0};
  std::atomic<bool> in_order{true};

 private:
  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Ear*>(user);
    if ((event->flags & BP_EVENT_GAP) != 0) {
      self.lost += event->lost;
      return;
    }
    {
      std::unique_lock lock(self.mutex_);
      self.changed_.wait(lock, [&] { return self.open_; });
    }
    if ((event->flags & BP_EVENT_LOSSLESS) != 0) self.bytes += event->name.size + event->payload.size;
    if (text_of(event->name) != "news.item") {
      ++self.noise;
      return;
    }
    const std::uint64_t number = Value::of(text_of(event->payload))["payload"]["number"].number;
    if (self.items != 0 && number <= self.newest) self.in_order = false;
    self.newest = number;
    ++self.items;
  }

  const bp_context context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
};

std::string orders(std::uint64_t events, std::uint64_t size, std::uint64_t wait_ms = 60'000) {
  return numbers({{"events", events}, {"size", size}, {"wait_ms", wait_ms}});
}

std::uint64_t emitted(const std::string& reply) {
  INFO(reply);
  REQUIRE(reply.starts_with("ok:"));
  return Value::of(std::string_view(reply).substr(3))["emitted"].number;
}

bool is_lossless(const Context& context, const Ear& ear) {
  const Value status = status_of(context.native);
  for (const Value& each : status["contexts"].items) {
    for (const Value& listener : each["events"]["listeners"].items) {
      if (listener["label"].text == ear.label) return listener["lossless"].number != 0;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("a handler waits for a lossless listener, while others run, and loses it nothing") {
  for (const char* const name : {"news.tell", "news.blocking_tell"}) {
    CAPTURE(name);
    const Context context;
    const Loaded module(context, "news");
    Ear ear(context, "news.*", BP_LISTEN_LOSSLESS, 10'000);
    Ear plain(context, "news.item", BP_LISTEN_OWN_THREAD);
    ear.open(false);
    Replies told;
    REQUIRE(context.submit(name, told, orders(1'000, 1'000)) == BP_OK);
    CHECK(emitted(context.call("news.shout", orders(10, 10))) == 10);
    CHECK(told.terminal() == 0);
    ear.open(true);
    CHECK(emitted(told.wait().back()) == 1'000);
    CHECK(ear.has(1'000));
    CHECK(ear.in_order);
    CHECK(ear.missed() == 0);
    CHECK(plain.has(1'000));
    CHECK(is_lossless(context, ear));
    CHECK_FALSE(is_lossless(context, plain));
  }
}

TEST_CASE("events that nobody waits for push out no event that an emitter has waited for") {
  bp_context_options options = no_options();
  options.event_log_events = 1'024;
  const Context context(options);
  const Loaded module(context, "news");
  const bool own_thread = GENERATE(false, true);
  CAPTURE(own_thread);
  Ear ear(context, "news.*", BP_LISTEN_LOSSLESS | (own_thread ? std::uint32_t{BP_LISTEN_OWN_THREAD} : 0));
  Replies told;
  REQUIRE(context.submit("news.tell", told, orders(2'000, 100)) == BP_OK);
  while (told.terminal() == 0) {
    ear.open(false);
    CHECK(emitted(context.call("news.shout", orders(3'000, 10))) == 3'000);
    ear.open(true);
  }
  CHECK(emitted(told.wait().back()) == 2'000);
  CHECK(ear.has(2'000));
  CHECK(ear.missed() == 0);
  CHECK(ear.in_order);
  CHECK(ear.lost != 0);
}

TEST_CASE("an emitter waits no longer than it says, and then the event is not emitted") {
  const Context context;
  const Loaded module(context, "news");
  Ear ear(context, "news.item", BP_LISTEN_LOSSLESS, 1'000);
  ear.open(false);
  const std::uint64_t sent = emitted(context.call("news.tell", orders(1'000, 100, 50)));
  CHECK(sent >= 1);
  CHECK(sent < 20);
  ear.open(true);
  CHECK(ear.has(sent));
  CHECK(emitted(context.call("news.tell", orders(0, 0))) == 0);
  CHECK(ear.items == sent);
  CHECK(ear.lost == 0);
}

TEST_CASE("without a lossless listener nobody waits, and without any the event is for nobody") {
  const Context context;
  const Loaded module(context, "news");
  CHECK(emitted(context.call("news.tell", orders(10, 10, 1))) == 10);
  Ear plain(context, "news.item", 0);
  Ear other(context, "other.*", BP_LISTEN_LOSSLESS, 1);
  plain.open(false);
  CHECK(emitted(context.call("news.tell", orders(100'000, 10, 1))) == 100'000);
}

TEST_CASE("a cancel, a deadline, and the end of the listener or the context end the wait") {
  const Context context;
  const Loaded module(context, "news");
  const char* const name = GENERATE("news.tell", "news.blocking_tell");
  Ear ear(context, "news.item", BP_LISTEN_LOSSLESS, 1'000);
  ear.open(false);
  Replies canceled;
  bp_request request{};
  REQUIRE(context.submit(name, canceled, orders(1'000, 100), 0, &request) == BP_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(canceled.wait().back() == "canceled");
  CHECK(context.call(name, orders(1'000, 100), 50) == "deadline");

  Replies freed;
  REQUIRE(context.submit(name, freed, orders(1'000, 100)) == BP_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(freed.terminal() == 0);
  std::thread opens([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ear.open(true);
  });
  bp_unlisten(context.native, std::exchange(ear.listener, bp_listener{}));
  opens.join();
  CHECK(emitted(freed.wait().back()) == 1'000);

  bp_context_options options = no_options();
  options.stop_timeout_ms = 50;
  Context ends(options);
  Ear deaf(ends, "news.item", BP_LISTEN_LOSSLESS | BP_LISTEN_CREDIT, 1'000);
  Replies stopped;
  REQUIRE(ends.submit(name, stopped, orders(1'000, 100)) == BP_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(bp_context_stop(ends.native, 0) == BP_OK);
  CHECK(stopped.wait().back() == "canceled");
}

TEST_CASE("a listener with credit by hand is asked for no more than it says it is done with") {
  const Context context;
  const Loaded module(context, "news");
  Ear ear(context, "news.*", BP_LISTEN_LOSSLESS | BP_LISTEN_CREDIT, 1'000);
  Replies told;
  REQUIRE(context.submit("news.tell", told, orders(50, 200)) == BP_OK);
  std::uint64_t credited = 0;
  while (told.terminal() == 0) {
    const std::uint64_t got = ear.bytes.load();
    CHECK(got <= credited + 1'000);
    CHECK(bp_listener_credit(context.native, ear.listener, got - credited) == BP_OK);
    credited = got;
    std::this_thread::yield();
  }
  CHECK(emitted(told.wait().back()) == 50);
  CHECK(ear.has(50));
  CHECK(bp_listener_credit(context.native, {ear.listener.id + 1}, 1) == BP_INVALID_HANDLE);
  Ear plain(context, "news.*", 0);
  CHECK(bp_listener_credit(context.native, plain.listener, 1) == BP_INVALID_ARGUMENT);
  Ear automatic(context, "news.*", BP_LISTEN_LOSSLESS);
  CHECK(bp_listener_credit(context.native, automatic.listener, 1) == BP_INVALID_ARGUMENT);
}

TEST_CASE("a lossless listener that stalls is like any other from then on") {
  bp_context_options options = no_options();
  options.stalled_listener_ms = 200;
  options.event_log_events = 256;
  const Context context(options);
  const Loaded module(context, "news");
  Ear ear(context, "news.item", BP_LISTEN_LOSSLESS, 1'000);
  ear.open(false);
  const auto begin = Clock::now();
  CHECK(emitted(context.call("news.tell", orders(5'000, 100))) == 5'000);
  CHECK(Clock::now() - begin >= std::chrono::milliseconds(200));
  CHECK_FALSE(is_lossless(context, ear));
  ear.open(true);
  CHECK(eventually([&] { return ear.items + ear.lost == 5'000; }));
  CHECK(ear.lost != 0);
}

TEST_CASE("with BP_OVERFLOW_REFUSE an emitter waits for the log, and no call is refused") {
  bp_context_options options = no_options();
  options.on_event_overflow = BP_OVERFLOW_REFUSE;
  options.event_queue_depth = 16;
  const Context context(options);
  const Loaded module(context, "news");
  Ear plain(context, "news.item", 0);
  plain.open(false);
  Replies told;
  REQUIRE(context.submit("news.tell", told, orders(1'000, 100)) == BP_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(told.terminal() == 0);
  CHECK(emitted(context.call("news.tell", orders(0, 0))) == 0);  // not event_queue_stuck
  plain.open(true);
  CHECK(emitted(told.wait().back()) == 1'000);
  CHECK(plain.has(1'000));
  CHECK(plain.lost == 0);
}

TEST_CASE("emit_wait and the flags of a subscription are checked") {
  const Context context;
  const Loaded module(context, "news");
  const std::string outside = context.call("news.outside", "\xa0");
  REQUIRE(outside.starts_with("ok:"));
  CHECK(Value::of(std::string_view(outside).substr(3))["status"].number == BP_NOT_SUPPORTED);
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.pattern = BP_STR("a.b");
  subscription.on_event = [](void*, const bp_event*) {};
  bp_listener out{};
  subscription.flags = BP_LISTEN_CREDIT;
  CHECK(bp_subscribe(context.native, &subscription, &out) == BP_INVALID_ARGUMENT);
  subscription.flags = 8;
  CHECK(bp_subscribe(context.native, &subscription, &out) == BP_INVALID_ARGUMENT);
  subscription.flags = 0;
  subscription.window_bytes = 1;
  CHECK(bp_subscribe(context.native, &subscription, &out) == BP_INVALID_ARGUMENT);
  subscription.flags = BP_LISTEN_LOSSLESS;
  CHECK(bp_subscribe(context.native, &subscription, &out) == BP_OK);
  std::memset(static_cast<void*>(&subscription.window_bytes), 0xff, sizeof subscription.window_bytes);
  subscription.struct_size = offsetof(bp_subscription, window_bytes);
  subscription.flags = 0;
  CHECK(bp_subscribe(context.native, &subscription, &out) == BP_OK);
}
