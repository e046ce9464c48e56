// SPDX-License-Identifier: Apache-2.0
//
// EventLog: order, sizes, envelopes of typed events, bounds, gaps, several readers, settling and closing.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "event/event_log.hpp"
#include "own_core.hpp"

using namespace backplane::host;

namespace {

using Put = EventLog::Put;
using Reader = EventLog::Reader;
using Next = Reader::Next;

constexpr std::uint64_t kib = 1024;

bp_bytes bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
std::string text_of(bp_bytes bytes) { return {reinterpret_cast<const char*>(bytes.data), bytes.size}; }

struct Event {
  std::string name;
  std::string payload;
  bool operator==(const Event&) const = default;
};

EventLog::PatternId listen(EventLog& log, std::string_view pattern) { return log.subscribe(pattern).pattern; }

/// A log whose events all are kept, and a reader.
struct OneReader {
  explicit OneReader(const EventLogOptions& options = {}, Nanos spin = AdaptiveSpin::usual)
      : log(options), reader(log, spin) {
    listen(log, "*");
  }
  Put put(std::string_view name, std::string_view payload, std::uint32_t flags = 0) {
    return log.put(name, bytes_of(payload), flags);
  }
  Event pop() {
    REQUIRE(reader.take() == Next::event);
    CHECK(reader.event().payload.data != nullptr);
    Event event{std::string(reader.event().name), text_of(reader.event().payload)};
    reader.release();
    return event;
  }
  std::uint64_t waiting() const { return log.end() - reader.position(); }

  EventLog log;
  Reader reader;
};

EventLogOptions refusing(std::uint32_t events, std::uint64_t bytes = EventLogOptions().bytes) {
  return {bytes, events, true};
}

/// Reads all there is. Returns how many events, and adds those that gaps tell of to `lost`.
std::uint64_t read_all(Reader& reader, std::uint64_t& lost) {
  std::uint64_t read = 0;
  for (;;) {
    switch (reader.look()) {
      case Next::none:
        return read;
      case Next::gap:
        lost += reader.gap().events;
        break;
      case Next::event:
        ++read;
        reader.release();
    }
  }
}

}  // namespace

