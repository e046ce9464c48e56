// SPDX-License-Identifier: Apache-2.0
#include "request/await_api.hpp"

#include <algorithm>
#include <optional>

#include "request/reply_api.hpp"
#include "request/streams.hpp"
#include "request/waiting_emitters.hpp"
#include "request/waits.hpp"
#include "support/result.hpp"
#include "support/thread_stack.hpp"

namespace backplane::host::await_api {
namespace {

constexpr std::uint64_t default_emit_ms = 1'000;

constexpr const char* not_in_handler =
    "awaiting is possible only in the handler that has this token, on the thread that runs it";

/// The bound of a wait that may begin several times.
class Bound {
 public:
  explicit Bound(std::uint64_t timeout_ms) : until_(timeout_ms == 0 ? 0 : after_ms(timeout_ms)) {}
  /// What is left, for the next wait; 0: no bound. Nothing: it has passed.
  std::optional<std::uint64_t> left_ms() const {
    if (until_ == 0) return 0;
    const Nanos time = now();
    if (time >= until_) return std::nullopt;
    return (until_ - time) / nanos_per_ms + 1;
  }

 private:
  const Nanos until_;
};

Waits& waits_of(const Request& request) noexcept { return request.thread.load(std::memory_order_relaxed)->waits; }

}  // namespace

Request* request_of(bp_token call) noexcept {
  Request* request = RequestThread::worker_request;
  if (request == nullptr && RequestThread::current != nullptr) {
    on_request_thread.assume();
    const Runner& runner = RequestThread::current->runner;
    if (!runner.in_function()) request = runner.running_request();
  }
  if (request == nullptr || request->token() != call) return nullptr;
  return (request->handler->flags & BP_HANDLER_STATIC) == 0 ? request : nullptr;
}

bp_status sleep(bp_token call, std::uint64_t ms) {
  Request* const request = request_of(call);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  Waiter waiter(*request);
  waits_of(*request).sleep(waiter, ms);
  return waiter.answer.status;
}

bp_status call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms, bp_result* out) {
  Request* const request = request_of(call);
  if (request == nullptr) return set_result(out, BP_NOT_SUPPORTED, not_in_handler);
  Waiter waiter(*request);
  waits_of(*request).call(waiter, name, payload, timeout_ms);
  return waiter.answer.fill_result(out);
}

bp_status host_call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms, bp_result* out) {
  Request* const request = request_of(call);
  if (request == nullptr) return set_result(out, BP_NOT_SUPPORTED, not_in_handler);
  Waiter waiter(*request);
  waits_of(*request).host_call(waiter, name, payload, timeout_ms);
  return waiter.answer.fill_result(out);
}

bp_status fd(bp_token call, int fd, std::uint32_t events, std::uint64_t timeout_ms) {
  Request* const request = request_of(call);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  if (fd < 0 || events == 0 || (events & ~std::uint32_t{BP_FD_READABLE | BP_FD_WRITABLE}) != 0) {
    return BP_INVALID_ARGUMENT;
  }
  Waiter waiter(*request);
  waits_of(*request).fd(waiter, fd, events, timeout_ms);
  return waiter.answer.status;
}

bp_status check(bp_token call, std::uint64_t* remaining_ms) {
  const Request* const request = request_of(call);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  if (remaining_ms != nullptr) {
    const Nanos time = request->deadline == 0 ? 0 : now();
    *remaining_ms = request->deadline == 0     ? UINT64_MAX
                    : request->deadline > time ? (request->deadline - time) / nanos_per_ms
                                               : 0;
  }
  return Waits::wanted(*request);
}

bp_status start_host_call(bp_token call, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms,
                          bp_host_answer_fn on_answer, void* user) {
  Request* const request = RequestThread::worker_request == nullptr ? request_of(call) : nullptr;
  if (request == nullptr || on_answer == nullptr) return BP_NOT_SUPPORTED;
  on_request_thread.assume();
  return waits_of(*request).start_host_call(*request, name, payload, timeout_ms, on_answer, user);
}

