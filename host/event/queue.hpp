// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "sync/adaptive_spin.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// The queue from emitters to the event thread. A ring of slots with room for most names and payloads; larger ones go
/// to the heap. Emitters lock a mutex; the event thread does not. It sleeps only after a time without events.
class EventQueue {
 public:
  static constexpr std::size_t slot_payload = 512;
  static constexpr std::size_t slot_name = 64;

  /// `spin`: how long the event thread spins at most before it sleeps.
  explicit EventQueue(std::uint32_t capacity, Nanos spin = AdaptiveSpin::usual);
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  ~EventQueue();

  enum class Put { ok, full, closed, no_memory };

  /// Copies an event into the queue. Never waits. With BP_EVENT_TYPED in `flags`, wraps the payload into the map of a
  /// typed event. Any thread.
  Put put(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// One event, valid until release().
  struct View {
    std::string_view name;
    bp_bytes payload;
    std::uint32_t flags;
  };
  /// The oldest event, or nullopt. Event thread.
  std::optional<View> look() noexcept;
  /// Waits for an event and returns the oldest. Returns nullopt when the queue is closed and empty. Event thread.
  std::optional<View> take() noexcept;
  /// Frees the slot of the last look() or take(). Event thread.
  void release() noexcept;

  /// Refuses new events, and waits until all queued events are delivered and the event thread calls take() again.
  /// Returns false after `timeout`. Not on the event thread.
  bool settle(std::chrono::milliseconds timeout);

  /// Accepts events again, after settle().
  void open() noexcept;

  /// Refuses new events forever. Queued events can still be taken.
  void close();

  /// The number of queued events, including one that is taken but not released.
  std::uint32_t size() const noexcept;
  std::uint32_t capacity() const noexcept { return capacity_; }

 private:
  struct Slot {
    std::uint32_t flags;
    std::uint32_t name_size;
    std::size_t payload_size;
    std::uint8_t* heap;  // name and payload, if they do not fit below
    char name[slot_name];
    std::uint8_t payload[slot_payload];
  };

  static bool fill(Slot& slot, std::string_view name, bp_bytes payload, std::uint32_t flags);
  bool is_full() noexcept BP_REQUIRES(mutex_);
  bool has_event() noexcept;
  void tell_settled() noexcept;
  void sleep() noexcept;
  void wake() noexcept;
  // The next place in the ring, without a division.
  std::uint32_t after(std::uint32_t place) const noexcept { return place + 1 == capacity_ ? 0 : place + 1; }

  const std::uint32_t capacity_;
  // Emitters own a slot until `put_` counts it. Then the event thread owns it until `released_` counts it.
  const std::unique_ptr<Slot[]> slots_;

  Mutex mutex_;  // among emitters
  std::uint32_t next_in_ BP_GUARDED_BY(mutex_) = 0;
  std::uint64_t released_seen_ BP_GUARDED_BY(mutex_) = 0;  // read again only when the ring seems full
  alignas(64) std::atomic<std::uint64_t> put_{0};
  std::atomic<bool> closed_{false};    // written with mutex_ held
  std::atomic<bool> settling_{false};  // from settle() to open(); written with mutex_ held
  Condition settled_;

  // Only the event thread writes these.
  alignas(64) std::atomic<std::uint64_t> released_{0};
  std::atomic<std::uint64_t> done_{0};  // value of released_ when the event thread last found no event
  std::uint64_t put_seen_ = 0;
  std::uint32_t next_out_ = 0;
  AdaptiveSpin spin_;

  alignas(64) std::atomic<std::uint32_t> asleep_{0};
};

}  // namespace backplane::host
