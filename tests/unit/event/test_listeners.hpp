// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "event/listeners.hpp"
#include "support/views.hpp"

namespace event_test {

using namespace backplane::host;

/// A listener that runs a function; `id` is what its event said.
struct Heard {
  std::function<void(const bp_event&)> act;
  std::vector<std::string> names;
  std::uint64_t id = 0;

  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Heard*>(user);
    self.names.emplace_back(view(event->name));
    self.id = event->listener.id;
    if (self.act) self.act(*event);
  }
};

/// Listeners with their patterns and positions, as the event bus has them.
class TestListeners : public Listeners {
 public:
  std::uint64_t add(std::string_view pattern, bp_event_fn on_event, void* user) {
    const auto start = [&] {
      const std::lock_guard lock(mutex_);
      const auto id = patterns_.add(pattern);
      return EventLog::Start{id, position_, patterns_.matched()[id]};
    };
    return Listeners::add({pattern, on_event, user, {}, false}, start, [](const EventLog::Start&) {});
  }
  bool remove(std::uint64_t id) {
    EventLog::PatternId pattern = 0;
    if (!Listeners::remove(id, pattern)) return false;
    const std::lock_guard lock(mutex_);
    patterns_.remove(pattern);
    return true;
  }
  void call(std::string_view name, Heartbeat* heartbeat = nullptr) {
    static const std::uint8_t nothing = 0;
    bp_event event{};
    event.struct_size = sizeof event;
    event.name = str(name);
    event.payload = {&nothing, 0};
    std::vector<EventLog::PatternId> ids;
    std::uint64_t position = 0;
    {
      const std::lock_guard lock(mutex_);
      const auto matched = patterns_.match(name);
      patterns_.count(matched, counts_);
      ids.assign(matched.begin(), matched.end());
      position = position_++;
    }
    Listeners::call(event, ids, position, heartbeat);
  }
  void call_now(std::string_view name) {
    bp_event event{};
    event.struct_size = sizeof event;
    event.name = str(name);
    std::vector<EventLog::PatternId> ids;
    {
      const std::lock_guard lock(mutex_);
      const auto matched = patterns_.match(name);
      ids.assign(matched.begin(), matched.end());
    }
    Listeners::call_now(event, ids);
  }
  void tell_gap(std::uint64_t since_ms) {
    std::vector<std::uint64_t> matched;
    {
      const std::lock_guard lock(mutex_);
      matched = patterns_.matched();
    }
    Listeners::tell_gap({0, since_ms, matched});
  }
  /// An event that leaves the log unread.
  void lose(std::string_view name) {
    const std::lock_guard lock(mutex_);
    patterns_.count(patterns_.match(name), counts_);
    ++position_;
  }

 private:
  std::mutex mutex_;
  PatternTable patterns_;
  PatternCounts counts_;
  std::uint64_t position_ = 0;
};

inline std::uint64_t add(TestListeners& listeners, std::string_view pattern, Heard& heard) {
  return listeners.add(pattern, Heard::on_event, &heard);
}

inline void call(TestListeners& listeners, std::string_view name) { listeners.call(name); }

}  // namespace event_test
