// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "event/lossless_listeners.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"
#include "request/task_inbox.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// The handlers of one context that wait until a listener, or the log of events, has room for their event. Each place
/// that they wait for has a line. The event bus tells when there is room in a place. Then the first in its line try
/// again, as many as the room may be enough for.
class WaitingEmitters {
 public:
  using Place = std::uint64_t;

  /// `stall`: a listener that takes nothing for so long is given up, when an emitter tries again.
  WaitingEmitters(TaskInbox& inbox, Nanos stall) noexcept : inbox_(inbox), retry_ms_(stall / nanos_per_ms) {}
  WaitingEmitters(const WaitingEmitters&) = delete;
  WaitingEmitters& operator=(const WaitingEmitters&) = delete;

  /// What the bus is told. Set before the first handler runs.
  struct Bus {
    /// An emitter waits. If it is its turn, and there is room by now, the bus calls tell_room(). Request thread.
    std::function<void(const EmitTry&)> waits;
    /// An emitter waits no more. Any thread.
    std::function<void(EmitTry&)> leave;
  };
  void set_bus(Bus bus) { bus_ = std::move(bus); }

  // ---- Any thread ----
  /// There is room for so many bytes.
  void tell_room(Place place, std::uint64_t bytes) noexcept;
  /// The emitter gives up.
  void leave(EmitTry& attempt) const {
    if (attempt.turn != 0) bus_.leave(attempt);
  }
  /// How long to wait at most before the next try.
  std::uint64_t retry_ms() const noexcept { return retry_ms_; }

  // ---- Request thread ----
  /// Lets the waiter wait. False: no memory.
  bool wait(Waiter& waiter, const EmitTry& attempt) BP_REQUIRES(on_request_thread);

 private:
  struct Turn {
    Place place;
    std::uint64_t turn;
    auto operator<=>(const Turn&) const = default;
  };
  struct Waiting {
    Waiter* waiter;
    std::uint64_t size;
  };
  void wake_told() BP_REQUIRES(on_request_thread);
  void wake(Place place, std::uint64_t bytes) BP_REQUIRES(on_request_thread);

  TaskInbox& inbox_;
  const std::uint64_t retry_ms_;
  Bus bus_;
  std::map<Turn, Waiting> waiting_;  // the request thread's
  Mutex mutex_;
  std::map<Place, std::uint64_t> told_ BP_GUARDED_BY(mutex_);  // bytes
  bool told_all_ BP_GUARDED_BY(mutex_) = false;                // there was no memory to note where
  ReusableTask room_{[](void* self) {
                       on_request_thread.assume();
                       static_cast<WaitingEmitters*>(self)->wake_told();
                     },
                     this};
};

}  // namespace backplane::host
