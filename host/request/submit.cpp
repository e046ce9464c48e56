// SPDX-License-Identifier: Apache-2.0
#include "request/loop.hpp"
#include "request/submission.hpp"
#include "support/names.hpp"
#include "support/views.hpp"

namespace backplane {

bp_status resolve(const Registry& registry, const bp_submission& submission, const Method*& method) {
  constexpr std::uint32_t known_flags = BP_SUBMIT_NO_STALE;
  if (submission.on_reply == nullptr) return BP_MISSING_CALLBACK;
  if ((submission.flags & ~known_flags) != 0) return BP_INVALID_ARGUMENT;
  if (submission.method.id != 0) {
    method = registry.method_at(submission.method.id);
    return method == nullptr ? BP_INVALID_HANDLE : BP_OK;
  }
  const std::string_view name = view(submission.name);
  if (name.empty() || name.size() > BP_WIRE_NAME_MAX) return BP_INVALID_ARGUMENT;
  method = registry.find_method(name);
  return BP_OK;
}

namespace {

// Whether this request's wait for its turn is measured. Each use of a record is another generation, so that of
// one record's uses one in so many is, and of the records in one use as well.
constexpr bool sampled(bp_token token) noexcept {
  return ((token >> (token::index_bits + token::kind_bits)) + token::index(token)) % Tally::sample == 0;
}

}  // namespace

void set_up(Request& request, RequestLoop* loop) {
  request.loop.store(loop, std::memory_order_relaxed);
  request.delivery.request = &request;
  request.method = nullptr;
  request.on_reply = nullptr;
  request.user = nullptr;
  request.waiter = nullptr;
  request.deadline = 0;
  request.submitted = sampled(request.token()) ? ticks() : 0;
  request.wants_stale = false;
  request.from_outside = false;
  request.handler = nullptr;
  request.instance = nullptr;
  request.tally = nullptr;
  request.ran = 0;
  request.run_weight = 0;
  request.awaiting = nullptr;
  request.cause.store(BP_OK, std::memory_order_relaxed);
  request.environment.store(nullptr, std::memory_order_relaxed);
  request.returned_fiber = 0;
  request.held = request.ended = request.delivered = false;
  request.partials.store(0, std::memory_order_relaxed);
  request.began = request.next_stale = 0;
}

bp_status RequestLoop::submit(const bp_submission& submission, bp_request* out) {
  const Method* method = nullptr;
  const auto refused = [this, &method](bp_status status) {
    counts_.refused.fetch_add(1, std::memory_order_relaxed);
    if (method != nullptr) method->refused.fetch_add(1, std::memory_order_relaxed);
    return status;
  };
  if (const bp_status status = resolve(registry_, submission, method); status != BP_OK) return refused(status);
  if (events_stuck_.load(std::memory_order_relaxed)) return refused(BP_EVENT_QUEUE_STUCK);
  Request* const request = Request::slab().allocate();
  if (request == nullptr) return refused(BP_OUT_OF_MEMORY);
  set_up(*request, this);
  request->method = method;
  request->on_reply = submission.on_reply;
  request->user = submission.user;
  request->from_outside = true;
  request->wants_stale = (submission.flags & BP_SUBMIT_NO_STALE) == 0;
  if (submission.timeout_ms != 0) request->deadline = after_ms(submission.timeout_ms);
  if (method == nullptr) request->answer.fail(BP_UNKNOWN_NAME, unknown_name_text(view(submission.name)));
  if (submission.buffer != nullptr) {
    request->payload.adopt(submission.buffer);
  } else if (!request->payload.copy(submission.payload)) {
    request->answer.clear();
    Request::slab().free(request);
    return refused(BP_OUT_OF_MEMORY);
  }
  const bp_token token = request->token();
  if (out != nullptr) out->id = token;
  request->arm();
  const auto pushed = ingress_.push(request);
  if (pushed == Ingress<Request>::Push::ok) {
    waker_.wake();
    return BP_OK;
  }
  // A cancel by another thread cannot have had the token: `out` is given to nobody before we return.
  request->claim(token);
  if (submission.buffer != nullptr) request->payload.disown();
  request->payload.clear();
  request->answer.clear();
  Request::slab().free(request);
  if (out != nullptr) out->id = 0;
  return refused(pushed == Ingress<Request>::Push::closed ? BP_CLOSED : BP_OVERLOADED);
}

std::string unknown_name_text(std::string_view name) {
  return "no loaded module has the wire name \"" + std::string(name) +
         "\"; list the names there are, or load the module that has it";
}

Request* RequestLoop::request_from_inside(std::string_view name, bp_bytes payload, Nanos deadline, Waiter& waiter) {
  Request* const request = Request::slab().allocate();
  if (request == nullptr) return nullptr;
  set_up(*request, this);
  request->method = registry_.find_method(name);
  request->waiter = &waiter;
  request->deadline = deadline;
  if (request->method == nullptr) request->answer.fail(BP_UNKNOWN_NAME, unknown_name_text(name));
  if (!request->payload.copy(payload)) {
    request->answer.clear();
    Request::slab().free(request);
    return nullptr;
  }
  request->arm();
  return request;
}

}  // namespace backplane
