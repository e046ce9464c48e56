// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "support/mutex.hpp"

namespace backplane {

/// Events on their way from emitters to the event thread: a ring of slots that are used again and
/// again, with room for most names and payloads; larger ones go to the heap.
class EventQueue {
 public:
  static constexpr std::size_t slot_payload = 512;
  static constexpr std::size_t slot_name = 64;

  explicit EventQueue(std::uint32_t capacity);
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  ~EventQueue();

  enum class Put { ok, full, closed, no_memory };

  /// Copies an event in; never waits. With `typed`, wraps the payload into the map that
  /// BP_EVENT_TYPED promises. Any thread.
  Put put(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// One event, valid until release().
  struct View {
    std::string_view name;
    bp_bytes payload;
    std::uint32_t flags;
  };
  /// Waits for the oldest event; nullopt once the queue is closed and empty. Event thread.
  std::optional<View> take();
  /// Gives the slot of the last take() back. Returns how many still wait.
  std::uint32_t release();

  /// Refuses new events, and waits until what has been queued is given out and done with: until the next take().
  /// False at the timeout. Any thread but the event thread.
  bool settle(std::chrono::milliseconds timeout);

  /// Takes events again, after settle().
  void open() noexcept;

  /// Refuses new events, for good. What has been queued can still be taken.
  void close();

  std::uint32_t size();
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

  const std::uint32_t capacity_;
  Mutex mutex_;
  Condition changed_;
  Condition settled_;
  std::unique_ptr<Slot[]> slots_ BP_GUARDED_BY(mutex_);  // but for the slot that take() gave out
  std::uint32_t first_ BP_GUARDED_BY(mutex_) = 0;
  std::uint32_t count_ BP_GUARDED_BY(mutex_) = 0;
  bool out_ BP_GUARDED_BY(mutex_) = false;       // one is given out, or what follows on it is not done yet
  bool settling_ BP_GUARDED_BY(mutex_) = false;  // from settle() to open()
  bool closed_ BP_GUARDED_BY(mutex_) = false;
};

}  // namespace backplane
