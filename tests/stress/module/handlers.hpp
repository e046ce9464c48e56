// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/ext/await.h>
#include <backplane/ext/handle.h>

#include "courier.hpp"

namespace stress {

inline constexpr bp_status module_error = BP_STATUS_MODULE_FIRST + 7;

/// Set by init, constant while there are instances.
extern Shared shared;
extern const bp_await_api* waits;
extern const bp_handle_api* handles;
extern Courier* courier;

using StatePointer = std::shared_ptr<State>;

/// One run of a handler, with what all of them need.
struct Run {
  explicit Run(const bp_call& of) : call(of), state(*static_cast<StatePointer*>(of.state)) {
    if (const auto found = order_of(of.payload.data, of.payload.size)) {
      order = *found;
      state->stats = order.stats;
    } else {
      order.stats = nullptr;
    }
    before = look();
  }
  // A payload is valid until the handler returns, also after suspensions and replies.
  ~Run() {
    if (look() != before) ++shared.board->corrupt;
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  std::uint64_t look() const {
    std::uint64_t sum = 14695981039346656037u;  // FNV-1a over the first 128 bytes and the last one
    const std::size_t size = call.payload.size;
    for (std::size_t i = 0; i < size && i < 128; ++i) sum = (sum ^ call.payload.data[i]) * 1099511628211u;
    return size == 0 ? sum : sum ^ call.payload.data[size - 1];
  }
  bp_handled echo(bool as_buffer = false) const {
    say(shared, call.token, order.mark, BP_OK, call.payload, as_buffer);
    return BP_DONE;
  }
  bp_handled answer(bp_status status) const {
    if (status == BP_OK) return echo();
    say(shared, call.token, order.mark, status, {nullptr, 0}, false);
    return BP_DONE;
  }
  Courier::Job job(Courier::Job::Kind kind) const {
    Courier::Job made;
    made.due = Clock::now() + std::chrono::microseconds(order.delay);
    made.kind = kind;
    made.state = state;
    made.token = call.token;
    made.mark = order.mark;
    made.stats = order.stats;
    made.count = order.count;
    if (call.payload.size != 0) made.payload.assign(call.payload.data, call.payload.data + call.payload.size);
    return made;
  }

  const bp_call& call;
  StatePointer state;
  Order order;
  std::uint64_t before;
};

void nap(std::uint32_t microseconds);

// ---- handlers.cpp: those that do not wait; the good answer is the whole payload again ----
bp_handled echo(const bp_call* call);
bp_handled later(const bp_call* call);
bp_handled twice(const bp_call* call);
bp_handled forget(const bp_call* call);
bp_handled never(const bp_call* call);
bp_handled parts(const bp_call* call);
bp_handled emit_some(const bp_call* call);
bp_handled use_handles(const bp_call* call);
bp_handled wedge(const bp_call* call);
bp_handled fail(const bp_call* call);
/// Static: it has no instance, and counts nothing.
bp_handled fixed(const bp_call* call);
/// The host function that this module offers to the others.
void offer(const bp_call* call);

// ---- waiting.cpp: those that do ----
/// Answers in parts, each of which waits for room.
bp_handled stream(const bp_call* call);
/// Reads its request in parts.
bp_handled input(const bp_call* call);
bp_handled sleep(const bp_call* call);
bp_handled call_other(const bp_call* call);
bp_handled ask(const bp_call* call);
/// Like ask, with a callback in the stead of a wait.
bp_handled ask_later(const bp_call* call);
bp_handled wait_fd(const bp_call* call);
bp_handled block(const bp_call* call);

}  // namespace stress
