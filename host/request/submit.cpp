// SPDX-License-Identifier: Apache-2.0
//
// The way of a call into the backlog, on its caller's thread, from the checks to the lane. It stands in one unit so
// that the compiler makes one path of it.
#include <atomic>
#include <cstring>
#include <utility>

#include "memory/budget.hpp"
#include "request/backlog.hpp"
#include "request/replies.hpp"
#include "request/streams.hpp"
#include "request/submission.hpp"
#include "support/names.hpp"
#include "support/views.hpp"

namespace backplane::host {

namespace {

[[gnu::always_inline]] inline bp_status resolve_here(const Registry& registry, const bp_submission& submission,
                                                     const Method*& method) {
  constexpr std::uint32_t known_flags = BP_SUBMIT_NO_STALE | BP_SUBMIT_CREDIT | BP_SUBMIT_PARTS;
  if (submission.on_reply == nullptr) return BP_MISSING_CALLBACK;
  if ((submission.flags & ~known_flags) != 0) return BP_INVALID_ARGUMENT;
  if (submission.method.id != 0) {
    method = registry.method_at(submission.method.id);
    return method == nullptr ? BP_INVALID_HANDLE : BP_OK;
  }
  const std::string_view name = view(submission.name);
  if (name.empty() || name.size() > BP_WIRE_NAME_MAX) return BP_INVALID_ARGUMENT;
  return registry.find_method(name, method);
}

}  // namespace

bp_status resolve(const Registry& registry, const bp_submission& submission, const Method*& method) {
  return resolve_here(registry, submission, method);
}

inline bp_status Backlog::pushed(Calls::Push result) noexcept {
  using Push = Calls::Push;
  switch (result) {
    case Push::ok:
      inbox_.waker().wake();
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

// Of a call that is to note the time. Only here a submitter looks whether the lane stands still.
[[gnu::noinline]] Ticks Backlog::stamp_in(Calls::Lane& lane, SubmitStamps::Wish wish) noexcept {
  const Ticks time = ticks();
  if (lane.waits_since(time, SubmitStamps::long_wait_ticks())) stamps_.want_each();
  return SubmitStamps::stamp(wish, time);
}

// A call that comes by the shared queue always notes it: that queue costs more than a look at the clock. These are the
// calls of sources, while the request thread does not serve them itself.
Ticks Backlog::stamp_of(const Request& request, bool in_line) noexcept {
  using Wish = SubmitStamps::Wish;
  const Wish wish = stamps_.wish(number_of(request.token()));
  if (RequestThread::current == &thread_) return wish == Wish::no ? 0 : SubmitStamps::stamp(wish, ticks());
  Calls::Lane* const lane = in_line ? nullptr : ingress_.lane();
  if (lane == nullptr) return SubmitStamps::exact(ticks());
  return wish == Wish::no ? 0 : stamp_in(*lane, wish);
}

bp_status Backlog::send_inline(Calls::Lane& lane, const Method& method, const bp_submission& submission) noexcept {
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
    const SubmitStamps::Wish wish = stamps_.wish(lane.sent());
    inline_call.submitted = wish == SubmitStamps::Wish::no ? 0 : stamp_in(lane, wish);
    inline_call.wants_stale = (submission.flags & BP_SUBMIT_NO_STALE) == 0;
    inline_call.in_buffer = buffer != nullptr;
    if (buffer != nullptr) {
      inline_call.buffer = buffer;
    } else {
      inline_call.size = static_cast<std::uint32_t>(size);
      if (size != 0) std::memcpy(inline_call.bytes, submission.payload.data, size);
    }
  });
  if (result != Calls::Push::ok && buffer != submission.buffer) free_buffer(buffer);
  return pushed(result);
}

// From now on another thread may claim the request: one that reads `*out` and cancels. So nothing may refuse the
// request any more.
inline void Backlog::arm(Request& request, bp_request* out) noexcept {
  request.arm();
  if (out != nullptr) std::atomic_ref(out->id).store(request.token(), std::memory_order_release);
}

// The request thread has spare records, which are in its cache.
inline Request* Backlog::record_here() noexcept {
  if (RequestThread::current == &thread_) {
    on_request_thread.assume();
    return new_request();
  }
  Request* const request = Request::slab().allocate();
  if (request != nullptr) set_up(*request, &thread_);
  return request;
}

bp_status Backlog::push_request(const Method* method, const bp_submission& submission, bp_request* out) {
  Source* const source = submission.source.id == 0 ? nullptr : thread_.sources.find(submission.source);
  if (source == nullptr && submission.source.id != 0) return BP_INVALID_HANDLE;
  Request* const request = record_here();
  if (request == nullptr) return BP_OUT_OF_MEMORY;
  request->waited = stamp_of(*request, source != nullptr);
  request->method = method;
  request->on_reply = submission.on_reply;
  request->user = submission.user;
  request->wants_stale = (submission.flags & BP_SUBMIT_NO_STALE) == 0;
  if (submission.timeout_ms != 0) request->deadline = after_ms(submission.timeout_ms);
  if (method == nullptr) request->answer.fail(BP_UNKNOWN_NAME, unknown_name_text(view(submission.name)));
  const auto drop = [request] {
    request->payload.clear();
    request->answer.clear();
    delete request->stream.exchange(nullptr, std::memory_order_relaxed);
    Request::slab().free(request);
  };
  if (submission.buffer != nullptr) {
    request->payload.adopt(submission.buffer);
  } else if (!request->payload.copy(submission.payload)) {
    drop();
    return BP_OUT_OF_MEMORY;
  }
  if (!thread_.streams.begin(*request, submission)) {
    if (submission.buffer != nullptr) request->payload.disown();
    drop();
    return BP_OUT_OF_MEMORY;
  }
  const auto result = source == nullptr
                          ? ingress_.push(request, submission.timeout_ms != 0, [&] { arm(*request, out); })
                          : push_of_source(*request, submission.source, *source, out);
  if (result != Calls::Push::ok) {
    if (submission.buffer != nullptr) request->payload.disown();
    drop();
  }
  return pushed(result);
}

// On the request thread straight into its line, behind what came by the shared queue: the calls of a source keep their
// order, whichever threads they come from.
inline Backlog::Calls::Push Backlog::push_of_source(Request& request, bp_source handle, Source& source,
                                                    bp_request* out) {
  if (RequestThread::current != &thread_) {
    if (waiting() >= ingress_.depth()) return Calls::Push::full;
    return ingress_.push_shared(&request, [&] {
      request.source = thread_.sources.announce(handle);
      arm(request, out);
    });
  }
  on_request_thread.assume();
  const auto admit = [this](Request& each) {
    on_request_thread.assume();
    thread_.replies.admit(each);
  };
  take_shared(admit);
  if (ingress_.closed()) return Calls::Push::closed;
  if (lines_.size() >= ingress_.depth()) return Calls::Push::full;
  Sources::enter(source);
  request.source = source.number();
  arm(request, out);
  admit(request);
  push(request, source);
  return Calls::Push::ok;
}

inline bp_status Backlog::put(const Method* method, const bp_submission& submission, bp_request* out) {
  constexpr std::uint32_t of_parts = BP_SUBMIT_CREDIT | BP_SUBMIT_PARTS;
  const std::uint64_t beyond_inline = submission.timeout_ms | submission.source.id | submission.window_bytes |
                                      submission.window_parts | (submission.flags & of_parts);
  const bool can_be_inline = out == nullptr && method != nullptr && beyond_inline == 0;
  Calls::Lane* const lane = can_be_inline ? ingress_.lane() : nullptr;
  return lane != nullptr ? send_inline(*lane, *method, submission) : push_request(method, submission, out);
}

bp_status Backlog::submit(const bp_submission& submission, bp_request* out) {
  const Method* method = nullptr;
  bp_status status = resolve_here(registry_, submission, method);
  if (status == BP_OK && events_stuck_.load(std::memory_order_relaxed)) status = BP_EVENT_QUEUE_STUCK;
  if (status == BP_OK) [[likely]]
    status = put(method, submission, out);
  if (status != BP_OK) {
    if (status != BP_OUT_OF_MEMORY) {
      forget_memory_refusal();  // the reason is another
    } else if (memory_was_refused()) {
      status = BP_OVERLOADED;
    }
    counts_.refused.fetch_add(1, std::memory_order_relaxed);
    if (method != nullptr) method->refused.fetch_add(1, std::memory_order_relaxed);
  }
  return status;
}

}  // namespace backplane::host
