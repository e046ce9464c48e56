// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "event/event_log.hpp"
#include "sync/clock.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// The listeners of one context for which emitters may wait, and how much is on its way to each.
///
/// An event of such an emitter is appended only if each of them that it is for has room in its window, and the log can
/// keep it until they have read it. A listener that takes nothing for `stall` while an emitter waits for it is given
/// up: it is like any other from then on.
class LosslessListeners {
 public:
  /// `tell_room`: emitters that found no room may try again. It is called with a lock held, on any thread.
  LosslessListeners(EventLog& log, Nanos stall, std::function<void()> tell_room)
      : log_(log), stall_(stall), tell_room_(std::move(tell_room)) {}
  LosslessListeners(const LosslessListeners&) = delete;
  LosslessListeners& operator=(const LosslessListeners&) = delete;

  struct Options {
    std::uint64_t window_bytes = std::uint64_t{1} << 20;  ///< names and payloads that may be on their way
    bool by_hand = false;                                 ///< credit() says what is done with, and not taken()
  };

  // ---- Any thread ----
  /// From the next event on. `reader` reads for the listener. Throws std::bad_alloc.
  void add(std::uint64_t id, EventLog::PatternId pattern, EventLog::Reader& reader, const Options& options);
  /// Does nothing if it is not there.
  void remove(std::uint64_t id) noexcept;
  void clear() noexcept;
  /// Whether an emitter can have to wait. Takes no lock.
  bool any() const noexcept { return active_.load(std::memory_order_relaxed) != 0; }
  std::uint64_t stall_ms() const noexcept { return stall_ / nanos_per_ms; }
  /// Whether it is there, and not given up.
  bool is_lossless(std::uint64_t id);

  struct Offer {
    EventLog::Put put = EventLog::Put::full;  ///< full: a listener, or the log, has no room
    std::vector<std::uint64_t> given_up;      ///< listeners, now
  };
  /// Appends the event if all that must not lose it have room. Throws std::bad_alloc.
  Offer offer(std::string_view name, bp_bytes payload, std::uint32_t flags);
  /// The listener is done with so many bytes.
  bp_status credit(std::uint64_t id, std::uint64_t bytes);

  // ---- The thread of a reader, when it has released an event ----
  void released(const EventLog::Reader& reader, const EventLog::Reader::Event& event) {
    if ((event.flags & BP_EVENT_LOSSLESS) != 0) taken(reader, event);
    look_for_room();
  }
  /// No event reaches the reader any more.
  void ends(EventLog::Reader& reader) noexcept;

 private:
  struct Listener {
    EventLog::PatternId pattern;
    EventLog::Reader* reader;  // null: it is given up
    Options options;
    std::uint64_t first;           // events before this position are not for it
    std::uint64_t on_the_way = 0;  // bytes
    Nanos blocks_since = 0;        // when an emitter first found no room, since it last took something; 0: none did
    bool wanted = false;           // an emitter waits for room
    bool fits(std::uint64_t size) const noexcept {
      return on_the_way == 0 || (!wanted && on_the_way + size <= options.window_bytes);
    }
  };

  bool blocks(Listener& listener, Nanos time) BP_REQUIRES(mutex_);
  void give_up(Listener& listener) noexcept BP_REQUIRES(mutex_);
  void take(Listener& listener, std::uint64_t bytes) BP_REQUIRES(mutex_);
  void taken(const EventLog::Reader& reader, const EventLog::Reader::Event& event);
  void look_for_room();

  EventLog& log_;
  const Nanos stall_;
  const std::function<void()> tell_room_;
  Mutex mutex_;                                                        // locked before the log's
  std::map<std::uint64_t, Listener> listeners_ BP_GUARDED_BY(mutex_);  // by id
  std::atomic<std::size_t> active_{0};                                 // written with mutex_ held
  std::atomic<std::uint64_t> wanted_room_{0};  // bytes that an emitter waits for in the log; 0: none waits for it
};

}  // namespace backplane::host
