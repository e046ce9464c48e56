// SPDX-License-Identifier: Apache-2.0
//
// EventBus with listeners that are slow or block: gaps, threads of their own, bounds.
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test_bus.hpp"

using namespace event_test;

namespace {

/// Removes itself in its first event.
struct Once {
  EventBus& bus;
  std::atomic<std::uint64_t> id{0};
  std::atomic<int> heard{0};
  std::atomic<bool> removed{false};
  static void on_event(void* user, const bp_event*) {
    auto& self = *static_cast<Once*>(user);
    ++self.heard;
    while (self.id == 0) std::this_thread::yield();
    self.removed = self.bus.unlisten(self.id);
  }
};

}  // namespace

TEST_CASE("a listener that blocks holds no emitter, and gets a gap in place of what it missed") {
  Bus bus(EventLogOptions{64 << 10, 64});
  bus.listen();
  REQUIRE(bus.emit("0") == BP_OK);
  bus.wait_begun(1);
  for (int i = 1; i < 10'000; ++i) REQUIRE(bus.emit(std::to_string(i)) == BP_OK);
  CHECK(bus.told_so_far().empty());
  const auto reports = bus.bus.report();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].label == "test");
  CHECK(reports[0].behind == 10'000);  // the one it is in has not returned
  bus.end();
  const auto after = bus.bus.report();
  CHECK(after[0].behind == 0);
  CHECK(after[0].delivered + after[0].lost == 10'000);
  CHECK(after[0].delivered + 1 == bus.got.size());  // and one gap
  CHECK(bus.bus.counts().emitted == 10'000);
  CHECK(bus.bus.counts().delivered == after[0].delivered);
  CHECK(bus.bus.counts().lost == after[0].lost);
  CHECK(bus.got.back() == "9999");
  CHECK(bus.bus.counts().refused == 0);
}

TEST_CASE("a listener with a thread of its own delays no other, and gets its own gap") {
  Bus slow(EventLogOptions{64 << 10, 64});
  std::atomic<std::uint64_t> quick{0};
  const bp_event_fn counts = [](void* user, const bp_event* event) {
    if ((event->flags & BP_EVENT_GAP) == 0) ++*static_cast<std::atomic<std::uint64_t>*>(user);
  };
  slow.bus.listen({"*", counts, &quick, "quick", false});
  const auto id = slow.bus.listen({"a.*", Bus::on_event, &slow, "slow", true});
  REQUIRE(slow.emit("0") == BP_OK);
  slow.wait_begun(1);
  for (std::uint64_t i = 1; i < 1'000; ++i) {
    REQUIRE(slow.emit(std::to_string(i)) == BP_OK);
    while (quick != i + 1) std::this_thread::yield();
  }
  slow.allow(1'000'000);
  const auto behind = [&] {
    std::uint64_t sum = 0;
    for (const auto& report : slow.bus.report()) sum += report.behind;
    return sum;
  };
  while (behind() != 0) std::this_thread::yield();
  for (const auto& report : slow.bus.report()) {
    CHECK(report.delivered + report.lost == 1'000);
    CHECK((report.label == "slow" ? report.lost > 0 : report.lost == 0));
  }
  CHECK(slow.bus.unlisten(id));
  CHECK_FALSE(slow.bus.unlisten(id));
  const std::size_t heard = slow.got.size();
  REQUIRE(slow.emit("last") == BP_OK);
  while (quick != 1'001) std::this_thread::yield();
  CHECK(slow.got.size() == heard);
  slow.end();
}

TEST_CASE("a listener with a thread of its own may remove itself, and listeners come and go by the hundred") {
  Bus bus(EventLogOptions{64 << 10, 64});
  for (int i = 0; i < 300; ++i) {
    Once once{bus.bus};
    once.id = bus.bus.listen({"*", Once::on_event, &once, {}, true});
    bus.emit("x");
    bus.emit("y");
    while (bus.bus.listeners() != 0) std::this_thread::yield();
    while (once.heard != 1) std::this_thread::yield();
    const Nanos begin = now();
    CHECK(bus.bus.settle(std::chrono::seconds(10)));  // so that the callback has returned
    CHECK(now() - begin < 5'000 * nanos_per_ms);      // it was told, and did not find out at the end of its time
    bus.bus.renew();
    CHECK(once.heard == 1);
    CHECK(once.removed);
  }
}

TEST_CASE("an event that is too large for the log is refused alone") {
  Bus bus(EventLogOptions{64 << 10, 64});
  bus.listen();
  bus.allow(10);
  CHECK(bus.emit(std::string(20'000, 'x')) == BP_OVERFLOW);
  CHECK(bus.emit("next") == BP_OK);
  CHECK(bus.told_so_far().empty());
  bus.end();
  CHECK(bus.got == std::vector<std::string>{"next"});
  CHECK(bus.bus.counts().refused == 1);
}

TEST_CASE(
    "a bus that refuses waits for a listener with a thread of its own, too, and is told when that has caught up") {
  Bus bus(4);
  const auto id = bus.bus.listen({"*", Bus::on_event, &bus, {}, true});
  CHECK(bus.emit("0") == BP_OK);
  bus.wait_begun(1);
  for (const char* text : {"1", "2", "3"}) CHECK(bus.emit(text) == BP_OK);
  CHECK(bus.emit("refused") == BP_OVERFLOW);
  CHECK(bus.told_so_far() == std::vector<bool>{true});
  bus.allow(1);
  bus.wait_begun(2);  // three left: more than half
  CHECK(bus.told_so_far() == std::vector<bool>{true});
  SECTION("by reading") {
    bus.allow(3);
    while (bus.told_so_far().size() != 2) std::this_thread::yield();
  }
  SECTION("by being removed") {
    std::atomic<bool> removed{false};
    std::thread remover([&] { removed = bus.bus.unlisten(id); });
    while (bus.bus.listeners() != 0) std::this_thread::yield();
    bus.allow(1);  // the removal waits for the callback
    remover.join();
    CHECK(removed);
    while (bus.told_so_far().size() != 2) std::this_thread::yield();
  }
  CHECK(bus.told_so_far() == std::vector<bool>{true, false});
  CHECK(bus.emit("4") == BP_OK);
}

TEST_CASE("a listener with a thread of its own that has gone keeps no part of the log") {
  Bus bus(refusing(100));
  Once once{bus.bus};
  bus.listen();
  bus.allow(1'000'000);
  once.id = bus.bus.listen({"*", Once::on_event, &once, {}, true});
  CHECK(bus.emit("first") == BP_OK);
  CHECK(bus.bus.settle(std::chrono::seconds(10)));  // so that its thread has ended
  CHECK(bus.bus.listeners() == 1);
  bus.bus.renew();
  // Far more bytes than the log may have. They are read as they come.
  const std::string large(100'000, 'x');
  for (int i = 0; i < 300; ++i) {
    REQUIRE(bus.emit(large) == BP_OK);
    while (bus.bus.queued() != 0) std::this_thread::yield();
  }
  CHECK(bus.told_so_far().empty());
}

TEST_CASE("a bus that refuses for its bytes stays so until half of them are read") {
  Bus bus(EventLogOptions{64 << 10, 1'000'000, true});
  bus.listen();
  const std::string large(6'000, 'x');
  while (bus.emit(large) == BP_OK) {
  }
  for (int i = 0; i < 100; ++i) CHECK(bus.emit(large) == BP_OVERFLOW);
  CHECK(bus.told_so_far() == std::vector<bool>{true});
  bus.allow(1);
  bus.wait_begun(2);
  CHECK(bus.told_so_far() == std::vector<bool>{true});
  bus.allow(1'000);
  while (bus.told_so_far().size() != 2) std::this_thread::yield();
  CHECK(bus.emit(large) == BP_OK);
}

TEST_CASE("a listener that comes when its context has stopped does not live on in the next one") {
  Bus bus(EventLogOptions{64 << 10, 64});
  bus.allow(1'000'000);
  CHECK(bus.bus.settle(std::chrono::seconds(10)));
  bus.bus.listen({"*", Bus::on_event, &bus, {}, true});
  bus.bus.rest();
  bus.bus.renew();
  CHECK(bus.bus.listeners() == 0);
  std::atomic<int> heard{0};
  const bp_event_fn counts = [](void* user, const bp_event*) { ++*static_cast<std::atomic<int>*>(user); };
  CHECK(bus.bus.listen({"*", counts, &heard, {}, false}) == 1);
  CHECK(bus.emit("x") == BP_OK);
  CHECK(bus.bus.settle(std::chrono::seconds(10)));
  CHECK(heard == 1);
  CHECK(bus.got.empty());
}

TEST_CASE("an event says when it was emitted, and a gap when the first that is lost was") {
  Bus bus(EventLogOptions{64 << 10, 16});
  struct Times {
    std::mutex mutex;
    bool hold = true;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> lost_and_time;
    static void on_event(void* user, const bp_event* event) {
      auto& self = *static_cast<Times*>(user);
      while (true) {
        const std::lock_guard lock(self.mutex);
        if (!self.hold) break;
      }
      const std::lock_guard lock(self.mutex);
      self.lost_and_time.emplace_back(event->lost, event->emitted_ms);
    }
  } times;
  bus.bus.listen({"*", Times::on_event, &times, {}, false});
  const std::uint64_t begin = unix_ms();
  CHECK(bus.emit("first") == BP_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  const std::uint64_t burst = unix_ms();
  for (int i = 0; i < 100; ++i) CHECK(bus.emit("x") == BP_OK);
  {
    const std::lock_guard lock(times.mutex);
    times.hold = false;
  }
  CHECK(bus.bus.settle(std::chrono::seconds(10)));
  REQUIRE(times.lost_and_time.size() > 10);
  CHECK(times.lost_and_time[0].second >= begin);
  CHECK(times.lost_and_time[0].second < burst);
  for (std::size_t i = 1; i < times.lost_and_time.size(); ++i) CHECK(times.lost_and_time[i].second >= burst);
}

TEST_CASE("a listener with a thread of its own that holds up a refusing log is named") {
  Watchdog watchdog{rarely};
  std::vector<Culprit> told;
  EventBus* the_bus = nullptr;
  EventBus bus(refusing(1), watchdog,
               {[&](bool) { told.push_back(the_bus->stuck_culprit()); }, [](std::uint64_t, std::uint64_t) {}}, stall);
  the_bus = &bus;
  struct Ear {
    std::atomic<bool> inside{false};
    std::atomic<bool> go_on{false};
    static void on_event(void* user, const bp_event*) {
      auto& self = *static_cast<Ear*>(user);
      self.inside = true;
      while (!self.go_on) std::this_thread::yield();
    }
  } ear;
  std::thread thread([&] { bus.run(); });
  const auto id = bus.listen({"a.*", Ear::on_event, &ear, {}, true});
  CHECK(bus.emit("a.held", {nullptr, 0}, 0) == BP_OK);
  while (!ear.inside || bus.queued() != 0) std::this_thread::yield();
  CHECK(bus.emit("a.lost", {nullptr, 0}, 0) == BP_OVERFLOW);
  REQUIRE(told.size() == 1);
  CHECK(told[0].listener == id);
  CHECK(told[0].name == "a.held");
  ear.go_on = true;
  CHECK(bus.settle(std::chrono::seconds(10)));
  bus.close();
  thread.join();
}
