// SPDX-License-Identifier: Apache-2.0
//
// Events whose emitters wait for lossless listeners: what the log keeps, windows, credit, and listeners that stall.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "event/event_log.hpp"
#include "test_bus.hpp"

using namespace event_test;

namespace {

using Put = EventLog::Put;
using Next = EventLog::Reader::Next;

/// A reader that checks what it reads: each event is the next one, or a gap of the right size stands before it.
struct Checked {
  Checked(EventLog& from, bool is_lossless) : log(from), reader(from), lossless(is_lossless) {
    if (lossless) log.add_lossless(reader);
  }
  /// Reads at most so many events. Each is its number, with an "!" if it must not be lost.
  void read(std::uint64_t most) {
    for (; most != 0; --most) {
      const Next next = reader.look();
      if (next == Next::none) return;
      if (next == Next::gap) {
        REQUIRE(reader.gap().events != 0);
        position += reader.gap().events;
        lost += reader.gap().events;
        for (const auto& [id, count] : matched) REQUIRE(reader.gap().matched[id] >= count);
        for (auto& [id, count] : matched) count = reader.gap().matched[id];
        continue;
      }
      const auto& event = reader.event();
      REQUIRE(event.position == position);
      ++position;
      const std::string text(reinterpret_cast<const char*>(event.payload.data), event.payload.size);
      REQUIRE(std::stoull(text) == event.position);
      if ((event.flags & BP_EVENT_LOSSLESS) != 0) kept.push_back(event.position);
      for (const EventLog::PatternId id : event.patterns) ++matched[id];
      reader.release();
    }
  }

  EventLog& log;
  EventLog::Reader reader;
  const bool lossless;
  std::uint64_t position = 0;
  std::uint64_t lost = 0;
  std::map<EventLog::PatternId, std::uint64_t> matched;
  std::vector<std::uint64_t> kept;
};

Put put(EventLog& log, std::string_view name, bool lossless, std::size_t size = 20) {
  std::string text = std::to_string(log.end());
  text.insert(0, size > text.size() ? size - text.size() : 0, '0');
  return log.put(name, bytes_of(text), lossless ? std::uint32_t{BP_EVENT_LOSSLESS} : 0);
}

/// What an emitter does: when it is blocked, it waits. `attempt`: it goes on to wait; else it gives up at once.
bp_status offer(Bus& bus, std::string_view name, std::string_view text, EmitTry* attempt = nullptr) {
  EmitTry own;
  EmitTry& used = attempt == nullptr ? own : *attempt;
  const bp_status status = bus.bus.emit_lossless(name, bytes_of(text), 0, used);
  if (attempt != nullptr && status == BP_WOULD_BLOCK) bus.bus.waits(used);
  if (attempt == nullptr) bus.bus.leave(used);
  return status;
}

}  // namespace