bp_status part(bp_token call, const bp_answer& answer, std::uint64_t timeout_ms) {
  Request* const request = request_of(call);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  // As the window counts it: else the wait for an empty part could end where sending it cannot.
  const std::uint64_t size = Window::cost_of(answer.buffer != nullptr ? answer.buffer->size : answer.payload.size);
  const Bound bound(timeout_ms);
  for (;;) {
    if (const bp_status cause = Waits::wanted(*request); cause != BP_OK) return cause;
    const bp_status status = reply_api::answer(call, answer);
    if (status != BP_WOULD_BLOCK) return status;
    const auto left = bound.left_ms();
    if (!left) return BP_TIMEOUT;
    Waiter waiter(*request);
    waits_of(*request).room(waiter, size, *left);
    if (waiter.answer.status != BP_OK) return waiter.answer.status;
  }
}

bp_status next_part(bp_token call, std::uint64_t timeout_ms, bp_result* out) {
  Request* const request = request_of(call);
  if (request == nullptr) return set_result(out, BP_NOT_SUPPORTED, not_in_handler);
  Streams& streams = request->thread.load(std::memory_order_relaxed)->streams;
  const Bound bound(timeout_ms);
  for (;;) {
    Waiter waiter(*request);
    if (const bp_status cause = Waits::wanted(*request); cause != BP_OK) {
      return set_result(out, cause, "the request is not wanted any more");
    }
    waiter.answer.status = streams.take(*request, waiter.answer.payload());
    if (waiter.answer.status == BP_WOULD_BLOCK) {
      const auto left = bound.left_ms();
      if (!left) return set_result(out, BP_TIMEOUT, "no part has come within the timeout");
      waiter.answer.status = BP_OK;
      waits_of(*request).part(waiter, *left);
      if (waiter.answer.status == BP_OK) continue;
    }
    return waiter.answer.fill_result(out);
  }
}

bp_status stack(bp_token call, const void*& low, const void*& high) noexcept {
  const Request* const request = request_of(call);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  if (RequestThread::worker_request != nullptr) {
    low = ThreadStack::of_thread.low;
    high = ThreadStack::of_thread.high;
    return low == nullptr ? BP_NOT_SUPPORTED : BP_OK;
  }
  on_request_thread.assume();
  const Environment* const environment = request->environment.load(std::memory_order_relaxed);
  const Stack& active =
      environment == nullptr ? RequestThread::current->runner.running()->stack() : environment->active_stack();
  low = active.bottom;
  high = active.top();
  return BP_OK;
}

bp_status emit_wait(bp_token call, std::string_view name, bp_bytes payload, std::uint32_t flags,
                    std::uint64_t timeout_ms) {
  Request* const request = request_of(call);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  if (!may_emit(*request->instance, name)) return BP_INVALID_ARGUMENT;
  InstanceHost& context = *request->instance->host;
  const WaitingEmitters& emitters = request->thread.load(std::memory_order_relaxed)->emitters;
  EmitTry attempt;
  std::optional<Bound> bound;  // most events need none
  for (;;) {
    bp_status status = Waits::wanted(*request);
    if (status == BP_OK) status = context.emit(name, payload, flags, &attempt);
    if (status == BP_WOULD_BLOCK) {
      if (!bound) bound.emplace(timeout_ms == 0 ? default_emit_ms : timeout_ms);
      const auto left = bound->left_ms();
      status = left ? BP_OK : BP_TIMEOUT;
      if (left) {
        Waiter waiter(*request);
        waits_of(*request).listeners(waiter, attempt, std::min(*left, emitters.retry_ms()));
        if (waiter.answer.status == BP_OK || waiter.answer.status == BP_TIMEOUT) continue;
        status = waiter.answer.status;
      }
    }
    emitters.leave(attempt);
    return status;
  }
}

}  // namespace backplane::host::await_api
