// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "request/loop.hpp"
#include "request/submission.hpp"
#include "support/names.hpp"
#include "support/views.hpp"

namespace backplane::host {

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
  return (token::generation(token) + token::index(token)) % CallStats::sample == 0;
}

}  // namespace

bp_status RequestLoop::submit(const bp_submission& submission, bp_request* out) {
  const Method* method = nullptr;
  bp_status status = resolve(registry_, submission, method);
  if (status == BP_OK && events_stuck_.load(std::memory_order_relaxed)) status = BP_EVENT_QUEUE_STUCK;
  if (status == BP_OK) [[likely]] {
    Ingress<Request, InlineCall>::Lane* lane = nullptr;
    const bool can_be_inline = out == nullptr && submission.timeout_ms == 0 && method != nullptr;
    if (can_be_inline) lane = ingress_.lane();
    status = lane != nullptr ? send_inline_call(*lane, *method, submission) : push_request(method, submission, out);
  }
  if (status != BP_OK) {
    counts_.refused.fetch_add(1, std::memory_order_relaxed);
    if (method != nullptr) method->refused.fetch_add(1, std::memory_order_relaxed);
  }
  return status;
}

bp_status RequestLoop::pushed(Ingress<Request, InlineCall>::Push result) noexcept {
  using Push = Ingress<Request, InlineCall>::Push;
  switch (result) {
    case Push::ok:
      waker_.wake();
      return BP_OK;
    case Push::closed:
      return BP_CLOSED;
    case Push::full:
      return BP_OVERLOADED;
    case Push::no_memory:
      break;
  }
  return BP_OUT_OF_MEMORY;
}

bp_status RequestLoop::send_inline_call(Ingress<Request, InlineCall>::Lane& lane, const Method& method,
                                        const bp_submission& submission) noexcept {
  const std::size_t size = submission.payload.size;
  bp_buffer* buffer = submission.buffer;
  if (buffer == nullptr && size > Payload::inline_capacity) {
    buffer = new_buffer(size);
    if (buffer == nullptr) return BP_OUT_OF_MEMORY;
    buffer->size = size;
    std::memcpy(buffer->data, submission.payload.data, size);
  }
  const auto result = ingress_.send(lane, [&](InlineCall& inline_call) {
    inline_call.method = &method;
    inline_call.on_reply = submission.on_reply;
    inline_call.user = submission.user;
    inline_call.submitted = lane.sent() % CallStats::sample == 0 ? ticks() : 0;
    inline_call.wants_stale = (submission.flags & BP_SUBMIT_NO_STALE) == 0;
    inline_call.in_buffer = buffer != nullptr;
    if (buffer != nullptr) {
      inline_call.buffer = buffer;
    } else {
      inline_call.size = static_cast<std::uint32_t>(size);
      if (size != 0) std::memcpy(inline_call.bytes, submission.payload.data, size);
    }
  });
  if (result != Ingress<Request, InlineCall>::Push::ok && buffer != submission.buffer) free_buffer(buffer);
  return pushed(result);
}

bp_status RequestLoop::push_request(const Method* method, const bp_submission& submission, bp_request* out) {
  Request* const request = Request::slab().allocate();
  if (request == nullptr) return BP_OUT_OF_MEMORY;
  set_up(*request, this);
  request->waited = sampled(request->token()) ? ticks() : 0;
  request->method = method;
  request->on_reply = submission.on_reply;
  request->user = submission.user;
  request->wants_stale = (submission.flags & BP_SUBMIT_NO_STALE) == 0;
  if (submission.timeout_ms != 0) request->deadline = after_ms(submission.timeout_ms);
  if (method == nullptr) request->answer.fail(BP_UNKNOWN_NAME, unknown_name_text(view(submission.name)));
  if (submission.buffer != nullptr) {
    request->payload.adopt(submission.buffer);
  } else if (!request->payload.copy(submission.payload)) {
    request->answer.clear();
    Request::slab().free(request);
    return BP_OUT_OF_MEMORY;
  }
  const bp_token token = request->token();
  if (out != nullptr) out->id = token;
  request->arm();
  const auto result = ingress_.push(request, submission.timeout_ms != 0);
  if (result != Ingress<Request, InlineCall>::Push::ok) {
    // A cancel by another thread cannot have had the token: `out` is given to nobody before we return.
    request->claim(token);
    if (submission.buffer != nullptr) request->payload.disown();
    request->payload.clear();
    request->answer.clear();
    Request::slab().free(request);
    if (out != nullptr) out->id = 0;
  }
  return pushed(result);
}

void RequestLoop::free_spare_records() noexcept {
  while (spare_requests_ != nullptr) Request::slab().free(std::exchange(spare_requests_, spare_requests_->next));
  while (spare_pending_ != nullptr) {
    Pending::slab().free(std::exchange(spare_pending_, spare_pending_->open_next));
  }
  spare_request_count_ = spare_pending_count_ = 0;
}

std::string unknown_name_text(std::string_view name) {
  return "no loaded module has the wire name \"" + std::string(name) +
         "\"; list the names there are, or load the module that has it";
}

Request* RequestLoop::request_from_inside(std::string_view name, bp_bytes payload, Nanos deadline, Waiter& waiter) {
  Request* const request = new_request();
  if (request == nullptr) return nullptr;
  request->waited = sampled(request->token()) ? ticks() : 0;
  request->method = registry_.find_method(name);
  // The record may come from an inline call, which leaves behind what the next one overwrites.
  request->on_reply = nullptr;
  request->user = &waiter;
  request->wants_stale = false;
  request->deadline = deadline;
  if (request->method == nullptr) request->answer.fail(BP_UNKNOWN_NAME, unknown_name_text(name));
  if (!request->payload.copy(payload)) {
    request->answer.clear();
    free_request(*request);
    return nullptr;
  }
  request->arm();
  return request;
}

}  // namespace backplane::host