TEST_CASE("an event that must not be lost stays in the log when it overflows") {
  EventLog log({64 << 10, 4096});
  log.subscribe("*");
  Checked slow(log, true);
  REQUIRE(put(log, "a.b", true) == Put::ok);
  for (int i = 0; i < 10'000; ++i) REQUIRE(put(log, "a.b", false) == Put::ok);
  REQUIRE(put(log, "a.b", true) == Put::ok);
  const std::uint64_t middle = log.end() - 1;
  for (int i = 0; i < 10'000; ++i) REQUIRE(put(log, "a.b", false) == Put::ok);
  CHECK(log.bytes() <= 64 << 10);
  slow.read(UINT64_MAX);
  CHECK(slow.kept == std::vector<std::uint64_t>{0, middle});
  CHECK(slow.lost > 15'000);
  CHECK(slow.position == log.end());
  CHECK(slow.matched.begin()->second == log.end());
}

TEST_CASE("what must not be lost takes at most half of the log, and other events always find room") {
  for (const bool small : {false, true}) {
    EventLog log(small ? EventLogOptions{64 << 10, 1 << 20} : EventLogOptions{8 << 20, 1024});
    log.subscribe("*");
    Checked slow(log, true);
    std::uint64_t kept = 0;
    while (put(log, "a.b", true) == Put::ok) ++kept;
    CHECK(kept >= (small ? 200u : 256u));
    CHECK(log.bytes() <= (small ? 32u << 10 : 4u << 20));
    CHECK_FALSE(log.has_room({100, 1}));
    for (int i = 0; i < 5'000; ++i) REQUIRE(put(log, "a.b", false) == Put::ok);
    CHECK(put(log, "a.b", true) == Put::full);
    slow.read(UINT64_MAX);
    CHECK(slow.kept.size() == kept);
    CHECK(log.has_room({100, 1}));
    CHECK(put(log, "a.b", true) == Put::ok);
  }
}

TEST_CASE("without a lossless reader nothing stays, and a large event goes alone") {
  EventLog log({64 << 10, 4096});
  log.subscribe("*");
  Checked plain(log, false);
  for (int i = 0; i < 10'000; ++i) REQUIRE(put(log, "a.b", true) == Put::ok);
  plain.read(UINT64_MAX);
  CHECK(plain.lost > 5'000);
  Checked slow(log, true);
  slow.position = log.end();
  REQUIRE(put(log, "a.b", true, 15'000) == Put::ok);
  CHECK(put(log, "a.b", true, 16'384) == Put::too_large);
  slow.read(1);
  CHECK(slow.kept.size() == 1);
  log.remove_lossless(slow.reader);
  for (int i = 0; i < 10'000; ++i) REQUIRE(put(log, "a.b", true) == Put::ok);
}

TEST_CASE(
    "in any order of events and readers, each reader gets or is told of each event, and loses none that it must not") {
  std::mt19937 random(GENERATE(1u, 2u, 3u, 4u, 5u, 6u));
  EventLog log({64 << 10, 512});
  const auto all = log.subscribe("*").pattern;
  const auto some = log.subscribe("a.*").pattern;
  std::vector<std::unique_ptr<Checked>> readers;
  for (const bool lossless : {true, false, true}) readers.push_back(std::make_unique<Checked>(log, lossless));
  std::vector<std::uint64_t> accepted;
  std::uint64_t of_a = 0;
  std::uint64_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::uint32_t what = random() % 100;
    if (what < 90) {
      const bool lossless = random() % 8 == 0;
      const bool a = random() % 2 == 0;
      const Put done = put(log, a ? "a.b" : "c.d", lossless, 20 + random() % 200);
      if (lossless && done == Put::full) {
        ++refused;
        continue;
      }
      REQUIRE(done == Put::ok);
      if (lossless) accepted.push_back(log.end() - 1);
      of_a += a ? 1 : 0;
    } else {
      Checked& reader = *readers[random() % readers.size()];
      reader.read(random() % (what == 99 ? 100 : 16));
    }
    REQUIRE(log.bytes() <= 64 << 10);
  }
  CHECK(refused != 0);
  for (auto& reader : readers) {
    reader->read(UINT64_MAX);
    CHECK(reader->position == log.end());
    CHECK(reader->matched[all] == log.end());
    CHECK(reader->matched[some] == of_a);
    if (reader->lossless) CHECK(reader->kept == accepted);
    CHECK(reader->lost != 0);
  }
}

TEST_CASE("an emitter waits for a lossless listener, and for no other") {
  Bus bus(EventLogOptions{64 << 10, 4096});
  bus.bus.listen({"a.*", Bus::on_event, &bus, "lossless", false, true, {100, false}});
  CHECK(offer(bus, "b.c", "it is not for it") == BP_OK);
  REQUIRE(offer(bus, "a.b", std::string(60, 'x')) == BP_OK);
  bus.wait_begun(1);
  EmitTry first;
  EmitTry second;
  CHECK(offer(bus, "a.b", std::string(60, 'x'), &first) == BP_WOULD_BLOCK);
  CHECK(offer(bus, "a.b", "short, but another waits", &second) == BP_WOULD_BLOCK);
  CHECK(offer(bus, "b.c", "it is not for it") == BP_OK);
  CHECK(bus.emit("plain") == BP_OK);
  CHECK(bus.rooms == 0);
  CHECK(bus.bus.report()[0].lossless.waiting == 2);
  CHECK(bus.bus.report()[0].lossless.on_the_way == 63);
  bus.allow(2);
  while (bus.rooms == 0) std::this_thread::yield();
  CHECK(offer(bus, "a.b", "short, but not its turn", &second) == BP_WOULD_BLOCK);
  CHECK(offer(bus, "a.b", std::string(60, 'x'), &first) == BP_OK);
  CHECK(offer(bus, "a.b", std::string(5'000, 'x'), &second) == BP_WOULD_BLOCK);  // it goes alone
  bus.allow(2);
  while (offer(bus, "a.b", std::string(5'000, 'x'), &second) == BP_WOULD_BLOCK) std::this_thread::yield();
  bus.wait_begun(4);
  const auto reports = bus.bus.report();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].lossless.is_lossless);
  CHECK(reports[0].lossless.waiting == 0);
  CHECK(reports[0].lost == 0);
  bus.end();
}

TEST_CASE("emitters that wait for one listener take turns, whatever the sizes of their events") {
  Bus bus(EventLogOptions{64 << 10, 4096});
  bus.bus.listen({"a.*", Bus::on_event, &bus, "slow", false, true, {1'000, false}});
  constexpr std::size_t sizes[] = {10, 700, 300, 1'500};
  EmitTry attempts[4];
  int emitted[4] = {};
  bus.allow(1'000'000);
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t i = static_cast<std::size_t>(round) % 4;
    if (offer(bus, "a.b", std::string(sizes[i], 'x'), &attempts[i]) == BP_OK) ++emitted[i];
    std::this_thread::yield();
    // Nobody is two turns ahead of one that has waited all the time.
    for (const int mine : emitted) {
      for (const int other : emitted) REQUIRE(mine <= other + 4);
    }
  }
  CHECK(emitted[3] > 10);
  for (EmitTry& each : attempts) bus.bus.leave(each);
  bus.end();
}

TEST_CASE("a lossless listener loses nothing beside events that nobody waits for") {
  const bool own_thread = GENERATE(false, true);
  CAPTURE(own_thread);
  Bus bus(EventLogOptions{64 << 10, 256});
  bus.bus.listen({"a.*", Bus::on_event, &bus, "lossless", own_thread, true, {4096, false}});
  std::vector<std::string> sent;
  int waits = 0;
  std::uint64_t all = 300;
  for (int i = 0; i < 300; ++i) {
    for (int k = 0; k < (i % 10 == 0 ? 600 : 2); ++k) {
      REQUIRE(bus.bus.emit("a.plain", bytes_of("plain"), 0) == BP_OK);
      ++all;
    }
    sent.push_back("lossless " + std::to_string(i));
    for (EmitTry attempt;;) {
      const int before = bus.rooms;
      const bp_status done = offer(bus, "a.b", sent.back(), &attempt);
      if (done == BP_OK) break;
      REQUIRE(done == BP_WOULD_BLOCK);
      ++waits;
      for (int spent = 0; bus.rooms == before; ++spent) {
        REQUIRE(spent < 100'000);
        bus.allow(10);
        std::this_thread::yield();
      }
    }
  }
  bus.allow(1'000'000);
  const auto done = [&] {
    const auto report = bus.bus.report()[0];
    return report.behind == 0 && report.delivered + report.lost == all;
  };
  while (!done()) std::this_thread::yield();
  CHECK(waits != 0);
  CHECK(bus.bus.report()[0].lost != 0);
  CHECK(bus.bus.report()[0].lossless.is_lossless);
  bus.end();
  std::vector<std::string> got;
  for (const std::string& text : bus.got) {
    if (text.starts_with("lossless")) got.push_back(text);
  }
  CHECK(got == sent);
}

TEST_CASE("with credit by hand, what is delivered counts until it is credited") {
  Bus bus(EventLogOptions{64 << 10, 4096});
  bus.allow(1'000'000);
  const auto id = bus.bus.listen({"a.*", Bus::on_event, &bus, "by hand", false, true, {100, true}});
  const std::string text(60, 'x');
  REQUIRE(offer(bus, "a.b", text) == BP_OK);
  bus.wait_begun(1);
  EmitTry attempt;
  CHECK(offer(bus, "a.b", text, &attempt) == BP_WOULD_BLOCK);
  CHECK(bus.rooms == 0);
  CHECK(bus.bus.credit(id, 0) == BP_OK);
  CHECK(bus.rooms == 0);
  CHECK(bus.bus.credit(id, 63) == BP_OK);
  CHECK(bus.rooms == 1);
  CHECK(offer(bus, "a.b", text, &attempt) == BP_OK);
  CHECK(bus.bus.credit(id, UINT64_MAX) == BP_OK);
  CHECK(offer(bus, "a.b", text) == BP_OK);
  CHECK(bus.bus.credit(id + 1, 1) == BP_INVALID_HANDLE);
  const auto plain = bus.bus.listen({"a.*", Bus::on_event, &bus, "plain", false});
  CHECK(bus.bus.credit(plain, 1) == BP_INVALID_ARGUMENT);
  CHECK(bus.bus.unlisten(id));
  CHECK(offer(bus, "a.b", text) == BP_OK);
  bus.end();
}

TEST_CASE("a lossless listener that takes nothing while an emitter waits is given up") {
  Bus bus(EventLogOptions{64 << 10, 4096});
  bus.bus.listen({"a.*", Bus::on_event, &bus, "stalls", false, true, {100, false}});
  const std::string text(90, 'x');
  REQUIRE(offer(bus, "a.b", text) == BP_OK);
  bus.wait_begun(1);
  const Nanos begin = now();
  bp_status done = BP_WOULD_BLOCK;
  EmitTry attempt;
  while ((done = offer(bus, "a.b", text, &attempt)) == BP_WOULD_BLOCK) std::this_thread::yield();
  CHECK(done == BP_OK);
  CHECK(now() - begin >= stall);
  CHECK(bus.rooms != 0);
  CHECK_FALSE(bus.bus.report()[0].lossless.is_lossless);
  for (int i = 0; i < 10'000; ++i) REQUIRE(offer(bus, "a.b", text) == BP_OK);
  bus.end();
  const auto report = bus.bus.report()[0];
  CHECK(report.lost != 0);
  CHECK(report.delivered + report.lost == 10'002);
}

TEST_CASE("a log that is full of what others have not read blocks an emitter until they read on, or stall") {
  Bus bus(EventLogOptions{64 << 10, 256});
  bus.bus.listen({"a.*", Bus::on_event, &bus, "slow", false, true, {1 << 20, false}});
  int sent = 0;
  while (offer(bus, "a.b", "x") == BP_OK) ++sent;
  CHECK(sent >= 32);
  CHECK(sent <= 256);
  bus.bus.listen({"c.*", Bus::on_event, &bus, "other", false, true, {1 << 20, false}});
  EmitTry other;
  CHECK(offer(bus, "c.d", "x", &other) == BP_WOULD_BLOCK);
  CHECK(bus.rooms == 0);
  bus.allow(sent);
  while (bus.rooms == 0) std::this_thread::yield();
  CHECK(offer(bus, "c.d", "x", &other) == BP_OK);
  bus.allow(1);
  while (bus.bus.report()[0].behind != 0 || bus.bus.report()[1].behind != 0) std::this_thread::yield();
  while (offer(bus, "a.b", "x") == BP_OK) {
  }
  const Nanos begin = now();
  EmitTry attempt;
  while (offer(bus, "a.b", "x", &attempt) == BP_WOULD_BLOCK) std::this_thread::yield();
  CHECK(now() - begin >= stall / 2);
  bus.end();
}

TEST_CASE("the time in which nobody waits is no stall") {
  Bus bus(EventLogOptions{64 << 10, 4096});
  bus.bus.listen({"a.*", Bus::on_event, &bus, "idle", false, true, {100, false}});
  const std::string text(90, 'x');
  REQUIRE(offer(bus, "a.b", text) == BP_OK);
  bus.wait_begun(1);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(offer(bus, "a.b", text) == BP_WOULD_BLOCK);
    std::this_thread::sleep_for(std::chrono::nanoseconds(stall * 2 / 3));
  }
  CHECK(bus.bus.report()[0].lossless.is_lossless);
  bus.end();
}

TEST_CASE("a listener that was given up gets events as any other, beside one that is lossless") {
  Bus bus(EventLogOptions{64 << 10, 4096});
  std::atomic<int> marked{0};
  std::atomic<int> all{0};
  struct Seen {
    std::atomic<int>& marked;
    std::atomic<int>& all;
  } seen{marked, all};
  const bp_event_fn counts = [](void* user, const bp_event* event) {
    auto& to = *static_cast<Seen*>(user);
    if ((event->flags & BP_EVENT_LOSSLESS) != 0) ++to.marked;
    ++to.all;
  };
  const auto stalls = bus.bus.listen({"a.*", counts, &seen, "stalls", false, true, {100, true}});
  const std::string text(60, 'x');
  bus.allow(1'000'000);
  bus.bus.listen({"a.*", Bus::on_event, &bus, "healthy", false, true, {1 << 20, false}});
  REQUIRE(offer(bus, "a.b", text) == BP_OK);
  EmitTry attempt;
  while (offer(bus, "a.b", text, &attempt) == BP_WOULD_BLOCK) std::this_thread::yield();
  while (all != 2) std::this_thread::yield();
  const int before = marked;
  for (int i = 0; i < 100; ++i) REQUIRE(offer(bus, "a.b", text) == BP_OK);
  while (all != 102) std::this_thread::yield();
  CHECK(marked == before);
  CHECK(bus.bus.credit(stalls, 1) == BP_OK);
  CHECK(bus.bus.counts().given_up == 1);
  CHECK(bus.bus.counts().blocked != 0);
  bus.end();
}
