// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "event/event_log.hpp"
#include "sync/clock.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// An emitter that waits for lossless listeners: for what, and since when.
struct EmitTry {
  std::uint64_t waits_for = 0;  ///< the listener that has no room; 0: the log has none
  std::uint64_t turn = 0;       ///< its place in the line there: lower ones come first; 0: in none
  std::uint32_t size = 0;       ///< of the event, there
};

/// The listeners of one context for which emitters may wait, and how much is on its way to each.
///
/// An event of such an emitter is appended only if each of them that it is for has room in its window, and the log can
/// keep it until they have read it. A listener that takes nothing for `stall` while an emitter waits for it is given
/// up: it is like any other from then on.
class LosslessListeners {
 public:
  /// There is room for so many bytes: of a listener, or with 0 of the log. Called with a lock held, on any thread.
  using TellRoom = std::function<void(std::uint64_t listener, std::uint64_t bytes)>;
  LosslessListeners(EventLog& log, Nanos stall, TellRoom tell_room)
      : log_(log), stall_(stall), tell_room_(std::move(tell_room)) {}
  LosslessListeners(const LosslessListeners&) = delete;
  LosslessListeners& operator=(const LosslessListeners&) = delete;

  struct Options {
    std::uint64_t window_bytes = std::uint64_t{1} << 20;  ///< names and payloads that may be on their way
    bool by_hand = false;                                 ///< credit() says what is done with, and not released()
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
  struct Offer {
    EventLog::Put put = EventLog::Put::full;  ///< full: there is no room
    std::vector<std::uint64_t> given_up;      ///< listeners, now
  };
  /// Appends the event if all that must not lose it have room, and no other emitter has waited longer for one of them.
  /// If not, `attempt` is in line for the first that has none; else it is in no line. Throws std::bad_alloc, and then
  /// it is in none either.
  Offer offer(std::string_view name, bp_bytes payload, std::uint32_t flags, EmitTry& attempt);
  /// The emitter leaves its line, if it is in one.
  void leave(EmitTry& attempt) noexcept;
  /// An emitter waits that is in line. Tells room if it is its turn and there is some.
  void waits(const EmitTry& attempt);
  /// The listener is done with so many bytes.
  bp_status credit(std::uint64_t id, std::uint64_t bytes);

  /// What is known of a listener, for the status; not lossless if it is not there or given up.
  struct Report {
    bool is_lossless = false;
    std::uint64_t on_the_way = 0;  ///< bytes
    std::uint64_t waiting = 0;     ///< emitters
  };
  Report report(std::uint64_t id);

  // ---- The thread of a reader, when it has released an event ----
  void released(const EventLog::Reader& reader, const EventLog::Reader::Event& event) {
    if ((event.flags & BP_EVENT_LOSSLESS) != 0) taken(reader, event);
    look_for_room();
  }
  /// No event reaches the reader any more.
  void ends(EventLog::Reader& reader) noexcept;

 private:
  /// Emitters that wait for one place, by their turns.
  struct Line {
    std::map<std::uint64_t, EventLog::Need> waiting;
    /// Whether somebody has waited longer than this one.
    bool is_before(std::uint64_t turn) const noexcept {
      return !waiting.empty() && (turn == 0 || waiting.begin()->first < turn);
    }
  };
  struct Listener {
    std::uint64_t id;
    EventLog::PatternId pattern;
    EventLog::Reader* reader;  // null: it is given up
    Options options;
    std::uint64_t first;           // events before this position are not for it
    std::uint64_t end = 0;         // behind the last event on its way
    std::uint64_t on_the_way = 0;  // bytes
    Line line;
    Nanos blocks_since = 0;  // when an emitter first found no room, since it last took something; 0: none did
    Nanos idle_since = 0;    // since when nobody waits for it, although it has blocked somebody; 0: somebody does

    bool fits(std::uint64_t size) const noexcept {
      return on_the_way == 0 || on_the_way + size <= options.window_bytes;
    }
    bool fits(std::uint64_t size, const EmitTry& attempt) const noexcept {
      return !line.is_before(attempt.waits_for == id ? attempt.turn : 0) && fits(size);
    }
    bool is_unread() const noexcept { return reader->position() < end; }
  };

  template <class F>
  void each_of_patterns(F f) BP_REQUIRES(mutex_);
  bool blocks(Listener& listener, Nanos time, std::vector<std::uint64_t>& given_up) BP_REQUIRES(mutex_);
  bool log_blocks(Nanos time, std::vector<std::uint64_t>& given_up) BP_REQUIRES(mutex_);
  void give_up(Listener& listener) noexcept BP_REQUIRES(mutex_);
  Line* line_of(std::uint64_t id) BP_REQUIRES(mutex_);
  void join(EmitTry& attempt, std::uint64_t id, const EventLog::Need& need) BP_REQUIRES(mutex_);
  void leave_line(EmitTry& attempt) noexcept BP_REQUIRES(mutex_);
  void tell_first(std::uint64_t id) BP_REQUIRES(mutex_);
  void take(Listener& listener, std::uint64_t bytes) BP_REQUIRES(mutex_);
  void taken(const EventLog::Reader& reader, const EventLog::Reader::Event& event);
  void look_for_room();

  EventLog& log_;
  const Nanos stall_;
  const TellRoom tell_room_;
  Mutex mutex_;  // locked before the log's
  std::map<std::uint64_t, Listener> listeners_ BP_GUARDED_BY(mutex_);
  std::vector<std::vector<Listener*>> by_pattern_ BP_GUARDED_BY(mutex_);  // those not given up; index: the pattern's id
  std::vector<EventLog::PatternId> patterns_ BP_GUARDED_BY(mutex_);       // of the event that is offered
  std::atomic<std::size_t> active_{0};                                    // written with mutex_ held
  Line log_line_ BP_GUARDED_BY(mutex_);
  std::uint64_t last_turn_ BP_GUARDED_BY(mutex_) = 0;
  std::atomic<EventLog::Need> log_wish_{};  // of the first in log_line_; 0: there is none. Written with mutex_ held
};

}  // namespace backplane::host