TEST_CASE("events come out in order through many segments") {
  OneReader log({64 * kib, 1'000});
  int in = 0;
  int out = 0;
  for (int round = 0; round < 3'000; ++round) {
    while (log.waiting() < 50) REQUIRE(log.put("a.b", std::to_string(in++)) == Put::ok);
    for (int i = 0; i < 1 + round % 50; ++i) CHECK(log.pop() == Event{"a.b", std::to_string(out++)});
  }
}

TEST_CASE("a log that refuses takes no more events than its depth, and loses none that it took") {
  OneReader log(refusing(2));
  CHECK(log.put("a.one", "1") == Put::ok);
  CHECK(log.put("a.two", "2") == Put::ok);
  CHECK(log.put("a.three", "3") == Put::full);
  CHECK(log.pop() == Event{"a.one", "1"});
  CHECK(log.put("a.four", "4") == Put::ok);
  CHECK(log.put("a.five", "5") == Put::full);
  CHECK(log.pop() == Event{"a.two", "2"});
  CHECK(log.pop() == Event{"a.four", "4"});
}

TEST_CASE("a log that refuses is also full when its bytes are in use") {
  OneReader log(refusing(1'000'000, 64 * kib));
  const std::string large(1'000, 'x');
  std::uint64_t accepted = 0;
  while (log.put("a.b", large) == Put::ok) ++accepted;
  CHECK(log.put("a.b", large) == Put::full);
  CHECK(accepted > 40);
  CHECK(accepted < 64);
  std::uint64_t lost = 0;
  CHECK(read_all(log.reader, lost) == accepted);
  CHECK(lost == 0);
  CHECK(log.put("a.b", large) == Put::ok);
}

TEST_CASE("an event that is being read counts until it is released") {
  OneReader log(refusing(1));
  REQUIRE(log.put("a.b", "first") == Put::ok);
  REQUIRE(log.reader.take() == Next::event);
  CHECK(log.put("a.b", "SECOND") == Put::full);
  CHECK(text_of(log.reader.event().payload) == "first");
  log.reader.release();
  CHECK(log.waiting() == 0);
  CHECK(log.put("a.b", "SECOND") == Put::ok);
}

TEST_CASE("names and payloads of any size pass unharmed") {
  OneReader log;
  for (const std::size_t name_size : {3, 63, 64, 65, 128}) {
    for (const std::size_t size : {0, 1, 7, 8, 511, 4'000, 4'096, 65'000, 65'536, 100'000, 2'000'000}) {
      CAPTURE(name_size, size);
      const Event event{"a." + std::string(name_size - 2, 'n'), std::string(size, 'p')};
      REQUIRE(log.put(event.name, event.payload) == Put::ok);
      CHECK(log.pop() == event);
    }
  }
}

TEST_CASE("a log that goes away with events in it leaks none, also when a reader stands in a dropped segment") {
  OneReader log({64 * kib, 1'000});
  const std::string large(10'000, 'x');
  for (int i = 0; i < 3; ++i) REQUIRE(log.put("a.b", large) == Put::ok);
  log.pop();
  REQUIRE(log.reader.take() == Next::event);  // taken and never released
  for (int i = 0; i < 100; ++i) REQUIRE(log.put("a.b", large) == Put::ok);
}

TEST_CASE("the envelope of a typed event is the map of two that the header promises, byte for byte") {
  OneReader log;
  REQUIRE(log.put("kv.changed", "\x18\x2a", BP_EVENT_TYPED) == Put::ok);
  CHECK(log.pop().payload ==
        "\xa2\x69"
        "eventType\x6akv.changed\x67payload\x18\x2a");
  // A name of 24 bytes and more has a head of two bytes; the longest one still fits.
  for (const std::size_t size : {std::size_t{23}, std::size_t{24}, std::size_t{128}}) {
    const std::string name = "a." + std::string(size - 2, 'n');
    REQUIRE(log.put(name, "\xf6", BP_EVENT_TYPED) == Put::ok);
    const std::string head =
        size < 24 ? std::string(1, static_cast<char>(0x60 + size)) : std::string("\x78") + static_cast<char>(size);
    CHECK(log.pop().payload ==
          "\xa2\x69"
          "eventType" +
              head + name + "\x67payload\xf6");
  }
}

TEST_CASE("an event above a quarter of the log's bytes is refused as too large, and nothing is dropped for it") {
  OneReader log({64 * kib, 1'000});
  REQUIRE(log.put("a.b", "before") == Put::ok);
  CHECK(log.put("a.b", std::string(16 * kib, 'x')) == Put::too_large);
  CHECK(log.put("a.b", std::string(16 * kib - 100, 'x')) == Put::ok);
  CHECK(log.pop().payload == "before");
  CHECK(log.pop().payload.size() == 16 * kib - 100);
}

TEST_CASE("an event that no pattern matches is not kept") {
  EventLog log({});
  Reader reader(log);
  CHECK_FALSE(log.is_heard());
  CHECK(log.put("a.b", {nullptr, 0}, 0) == Put::unheard);
  const auto id = listen(log, "a.c");
  CHECK(log.is_heard());
  CHECK(log.put("a.b", {nullptr, 0}, 0) == Put::unheard);
  CHECK(log.put("a.c", {nullptr, 0}, 0) == Put::ok);
  CHECK(log.end() == 1);
  log.unsubscribe(id);
  CHECK_FALSE(log.is_heard());
  CHECK(log.put("a.c", {nullptr, 0}, 0) == Put::unheard);
}

TEST_CASE("a reader that is too far behind reads its segment to the end, then gets one gap that says what it lost") {
  const std::uint32_t bound = GENERATE(16u, 100u, 5'000u);
  CAPTURE(bound);
  OneReader log({std::uint64_t{1} << 20, bound});
  const auto odd = listen(log.log, "odd.*");
  const auto unix_ms = [] {
    const auto time = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  };
  const std::uint64_t began = unix_ms();
  constexpr std::uint64_t total = 20'000;
  for (std::uint64_t i = 0; i < total; ++i) {
    REQUIRE(log.put(i % 2 == 0 ? "even.number" : "odd.number", std::to_string(i)) == Put::ok);
  }
  std::uint64_t next = 0;
  std::uint64_t odd_read = 0;
  std::uint64_t lost = 0;
  int gaps = 0;
  for (Next what = log.reader.look(); what != Next::none; what = log.reader.look()) {
    if (what == Next::gap) {
      const Reader::Gap& gap = log.reader.gap();
      ++gaps;
      lost = gap.events;
      CHECK(gap.matched[odd] - odd_read == lost / 2);  // segments have an even number of events
      CHECK(gap.since_ms + 100 >= began);              // the coarse clock lags by a tick
      CHECK(gap.since_ms <= unix_ms());
      next += lost;
      continue;
    }
    REQUIRE(text_of(log.reader.event().payload) == std::to_string(next));
    CHECK(log.reader.event().patterns.size() == 1 + next % 2);
    odd_read += next % 2;
    ++next;
    log.reader.release();
  }
  CHECK(gaps == 1);
  CHECK(next == total);
  // The log kept at least seven eighths of its bound, and the reader its own segment, if it had one, beyond.
  CHECK(total - lost >= bound * 7 / 8);
  CHECK(total - lost <= bound + bound / 8);
}

TEST_CASE("a log never takes more memory than its bytes, whatever the sizes, and a reader loses only what is dropped") {
  constexpr std::uint64_t bound = 256 * kib;
  OneReader log({bound, 1'000'000});
  std::uint64_t read = 0;
  std::uint64_t lost = 0;
  std::uint64_t put = 0;
  std::uint64_t most = 0;
  std::uint32_t random = 1;
  for (int i = 0; i < 20'000; ++i) {
    random = random * 1'664'525 + 1'013'904'223;
    const std::size_t size = (random >> 8) % ((random >> 4) % 32 == 0 ? 60'000 : 300);
    REQUIRE(log.put("a.b", std::string(size, 'x')) == Put::ok);
    ++put;
    most = std::max(most, log.log.bytes());
    if (i % 1'000 == 0) read += read_all(log.reader, lost);
  }
  read += read_all(log.reader, lost);
  CHECK(most <= bound);
  CHECK(most > bound / 2);
  CHECK(lost > 0);
  CHECK(read + lost == put);
}

TEST_CASE("readers do not depend on each other: one that stands still costs another nothing") {
  EventLog log({std::uint64_t{1} << 20, 1'000});
  listen(log, "*");
  Reader stands(log);
  REQUIRE(log.put("a.b", bytes_of("0"), 0) == Put::ok);
  REQUIRE(stands.look() == Next::event);
  Reader late(log);  // begins behind the first event
  Reader reads(log);
  std::uint64_t read = 0;
  std::uint64_t lost = 0;
  for (int i = 1; i <= 10'000; ++i) {
    REQUIRE(log.put("a.b", bytes_of(std::to_string(i)), 0) == Put::ok);
    read += read_all(reads, lost);
  }
  CHECK(read == 10'000);
  CHECK(lost == 0);
  CHECK(text_of(stands.event().payload) == "0");  // still valid, although it has left the log long ago
  stands.release();
  std::uint64_t stands_lost = 0;
  const std::uint64_t stands_read = read_all(stands, stands_lost);
  CHECK(stands_read + stands_lost == 10'000);
  CHECK(stands_lost >= 10'000 - 1'000 - 125);
  std::uint64_t late_lost = 0;
  CHECK(read_all(late, late_lost) + late_lost == 10'000);
}

TEST_CASE("what all readers have read is given up, so a log that is read in time stays small") {
  OneReader log;
  const std::string payload(1'000, 'x');
  std::uint64_t most = 0;
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(log.put("a.b", payload) == Put::ok);
    log.pop();
    most = std::max(most, log.log.bytes());
  }
  CHECK(most <= 2 * 64 * kib);
}

TEST_CASE("a pattern's count tells a listener that came late only what it lost itself") {
  OneReader log({std::uint64_t{1} << 20, 16});
  for (int i = 0; i < 1'000; ++i) REQUIRE(log.put("a.b", "x") == Put::ok);
  const auto [id, position, begins] = log.log.subscribe("a.*");
  CHECK(position == 1'000);
  for (int i = 0; i < 100; ++i) REQUIRE(log.put("a.b", "x") == Put::ok);
  std::uint64_t read = 0;
  std::uint64_t lost = 0;
  std::uint64_t matched = begins;
  for (Next what = log.reader.look(); what != Next::none; what = log.reader.look()) {
    if (what == Next::gap) {
      lost += log.reader.gap().matched[id] - matched;
      matched = log.reader.gap().matched[id];
      continue;
    }
    const auto patterns = log.reader.event().patterns;
    if (std::find(patterns.begin(), patterns.end(), id) != patterns.end()) {
      ++read;
      ++matched;
    }
    log.reader.release();
  }
  CHECK(read + lost == 100);
  CHECK(log.log.matched()[id] == matched);
}

TEST_CASE("settling ends as soon as every reader has read everything and looks for more") {
  using namespace std::chrono_literals;
  OneReader log;
  REQUIRE(log.put("a.b", "1") == Put::ok);
  REQUIRE(log.reader.take() == Next::event);
  std::atomic<bool> settled{false};
  std::chrono::steady_clock::duration took{};
  std::thread owner([&] {
    const auto begin = std::chrono::steady_clock::now();
    settled = log.log.settle(30s);
    took = std::chrono::steady_clock::now() - begin;
  });
  while (log.put("a.b", "2") != Put::closed) {  // the owner has not begun to wait
    log.reader.release();
    REQUIRE(log.reader.take() == Next::event);
  }
  CHECK_FALSE(settled);  // one is being delivered
  log.reader.release();
  Next last = Next::event;
  std::thread event_thread([&] { last = log.reader.take(); });
  owner.join();
  CHECK(settled);
  CHECK(took < 10s);  // it was told, and did not find out at the end of its time
  log.log.open();
  log.log.close();
  event_thread.join();
  CHECK(last == Next::none);
}

TEST_CASE("settling waits for each reader, but not for one that is stopped or gone") {
  using namespace std::chrono_literals;
  EventLog log({});
  listen(log, "*");
  Reader first(log);
  auto second = std::make_unique<Reader>(log);
  Reader third(log);
  REQUIRE(log.put("a.b", {nullptr, 0}, 0) == Put::ok);
  std::uint64_t lost = 0;
  CHECK(read_all(first, lost) == 1);
  CHECK_FALSE(log.settle(1ms));
  third.stop();
  CHECK(third.take() == Next::none);
  CHECK_FALSE(log.settle(1ms));
  second.reset();
  CHECK(log.settle(1ms));
}

// The two sides meet again and again at the very moment at which one falls asleep and the other looks whether it does.
TEST_CASE("an emitter never leaves a reader asleep beside an event, also with two readers") {
  const int readers = GENERATE(1, 2);
  EventLog log({std::uint64_t{1} << 20, 16, true});
  listen(log, "*");
  constexpr std::uint64_t rounds = 30'000;
  std::vector<std::atomic<std::uint64_t>> taken(2);
  std::vector<std::thread> threads;
  for (int i = 0; i < readers; ++i) {
    auto reader = std::make_unique<Reader>(log, 0);  // never spins, and so falls asleep at every turn
    threads.emplace_back([&, i, reader = std::move(reader)] {
      const OwnCore core(0);
      for (std::uint64_t round = 1; reader->take() == Next::event; ++round) {
        taken[static_cast<std::size_t>(i)].store(round, std::memory_order_release);
        for (std::uint64_t k = round % 64 * 32; k > 0; --k) std::atomic_signal_fence(std::memory_order_seq_cst);
        reader->release();
      }
    });
  }
  const OwnCore core(1);
  const Nanos end = now() + 2'000 * nanos_per_ms;  // of a test on a busy machine
  bool lost = false;
  for (std::uint64_t round = 1; round <= rounds && !lost && now() < end; ++round) {
    if (log.put("a.b", {nullptr, 0}, 0) != Put::ok) break;
    const Nanos until = now() + 10'000 * nanos_per_ms;
    const auto all_taken = [&] {
      for (int i = 0; i < readers; ++i) {
        if (taken[static_cast<std::size_t>(i)].load(std::memory_order_acquire) < round) return false;
      }
      return true;
    };
    for (int i = 1; !all_taken() && !lost; ++i) {
      relax_core();
      if (i % 64 != 0) continue;
      give_way();
      lost = now() > until;
    }
  }
  CHECK_FALSE(lost);
  log.close();
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("events of several emitters come out once each, in each emitter's order, or are told as lost") {
  const bool refuses = GENERATE(false, true);
  OneReader log({64 * kib, 64, refuses});
  constexpr int each = 5'000;
  std::vector<std::thread> emitters;
  for (int e = 0; e < 3; ++e) {
    emitters.emplace_back([&log, e] {
      const std::string name = "emitter.e" + std::to_string(e);
      for (int i = 0; i < each; ++i) {
        while (log.put(name, std::to_string(i)) == Put::full) std::this_thread::yield();
      }
    });
  }
  std::vector<int> next(3, 0);
  bool kept = true;
  std::uint64_t lost = 0;
  for (std::uint64_t read = 0; read + lost < 3 * each;) {
    if (log.reader.take() == Next::gap) {
      lost += log.reader.gap().events;
      continue;
    }
    ++read;
    int& expected = next[static_cast<std::size_t>(log.reader.event().name.back() - '0')];
    const int number = std::stoi(text_of(log.reader.event().payload));
    kept = kept && (refuses ? number == expected : number >= expected);
    expected = number + 1;
    log.reader.release();
  }
  for (auto& emitter : emitters) emitter.join();
  CHECK(kept);
  CHECK((!refuses || lost == 0));
  CHECK(log.waiting() == 0);
}

TEST_CASE("readers that come and go while events are emitted leave nothing behind") {
  EventLog log({64 * kib, 128});
  listen(log, "*");
  std::atomic<bool> over{false};
  std::thread emitter([&] {
    while (!over) log.put("a.b", bytes_of("payload"), 0);
  });
  for (int i = 0; i < 2'000; ++i) {
    Reader reader(log);
    const std::uint64_t from = reader.position();
    std::uint64_t lost = 0;
    std::uint64_t read = 0;
    for (int k = 0; k < i % 50; ++k) {
      const Next what = reader.look();
      if (what == Next::gap) lost += reader.gap().events;
      if (what != Next::event) continue;
      ++read;
      reader.release();
    }
    REQUIRE(reader.position() == from + read + lost);
  }
  over = true;
  emitter.join();
  std::uint64_t lost = 0;
  Reader last(log);
  CHECK(read_all(last, lost) == 0);
  CHECK(log.bytes() <= 2 * 8 * kib);  // with no reader behind, one segment or two
}

TEST_CASE("closing wakes the thread that waits for an event, and what is kept is read") {
  OneReader log;
  log.put("a.b", "1");
  log.put("a.b", "2");
  log.log.close();
  CHECK(log.put("a.b", "3") == Put::closed);
  CHECK(log.pop().payload == "1");
  CHECK(log.pop().payload == "2");
  CHECK(log.reader.take() == Next::none);
  OneReader waits;
  std::atomic<bool> ended{false};
  std::thread consumer([&] { ended = waits.reader.take() == Next::none; });
  waits.log.close();
  consumer.join();
  CHECK(ended);
}
