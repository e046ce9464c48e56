// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <cstdint>

#include "ingress/task_queue.hpp"
#include "memory/counted.hpp"
#include "reply/payload.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"
#include "support/window.hpp"
#include "sync/mpsc.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// A partial reply on its way. If bp_request_credit() makes the room, it stays until then, without its payload.
struct Part : Delivery, Counted {
  Part() noexcept : Delivery(true) {}
  Request* request = nullptr;
  std::uint64_t size = 0;
  bool is_read = false;   ///< on_reply runs with it
  bool credited = false;  ///< meanwhile there came credit for it
  Answer answer;
};

/// The parts of one call that are on their way, in both directions. A Request has it from its first part on.
struct Stream : Counted {
  explicit Stream(Request& of) noexcept : request(of) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  Request& request;
  /// Tasks about it that are not yet applied, and parts not yet delivered. The record is not freed before.
  std::atomic<std::uint32_t> undelivered{0};

  // ---- Partial replies ----
  Window replies;  ///< guarded by the lock of the record; when its answer is claimed, no part follows
  // The request thread:
  Fifo<Task> uncredited;        ///< delivered, and still in the window; each is a Part
  std::uint64_t credited = 0;   ///< bytes of the first of these that its receiver is done with
  Waiter* writer = nullptr;     ///< the handler, while it waits for room: a wait suspends all of its fibers
  Stream* open_next = nullptr;  ///< in Source::waiting, while it waits
  Stream** open_link = nullptr;

  // ---- The request, if it comes in parts ----
  struct Input : Counted {
    Input* next = nullptr;
    std::uint64_t size = 0;
    Payload payload;
  };
  bool comes_in_parts = false;       ///< constant once it is submitted
  bp_credit_fn on_credit = nullptr;  ///< likewise
  Mutex mutex;
  Window input BP_GUARDED_BY(mutex);
  Fifo<Input> inputs BP_GUARDED_BY(mutex);
  bool last_came BP_GUARDED_BY(mutex) = false;
  std::uint64_t taken BP_GUARDED_BY(mutex) = 0;  ///< bytes that the handler has taken, and the caller is not told of
  Waiter* reader = nullptr;                      ///< the handler, while it waits for a part; the request thread
  ReusableTask came{wake_reader, this};
  ReusableTask room{tell_room, this};

  /// Request thread: lets the handler go on if it waits for room.
  void wake_writer();

 private:
  static void wake_reader(void* stream);
  static void tell_room(void* stream);
};

}  // namespace backplane::host
