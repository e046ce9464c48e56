// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "request/record.hpp"
#include "request/request_thread.hpp"
#include "request/task_inbox.hpp"

namespace backplane::host {

/// The handlers of one context that wait until its listeners have room for their events. The event bus says when.
class Emitters {
 public:
  /// `stall`: a listener that takes nothing for so long is given up, when an emitter tries again.
  Emitters(TaskInbox& inbox, Nanos stall) noexcept : inbox_(inbox), retry_ms_(stall / nanos_per_ms) {}
  Emitters(const Emitters&) = delete;
  Emitters& operator=(const Emitters&) = delete;

  /// One that waits. It lies on the stack of its handler's thread.
  struct Waiting {
    Waiter* waiter = nullptr;
    Waiting* open_next = nullptr;
    Waiting** open_link = nullptr;
  };

  // ---- Any thread ----
  /// There may be room: all that wait try again.
  void tell_room() noexcept { inbox_.send(room_); }
  /// How often room was told. Read it before a try.
  std::uint64_t told() const noexcept { return told_.load(std::memory_order_acquire); }

  /// How long to wait at most before the next try.
  std::uint64_t retry_ms() const noexcept { return retry_ms_; }

  // ---- Request thread ----
  /// Lets the waiter wait until room is told, unless it was told since `told`: false.
  bool wait(Waiter& waiter, Waiting& waiting, std::uint64_t told) BP_REQUIRES(on_request_thread);

 private:
  void wake_all() BP_REQUIRES(on_request_thread);

  TaskInbox& inbox_;
  const std::uint64_t retry_ms_;
  Waiting* first_ = nullptr;  // the request thread's
  Waiting** last_ = &first_;
  std::atomic<std::uint64_t> told_{0};
  ReusableTask room_{[](void* self) {
                       on_request_thread.assume();
                       static_cast<Emitters*>(self)->wake_all();
                     },
                     this};
};

}  // namespace backplane::host
