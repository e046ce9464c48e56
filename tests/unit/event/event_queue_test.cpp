// SPDX-License-Identifier: Apache-2.0
//
// EventQueue: order, sizes, envelopes of typed events, its limit, and closing.
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "event/queue.hpp"
#include "own_core.hpp"

using namespace backplane::host;

namespace {

bp_bytes bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
std::string text_of(bp_bytes bytes) { return {reinterpret_cast<const char*>(bytes.data), bytes.size}; }

struct Event {
  std::string name;
  std::string payload;
  bool operator==(const Event&) const = default;
};

Event pop(EventQueue& queue) {
  const auto view = queue.take();
  REQUIRE(view.has_value());
  CHECK(view->payload.data != nullptr);
  Event event{std::string(view->name), text_of(view->payload)};
  queue.release();
  return event;
}

}  // namespace

TEST_CASE("the ring of events wraps around many times and keeps their order") {
  EventQueue queue(3);
  int in = 0;
  int out = 0;
  for (int round = 0; round < 50; ++round) {
    while (queue.size() < 3) {
      REQUIRE(queue.put("a.b", bytes_of(std::to_string(in)), 0) == EventQueue::Put::ok);
      ++in;
    }
    for (int i = 0; i < 1 + round % 3; ++i) CHECK(pop(queue) == Event{"a.b", std::to_string(out++)});
  }
}

TEST_CASE("an event that does not fit is refused, and nothing that is queued is lost by it") {
  EventQueue queue(2);
  CHECK(queue.put("a.one", bytes_of("1"), 0) == EventQueue::Put::ok);
  CHECK(queue.put("a.two", bytes_of("2"), 0) == EventQueue::Put::ok);
  CHECK(queue.put("a.three", bytes_of("3"), 0) == EventQueue::Put::full);
  CHECK(pop(queue) == Event{"a.one", "1"});
  CHECK(queue.put("a.four", bytes_of("4"), 0) == EventQueue::Put::ok);
  CHECK(pop(queue) == Event{"a.two", "2"});
  CHECK(pop(queue) == Event{"a.four", "4"});
}

TEST_CASE("the slot of the event that is being delivered is not given to another") {
  EventQueue queue(1);
  REQUIRE(queue.put("a.b", bytes_of("first"), 0) == EventQueue::Put::ok);
  const auto view = queue.take();
  CHECK(queue.put("a.b", bytes_of("SECOND"), 0) == EventQueue::Put::full);
  CHECK(text_of(view->payload) == "first");
  queue.release();
  CHECK(queue.size() == 0);
  CHECK(queue.put("a.b", bytes_of("SECOND"), 0) == EventQueue::Put::ok);
}

TEST_CASE("names and payloads at and beyond a slot's size pass unharmed") {
  EventQueue queue(4);
  for (const std::size_t name_size :
       {std::size_t{3}, EventQueue::slot_name, EventQueue::slot_name + 1, std::size_t{128}}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, EventQueue::slot_payload,
                                   EventQueue::slot_payload + 1, std::size_t{100'000}}) {
      CAPTURE(name_size, size);
      const Event event{"a." + std::string(name_size - 2, 'n'), std::string(size, 'p')};
      REQUIRE(queue.put(event.name, bytes_of(event.payload), 0) == EventQueue::Put::ok);
      CHECK(pop(queue) == event);
    }
  }
}

