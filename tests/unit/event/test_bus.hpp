// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "event/bus.hpp"
#include "support/views.hpp"

namespace event_test {

using namespace backplane::host;

inline constexpr WatchdogOptions rarely{3'600'000 * nanos_per_ms, 3'600'000 * nanos_per_ms, 0};
inline constexpr Nanos stall = 300 * nanos_per_ms;

inline EventLogOptions refusing(std::uint32_t events) { return {EventLogOptions().bytes, events, true}; }

inline bp_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// A bus whose listener waits until it is let on, and notes what it got.
struct Bus {
  explicit Bus(std::uint32_t capacity) : Bus(refusing(capacity)) {}
  explicit Bus(const EventLogOptions& options)
      : bus(options, watchdog,
            {[this](bool stuck) {
               const std::lock_guard lock(mutex);
               told.push_back(stuck);
             },
             [this](std::uint64_t, std::uint64_t) { ++rooms; }},
            stall),
        thread([this] { bus.run(); }) {}
  ~Bus() { end(); }

  void end() {
    if (!thread.joinable()) return;
    allow(1'000'000);
    bus.close();
    thread.join();
  }
  void listen() { bus.listen({"*", on_event, this, "test", false}); }
  bp_status emit(std::string_view text) { return bus.emit("a.b", bytes_of(text), 0); }
  void allow(int more) {
    const std::lock_guard lock(mutex);
    allowed += more;
    changed.notify_all();
  }
  /// Waits until the listener has been in `count` events.
  void wait_begun(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return got.size() >= count; });
  }
  std::vector<bool> told_so_far() {
    const std::lock_guard lock(mutex);
    return told;
  }
  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Bus*>(user);
    std::unique_lock lock(self.mutex);
    self.got.emplace_back(reinterpret_cast<const char*>(event->payload.data), event->payload.size);
    self.changed.notify_all();
    self.changed.wait(lock, [&] { return self.allowed > 0; });
    --self.allowed;
  }

  std::mutex mutex;
  std::condition_variable changed;
  int allowed = 0;
  std::vector<std::string> got;
  std::vector<bool> told;
  std::atomic<int> rooms{0};  // how often it was told that there may be room
  Watchdog watchdog{rarely};
  EventBus bus;
  std::thread thread;
};

}  // namespace event_test
