// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "event/pattern_table.hpp"
#include "sync/adaptive_spin.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// How much of the past an EventLog keeps for readers that are behind, and what it does beyond that.
struct EventLogOptions {
  std::uint64_t bytes = std::uint64_t{8} << 20;
  std::uint32_t events = 65'536;
  /// false: the oldest events are dropped. true: new events are refused, and all that were accepted are read.
  bool refuses = false;
  std::uint32_t patterns = PatternTable::most;  ///< different ones of listeners
  bool operator==(const EventLogOptions&) const = default;
};

/// The events of one context, in the order of emission, until all readers have read them.
///
/// Any thread appends; a mutex is locked among emitters only. The events lie in segments. When the log has reached its
/// bound, the oldest segment leaves it, whether or not it is read. A reader that stands in that segment still reads it
/// to its end; its next events are lost, and it is told so by a gap. So the memory is bounded by the log's options, one
/// segment for each reader and one spare, and no reader ever holds an emitter.
///
/// Events that must not be lost are an exception: put_lossless() appends one only if the log can keep it until each
/// lossless reader has read it. A segment with such events stays in the log, and what lies around it may leave. At most
/// half of the log's bound is kept in this way, so other events always find room.
///
/// Only events that match a listener's pattern are kept.
class EventLog {
 public:
  using PatternId = PatternTable::Id;
  class Reader;

  explicit EventLog(const EventLogOptions& options);
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;
  /// No reader may exist.
  ~EventLog();

  // ---- Emitters: any thread ----

  enum class Put { ok, unheard, full, too_large, closed, no_memory };
  /// What an event needs of the log.
  struct Need {
    std::uint32_t bytes = 0;
    std::uint32_t patterns = 0;  ///< how many it matches
  };
  /// Appends an event. Never waits for a reader. With BP_EVENT_TYPED in `flags`, wraps the payload into the map of a
  /// typed event. `unheard`: no listener's pattern matches, so nothing was appended. `full` sets `need`, if given.
  Put put(std::string_view name, bp_bytes payload, std::uint32_t flags, Need* need = nullptr) noexcept;
  /// The same, for an event that no lossless reader may lose. `full`: it has to wait for these readers.
  Put put_lossless(std::string_view name, bp_bytes payload, std::uint32_t flags, Need* need) noexcept {
    return put(name, payload, flags | BP_EVENT_LOSSLESS, need);
  }
  /// Whether there is any pattern. Takes no lock.
  bool is_heard() const noexcept { return heard_.load(std::memory_order_relaxed); }
  /// The size from which on an event is refused as too large, in bytes with its name and head.
  std::uint64_t largest() const noexcept { return options_.bytes / 4; }

  // ---- Patterns: any thread ----

  /// Where a listener begins.
  struct Start {
    PatternId pattern = 0;
    std::uint64_t position = 0;  ///< of the next event
    std::uint64_t matched = 0;   ///< how many events have matched the pattern so far
  };
  /// From now on, events that match are kept. Throws std::bad_alloc, or PatternTable::Full.
  Start subscribe(std::string_view pattern);
  void unsubscribe(PatternId id) noexcept;
  /// Ends all subscriptions. Counts go on.
  void unsubscribe_all() noexcept;
  /// The patterns that match this name. Throws std::bad_alloc.
  void match(std::string_view name, std::vector<PatternId>& out);
  std::vector<PatternId> match(std::string_view name) {
    std::vector<PatternId> out;
    match(name, out);
    return out;
  }
  /// How many events have matched each pattern so far.
  std::vector<std::uint64_t> matched();

  // ---- The owner ----

  /// Refuses new events, and waits until every reader has read all events and looks for more. Returns false after
  /// `timeout`. Not on a reader's thread.
  bool settle(std::chrono::milliseconds timeout);
  /// Accepts events again, after settle().
  void open() noexcept;
  /// Refuses new events forever. Readers get what was appended, then Next::none.
  void close() noexcept;

  /// The position of the next event that is appended. Any thread.
  std::uint64_t end() const noexcept { return put_.load(std::memory_order_acquire); }
  /// Whether the slowest reader has at most half of the bound left to read, in events and in bytes. Any thread.
  bool is_half_empty();
  /// The bytes that the log keeps now, without segments that only a reader still has. Any thread.
  std::uint64_t bytes();

  /// The reader has one lossless listener more, or one less.
  void add_lossless(Reader& reader) noexcept;
  void remove_lossless(Reader& reader) noexcept;
  /// Whether put_lossless(), or put() of a log that refuses, finds room now.
  bool has_room(const Need& need);

 private:
  struct Segment;
  struct Head;

  static Segment* make_segment(std::size_t capacity) noexcept;
  Put roll(std::size_t need, std::uint64_t now_ms) noexcept BP_REQUIRES(mutex_);
  bool makes_room(std::size_t capacity) noexcept BP_REQUIRES(mutex_);
  bool drop(Segment* before) noexcept BP_REQUIRES(mutex_);
  bool drop_oldest() noexcept BP_REQUIRES(mutex_);
  void trim() noexcept BP_REQUIRES(mutex_);
  std::uint64_t lossless_read() const noexcept BP_REQUIRES(mutex_);
  bool tail_takes(std::size_t need) const noexcept BP_REQUIRES(mutex_);
  std::size_t whole_need(const Need& need) const noexcept BP_REQUIRES(mutex_);
  bool can_keep(std::size_t need) const noexcept BP_REQUIRES(mutex_);
  std::vector<std::uint64_t> matched_before(const Segment& segment) const BP_REQUIRES(mutex_);
  bool is_full() noexcept BP_REQUIRES(mutex_);
  std::uint64_t slowest() const noexcept BP_REQUIRES(mutex_);
  bool all_done() const noexcept BP_REQUIRES(mutex_);
  bool advance(Reader& reader) noexcept;
  void tell_settled() noexcept;
  void wake() noexcept;