TEST_CASE("a queue that goes away with large events in it leaks none") {
  EventQueue queue(4);
  const std::string large(10'000, 'x');
  for (int i = 0; i < 3; ++i) REQUIRE(queue.put("a.b", bytes_of(large), 0) == EventQueue::Put::ok);
  pop(queue);
  REQUIRE(queue.take().has_value());  // taken and never released
}

TEST_CASE("the envelope of a typed event is the map of two that the header promises, byte for byte") {
  EventQueue queue(2);
  REQUIRE(queue.put("kv.changed", bytes_of("\x18\x2a"), BP_EVENT_TYPED) == EventQueue::Put::ok);
  CHECK(pop(queue).payload ==
        "\xa2\x69"
        "eventType\x6akv.changed\x67payload\x18\x2a");
  // A name of 24 bytes and more has a head of two bytes; the longest one still fits.
  for (const std::size_t size : {std::size_t{23}, std::size_t{24}, std::size_t{128}}) {
    const std::string name = "a." + std::string(size - 2, 'n');
    REQUIRE(queue.put(name, bytes_of("\xf6"), BP_EVENT_TYPED) == EventQueue::Put::ok);
    const std::string head =
        size < 24 ? std::string(1, static_cast<char>(0x60 + size)) : std::string("\x78") + static_cast<char>(size);
    CHECK(pop(queue).payload ==
          "\xa2\x69"
          "eventType" +
              head + name + "\x67payload\xf6");
  }
}

TEST_CASE("a typed event whose envelope just fits, or just not, into a slot is whole") {
  EventQueue queue(2);
  for (std::size_t size = EventQueue::slot_payload - 40; size < EventQueue::slot_payload + 4; ++size) {
    const std::string payload(size, '\x01');
    REQUIRE(queue.put("a.b", bytes_of(payload), BP_EVENT_TYPED) == EventQueue::Put::ok);
    const std::string whole = pop(queue).payload;
    CHECK(whole ==
          "\xa2\x69"
          "eventType\x63"
          "a.b\x67payload" +
              payload);
  }
}

TEST_CASE("a closed queue refuses events, gives out the rest, and then ends") {
  EventQueue queue(4);
  queue.put("a.b", bytes_of("1"), 0);
  queue.put("a.b", bytes_of("2"), 0);
  queue.close();
  CHECK(queue.put("a.b", bytes_of("3"), 0) == EventQueue::Put::closed);
  CHECK(pop(queue).payload == "1");
  CHECK(pop(queue).payload == "2");
  CHECK_FALSE(queue.take().has_value());
}

TEST_CASE("settling ends as soon as the event thread has given out everything and looks for more") {
  using namespace std::chrono_literals;
  EventQueue queue(4);
  REQUIRE(queue.put("a.b", bytes_of("1"), 0) == EventQueue::Put::ok);
  REQUIRE(queue.take().has_value());
  std::atomic<bool> settled{false};
  std::chrono::steady_clock::duration took{};
  std::thread owner([&] {
    const auto begin = std::chrono::steady_clock::now();
    settled = queue.settle(30s);
    took = std::chrono::steady_clock::now() - begin;
  });
  while (queue.put("a.b", bytes_of("2"), 0) != EventQueue::Put::closed) {  // the owner has not begun to wait
    queue.release();
    REQUIRE(queue.take().has_value());
  }
  CHECK_FALSE(settled);  // one is being delivered
  queue.release();
  std::thread event_thread([&] { CHECK_FALSE(queue.take().has_value()); });
  owner.join();
  CHECK(settled);
  CHECK(took < 10s);  // it was told, and did not find out at the end of its time
  queue.close();
  event_thread.join();
}

// The two sides meet again and again at the very moment at which one falls asleep and the other looks whether it does.
TEST_CASE("an emitter never leaves the event thread asleep beside an event") {
  EventQueue queue(4, 0);  // which never spins, and so falls asleep at every turn
  constexpr std::uint64_t rounds = 50'000;
  std::atomic<std::uint64_t> taken{0};
  std::thread event_thread([&] {
    const OwnCore core(0);
    for (std::uint64_t round = 1; queue.take().has_value(); ++round) {
      taken.store(round, std::memory_order_release);
      for (std::uint64_t i = round % 64 * 32; i > 0; --i) std::atomic_signal_fence(std::memory_order_seq_cst);
      queue.release();
    }
  });
  const OwnCore core(1);
  const Nanos end = now() + 2'000 * nanos_per_ms;  // of a test on a busy machine
  bool lost = false;
  for (std::uint64_t round = 1; round <= rounds && !lost && now() < end; ++round) {
    if (queue.put("a.b", {nullptr, 0}, 0) != EventQueue::Put::ok) break;
    const Nanos until = now() + 10'000 * nanos_per_ms;
    for (int i = 1; taken.load(std::memory_order_acquire) < round && !lost; ++i) {
      relax_core();
      if (i % 64 != 0) continue;
      give_way();
      lost = now() > until;
    }
  }
  CHECK_FALSE(lost);
  queue.close();
  event_thread.join();
}

TEST_CASE("closing wakes the thread that waits for an event") {
  EventQueue queue(4);
  std::atomic<bool> ended{false};
  std::thread consumer([&] { ended = !queue.take().has_value(); });
  queue.close();
  consumer.join();
  CHECK(ended);
}

TEST_CASE("events of several emitters come out once each, in each emitter's order") {
  EventQueue queue(8);
  constexpr int each = 5'000;
  std::vector<std::thread> emitters;
  for (int e = 0; e < 3; ++e) {
    emitters.emplace_back([&queue, e] {
      const std::string name = "emitter.e" + std::to_string(e);
      for (int i = 0; i < each; ++i) {
        const std::string text = std::to_string(i);
        while (queue.put(name, bytes_of(text), 0) == EventQueue::Put::full) std::this_thread::yield();
      }
    });
  }
  std::vector<int> next(3, 0);
  bool kept = true;
  for (int i = 0; i < 3 * each; ++i) {
    const auto view = queue.take();
    int& expected = next[static_cast<std::size_t>(view->name.back() - '0')];
    kept = kept && text_of(view->payload) == std::to_string(expected++);
    queue.release();
  }
  for (auto& emitter : emitters) emitter.join();
  CHECK(kept);
  CHECK(queue.size() == 0);
}
