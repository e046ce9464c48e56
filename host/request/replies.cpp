// SPDX-License-Identifier: Apache-2.0
//
// What only some replies need: answers from other threads, parts, cancels and refusals. What every reply takes is in
// fast_path.cpp; deadlines and stale warnings are in request_timers.cpp.
#include "request/replies.hpp"

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "support/deadline_text.hpp"

namespace backplane::host {

// The claim comes before the answer, and `sender` keeps the loop alive until the answer is on its way.
bp_status Replies::answer(bp_token token, const bp_answer& answer) {
  if (answer.status != BP_PARTIAL && !is_terminal(answer.status)) return BP_INVALID_ARGUMENT;
  Request* const request = Request::slab().find(token);
  if (request == nullptr) return BP_STALE_TOKEN;
  if (answer.status == BP_PARTIAL) return partial(*request, token, answer);
  if (!request->lock(token)) return BP_STALE_TOKEN;
  RequestThread* const thread = request->thread.load(std::memory_order_relaxed);
  if (thread == nullptr) {  // a static call: its thread has the answer as soon as it sees the claim
    request->answer.assign(answer);
    request->claim_locked();
    return BP_OK;
  }
  const TaskInbox::Sender sender(thread->inbox);
  request->claim_locked();
  request->answer.assign(answer);
  thread->replies.answered(*request);
  return BP_OK;
}

// Locked, the request cannot end before the part is on its way; afterwards the part holds it.
bp_status Replies::partial(Request& request, bp_token token, const bp_answer& answer) noexcept {
  std::unique_ptr<Part> part(new (std::nothrow) Part);
  if (part == nullptr) return BP_OUT_OF_MEMORY;
  part->request = &request;
  part->size = Window::cost_of(answer.buffer != nullptr ? answer.buffer->size : answer.payload.size);
  // Before anything is taken: a part without its payload would be an error, and so a second terminal reply.
  if (answer.buffer == nullptr && !part->answer.payload().copy(answer.payload)) return BP_OUT_OF_MEMORY;
  Streams::disown_running(request, token);
  if (!request.lock(token)) return BP_STALE_TOKEN;
  RequestThread* const thread = request.thread.load(std::memory_order_relaxed);
  if (thread == nullptr) {  // a static call
    request.unlock(token);
    return BP_NOT_SUPPORTED;
  }
  Stream* const stream = thread->streams.of(request);
  if (stream == nullptr || !thread->streams.reserve(request, *stream, part->size)) {
    request.unlock(token);
    return stream == nullptr ? BP_OUT_OF_MEMORY : BP_WOULD_BLOCK;
  }
  const TaskInbox::Sender sender(thread->inbox);
  const std::uint32_t before = stream->undelivered.fetch_add(1, std::memory_order_relaxed);
  request.unlock(token);
  if (answer.buffer != nullptr) part->answer.payload().adopt(answer.buffer);
  part->answer.status = BP_PARTIAL;
  part->apply = [](Task& task) {
    on_request_thread.assume();
    auto& self = static_cast<Part&>(task);
    self.request->thread.load(std::memory_order_relaxed)->replies.deliveries_.push(&task);
  };
  if (RequestThread::current == thread && before == 0) {
    part->apply(*part);
    part.release();
  } else {
    thread->inbox.send(*part.release());
  }
  return BP_OK;
}

bp_status Replies::cancel(Request& request, bp_token token) {
  if (!request.claim(token)) return cancel_run(request, token);
  // By its own handler: at a quick end the cause would stay for the next call.
  if (request.thread.load(std::memory_order_relaxed) == RequestThread::current) request.quick = false;
  request.cause.store(BP_CANCELED, std::memory_order_release);
  request.answer.fail(BP_CANCELED, "the caller canceled it");
  answered(request);
  return BP_OK;
}

// The call has been answered, but its run may have fibers, and then that answer waits for the run's end. Only the
// request thread can tell for certain that the record is still that call's.
bp_status Replies::cancel_run(Request& request, bp_token token) {
  if (request.token() != token || request.environment.load(std::memory_order_relaxed) == nullptr)
    return BP_INVALID_HANDLE;
  const auto apply = [&request, token, this] {
    on_request_thread.assume();
    if (request.token() == token && request.environment.load(std::memory_order_relaxed) != nullptr &&
        !request.delivered) {
      end_unwanted(request, token, BP_CANCELED);
    }
  };
  if (request.thread.load(std::memory_order_relaxed) == RequestThread::current) {
    apply();
    return BP_OK;
  }
  return inbox_.post(apply) ? BP_OK : BP_OUT_OF_MEMORY;
}

void Replies::admit(Request& request) {
  backlog_.link(request);
  LoopCounts::add(counts_.open);
  if (request.from_outside()) LoopCounts::add(counts_.accepted);
  if (request.deadline != 0 && !set_timer(request, 0) && request.claim(request.token())) {
    request.answer.fail(BP_OUT_OF_MEMORY, "no memory for the timer of its deadline");
    answered(request);
  }
}

void Replies::refuse(Request& request, bp_status status, std::string_view message) {
  const bool counted = request.stats != nullptr;  // as a call that failed
  if (request.method != nullptr && !counted) request.method->refused.fetch_add(1, std::memory_order_relaxed);
  if (claim_here(request)) {
    request.answer.fail(status, message);
    answered(request);
  }
  end(request);
}

void Replies::refuse_inline() {
  InlineCall call;
  if (!backlog_.take_without_record(call)) return;
  if (call.in_buffer) free_buffer(call.buffer);
  LoopCounts::add(counts_.accepted);
  LoopCounts::add(counts_.replied);
  LoopCounts::add(counts_.errors);
  Answer answer;
  answer.fail(BP_OUT_OF_MEMORY, "no memory to begin the call");
  const bp_answer seen = answer.view();
  heartbeat_.replying(call.method);
  call.on_reply(call.user, &seen);
  heartbeat_.running_nothing();
}

void Replies::end_unwanted(Request& request, bp_token token, bp_status cause) {
  if (!request.claim(token)) {
    if (request.environment.load(std::memory_order_relaxed) == nullptr || request.delivered) return;
    // It has an answer, which waits no longer for the end of the run.
    bp_status none = BP_OK;
    request.cause.compare_exchange_strong(none, cause, std::memory_order_release);
    release_held(request);
    return;
  }
  request.cause.store(cause, std::memory_order_release);
  // What a handler passes on of a call of its own must not look like its own call's.
  const std::string_view late = request.from_outside() ? deadline_text : "no answer within the timeout";
  request.answer.fail(cause, cause == BP_DEADLINE ? late : "the call was canceled");
  answered(request);
}

void Replies::release_held(Request& request) noexcept {
  if (std::exchange(request.held, false)) deliveries_.push(static_cast<Delivery*>(&request));
}

void Replies::deliver_part(Part& part) {
  Request& request = *part.request;
  Streams::delivers(part);
  if (!request.delivered && request.on_reply != nullptr) {
    const bp_answer answer = part.answer.view();
    if (request.stats != nullptr) CallStats::add(request.stats->bytes_out, answer.payload.size);
    LoopCounts::add(counts_.parts_sent);
    heartbeat_.replying(request.method);
    request.on_reply(request.user, &answer);
  }
  Streams::delivered(part);
  release_if_done(request);
}

}  // namespace backplane::host
