// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>

#include "request/loop_counts.hpp"
#include "request/request_thread.hpp"
#include "request/stream.hpp"
#include "request/task_inbox.hpp"

namespace backplane::host {

/// The parts of the calls of one context: how much may be on its way, who waits for room, and who for a part.
///
/// What is on its way counts in a Window. Partial replies leave it when their receiver has taken them; then a handler
/// that waits for room goes on. Parts of a request leave it when the handler has taken them; then the caller is told.
class Streams {
 public:
  Streams(const LoopOptions& options, TaskInbox& inbox, LoopCounts& counts) noexcept
      : window_bytes_(options.window_bytes),
        window_parts_(options.window_parts),
        request_window_bytes_(options.request_window_bytes),
        request_window_parts_(options.request_window_parts),
        inbox_(inbox),
        counts_(counts) {}
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  // ---- Any thread, with the record locked or not yet armed ----
  /// The request's stream; a new one if it had none. Null if memory cannot be had.
  Stream* of(Request& request) const noexcept;
  /// Sets up the stream of a call that asks for more than the default. False: no memory.
  bool begin(Request& request, const bp_submission& submission) const noexcept {
    request.credited_by_hand = (submission.flags & BP_SUBMIT_CREDIT) != 0;
    const std::uint64_t beyond_default =
        (submission.flags & BP_SUBMIT_PARTS) | submission.window_bytes | submission.window_parts;
    return beyond_default == 0 || begin_stream(request, submission);
  }
  /// Takes room for a partial reply. False: its receiver is not ready for it.
  bool reserve(const Request& request, Stream& stream, std::uint64_t size) noexcept;

  // ---- Any thread ----
  /// Behind bp_request_credit() and bp_request_part().
  bp_status credit(Request& request, bp_token token, std::uint64_t bytes);
  bp_status receive(Request& request, bp_token token, bp_bytes payload, std::uint32_t flags);
  /// If the calling thread owns the record, gives that up: what follows locks it, and would take long.
  static void disown_running(Request& request, bp_token token) noexcept;

  // ---- The thread that runs the handler ----
  /// Takes the next part of the request: BP_PARTIAL, and `out` has it; BP_OK: no part follows; BP_WOULD_BLOCK: it has
  /// not come yet.
  bp_status take(Request& request, Payload& out);

  // ---- Request thread ----
  /// Around the delivery of a partial reply. The end frees it, or leaves it until there is credit for it.
  static void delivers(Part& part) noexcept BP_REQUIRES(on_request_thread);
  static void delivered(Part& part) BP_REQUIRES(on_request_thread);
  /// Frees what came for a handler that will not run.
  static void drop_input(Request& request) noexcept BP_REQUIRES(on_request_thread);
  /// Lets the waiter wait until a part of `size` bytes may be sent, unless it may be sent now: false.
  bool wait_for_room(Waiter& waiter, std::uint64_t size) BP_REQUIRES(on_request_thread);
  /// Lets the waiter wait for the next part of its request, unless there is one: false.
  bool wait_for_part(Waiter& waiter) BP_REQUIRES(on_request_thread);

 private:
  bool begin_stream(Request& request, const bp_submission& submission) const noexcept;
  static bool source_takes(const Request& request, std::uint64_t size) noexcept;
  static void make_room(Stream& stream, std::uint64_t parts, std::uint64_t bytes) BP_REQUIRES(on_request_thread);
  static void use_credit(Stream& stream, std::uint64_t bytes) BP_REQUIRES(on_request_thread);
  static bool send(Stream& stream, ReusableTask& task, TaskInbox& inbox) noexcept;

  const std::uint64_t window_bytes_;
  const std::uint64_t window_parts_;
  const std::uint64_t request_window_bytes_;
  const std::uint64_t request_window_parts_;
  TaskInbox& inbox_;
  LoopCounts& counts_;
};

}  // namespace backplane::host