  const EventLogOptions options_;
  const std::size_t segment_bytes_;
  const std::uint64_t segment_events_;

  Mutex mutex_;  // among emitters; a reader locks it once a segment
  PatternTable patterns_ BP_GUARDED_BY(mutex_);
  Segment* head_ BP_GUARDED_BY(mutex_) = nullptr;  // the oldest; never null
  Segment* tail_ BP_GUARDED_BY(mutex_) = nullptr;  // the one that grows
  Segment* spare_ BP_GUARDED_BY(mutex_) = nullptr;
  // For each pattern: how many events before the head have matched it.
  std::vector<std::uint64_t> matched_before_head_ BP_GUARDED_BY(mutex_);
  std::uint64_t bytes_ BP_GUARDED_BY(mutex_) = 0;   // capacities of the segments from head_ to tail_
  std::uint64_t events_ BP_GUARDED_BY(mutex_) = 0;  // in the segments from head_ to before tail_
  std::size_t next_bytes_ BP_GUARDED_BY(mutex_);    // capacity of the next segment
  std::uint32_t behind_ BP_GUARDED_BY(mutex_) = 0;  // readers in segments that have left the log
  std::vector<Reader*> readers_ BP_GUARDED_BY(mutex_);
  std::uint64_t read_seen_ BP_GUARDED_BY(mutex_) = 0;  // by the slowest reader; read again only when the log seems full
  Condition settled_;
  std::atomic<bool> heard_{false};     // written with mutex_ held
  std::atomic<bool> closed_{false};    // written with mutex_ held
  std::atomic<bool> settling_{false};  // from settle() to open(); written with mutex_ held

  alignas(64) std::atomic<std::uint64_t> put_{0};
  // A futex. The low bit: a reader sleeps, or is about to. The others change with each wake-up, so that a reader that
  // is about to sleep cannot take the bit of a later one for its own.
  alignas(64) std::atomic<std::uint32_t> asleep_{0};
};

/// A place in the log. It begins behind the last event that was appended. One thread uses it, except where said.
class EventLog::Reader {
 public:
  /// `spin`: how long the thread spins at most before it sleeps. Throws std::bad_alloc.
  explicit Reader(EventLog& log, Nanos spin = AdaptiveSpin::usual);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader();

  enum class Next {
    none,   ///< no event; from take(): the log is closed, or the reader was stopped
    event,  ///< event() is the next one; release() goes on to the one behind it
    gap     ///< events were lost before the next one; gap() tells which
  };
  Next look() noexcept;
  /// As look(), but waits for an event.
  Next take() noexcept;

  /// One event, valid until the next look() or take().
  struct Event {
    std::uint64_t position;
    std::uint64_t emitted_ms;  ///< Unix time
    std::uint32_t flags;
    std::string_view name;
    bp_bytes payload;
    std::span<const PatternId> patterns;  ///< those that it matched when it was emitted
  };
  const Event& event() const noexcept { return event_; }
  void release() noexcept;

  /// What was lost, valid until the next look() or take().
  struct Gap {
    std::uint64_t events;    ///< how many, of all patterns
    std::uint64_t since_ms;  ///< when the first of them was emitted, Unix time
    /// For each pattern: the events that had matched it before the gap's end. Empty if memory ran out; the next gap
    /// then has the losses of both.
    std::vector<std::uint64_t> matched;
  };
  const Gap& gap() const noexcept { return gap_; }

  /// Makes take() return Next::none from now on. Any thread.
  void stop() noexcept;

  /// The events before this position are released, or lost. Any thread.
  std::uint64_t position() const noexcept { return position_.load(std::memory_order_acquire); }

 private:
  friend class EventLog;

  // The emitters' counts are read again only when all that was seen is read.
  bool has_more() noexcept {
    const std::uint64_t position = position_.load(std::memory_order_relaxed);
    if (put_seen_ <= position) put_seen_ = log_.end();
    return put_seen_ > position;
  }
  bool is_over() const noexcept {
    return log_.closed_.load(std::memory_order_acquire) || stopped_.load(std::memory_order_acquire);
  }
  void read_event() noexcept;
  void sleep() noexcept;

  EventLog& log_;
  Segment* segment_ = nullptr;  // changed with the log's mutex held
  std::size_t at_ = 0;          // of the next event, in the segment
  std::size_t filled_seen_ = 0;
  std::uint64_t put_seen_ = 0;
  std::size_t event_size_ = 0;
  Event event_{};
  Gap gap_{};
  AdaptiveSpin spin_;
  std::atomic<std::uint64_t> position_{0};
  std::atomic<std::uint64_t> done_{0};  // the position at which it last found no event
  std::atomic<bool> stopped_{false};
  std::uint32_t lossless_ = 0;  // its lossless listeners; guarded by the log's mutex
};

}  // namespace backplane::host
