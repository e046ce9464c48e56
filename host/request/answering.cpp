// SPDX-License-Identifier: Apache-2.0
//
// Who answers what: replies, completions and cancels from any thread, and their delivery. Answers from
// other threads wait in the task queue as plain memory and are applied on the request thread.
#include "request/loop.hpp"
#include "support/views.hpp"

namespace backplane::host {
namespace {

bp_status checked(const bp_answer& answer, bool may_be_partial) noexcept {
  if (answer.status == BP_PARTIAL && may_be_partial) return BP_OK;
  return is_terminal(answer.status) ? BP_OK : BP_INVALID_ARGUMENT;
}

}  // namespace

bp_status RequestLoop::complete(bp_token token, const bp_answer& answer) {
  const bp_status status = answer_pending(token, answer, this);
  if (status == BP_STALE_TOKEN) counts_.tokens_refused.fetch_add(1, std::memory_order_relaxed);
  return status;
}

bp_status RequestLoop::answer_request(bp_token token, const bp_answer& answer) {
  if (const bp_status status = checked(answer, true); status != BP_OK) return status;
  Request* const request = Request::slab().find(token);
  if (request == nullptr) return BP_STALE_TOKEN;
  if (answer.status == BP_PARTIAL) return partial(*request, token, answer);
  if (!request->lock(token)) return BP_STALE_TOKEN;
  RequestLoop* const loop = request->loop.load(std::memory_order_relaxed);
  if (loop == nullptr) {  // a static call: its thread has the answer as soon as it sees the claim
    request->answer.assign(answer);
    request->claim_locked();
    return BP_OK;
  }
  const Sender sender(*loop);
  request->claim_locked();
  request->answer.assign(answer);
  loop->answered(*request);
  return BP_OK;
}

// Locked, the request cannot end before the part is on its way; afterwards the part holds it.
bp_status RequestLoop::partial(Request& request, bp_token token, const bp_answer& answer) {
  auto* const part = new (std::nothrow) Part;
  if (part == nullptr) return BP_OUT_OF_MEMORY;
  if (!request.lock(token)) {
    delete part;
    return BP_STALE_TOKEN;
  }
  if (request.loop.load(std::memory_order_relaxed) == nullptr) {  // a static call
    request.unlock(token);
    delete part;
    return BP_NOT_SUPPORTED;
  }
  RequestLoop& loop = *request.loop.load(std::memory_order_relaxed);
  const Sender sender(loop);
  const std::uint32_t before = request.partials.fetch_add(1, std::memory_order_relaxed);
  request.unlock(token);
  part->request = &request;
  part->answer.assign(answer);
  part->apply = [](Task& task) {
    auto& self = static_cast<Part&>(task);
    self.request->loop.load(std::memory_order_relaxed)->deliveries_.push(&task);
  };
  if (loop.on_thread() && before == 0) {
    part->apply(*part);
  } else {
    loop.send(*part);
  }
  return BP_OK;
}

bp_status RequestLoop::cancel(bp_request handle) {
  Request* const request = Request::slab().find(handle.id);
  if (request == nullptr || request->loop.load(std::memory_order_relaxed) != this) return BP_INVALID_HANDLE;
  if (!request->claim(handle.id)) return cancel_run(*request, handle.id);
  if (on_thread()) request->quick = false;  // by its own handler: at a quick end the cause would stay for the next call
  request->cause.store(BP_CANCELED, std::memory_order_release);
  request->answer.fail(BP_CANCELED, "the caller canceled it");
  answered(*request);
  return BP_OK;
}

// The call has been answered, but its run may have fibers, and then that answer waits for the run's end. Only the
// request thread can tell for certain that the record is still that call's.
bp_status RequestLoop::cancel_run(Request& request, bp_token token) {
  if (request.token() != token || request.environment.load(std::memory_order_relaxed) == nullptr)
    return BP_INVALID_HANDLE;
  const auto apply = [&request, token, this] {
    if (request.token() == token && request.environment.load(std::memory_order_relaxed) != nullptr &&
        !request.delivered) {
      end_unwanted(request, token, BP_CANCELED);
    }
  };
  if (on_thread()) {
    apply();
    return BP_OK;
  }
  return post(apply) ? BP_OK : BP_OUT_OF_MEMORY;
}

// The request thread's own way to end a request that nobody waits for any more.
void RequestLoop::end_unwanted(Request& request, bp_token token, bp_status cause) {
  if (!request.claim(token)) {
    if (request.environment.load(std::memory_order_relaxed) == nullptr || request.delivered) return;
    // It has an answer, which waits no longer for the end of the run.
    bp_status none = BP_OK;
    request.cause.compare_exchange_strong(none, cause, std::memory_order_release);
    if (std::exchange(request.held, false)) deliveries_.push(static_cast<Delivery*>(&request));
    return;
  }
  request.cause.store(cause, std::memory_order_release);
  request.answer.fail(cause, cause == BP_DEADLINE ? "no answer within the call's timeout" : "the call was canceled");
  answered(request);
}

bp_status RequestLoop::answer_pending(bp_token token, const bp_answer& answer, RequestLoop* only) {
  if (const bp_status status = checked(answer, false); status != BP_OK) return status;
  Pending* const pending = Pending::slab().find(token);
  if (pending == nullptr) return BP_STALE_TOKEN;
  // A token of another context fails here; one that has moved on since fails to be claimed.
  if (only != nullptr && pending->loop.load(std::memory_order_relaxed) != only) return BP_STALE_TOKEN;
  if (!pending->lock(token)) return BP_STALE_TOKEN;
  RequestLoop& loop = *pending->loop.load(std::memory_order_relaxed);
  // A callback comes when the function that it is for has returned, at the earliest.
  if (loop.on_thread() && pending->on_answer == nullptr) {
    pending->claim_locked();
    pending->answer.assign(answer);
    loop.pending_answered(*pending);
    return BP_OK;
  }
  const Sender sender(loop);
  pending->claim_locked();
  pending->answer.assign(answer);
  loop.send_pending(*pending);
  return BP_OK;
}

void RequestLoop::send_pending(Pending& pending) noexcept {
  pending.apply = [](Task& task) {
    auto& done = static_cast<Pending&>(task);
    done.loop.load(std::memory_order_relaxed)->pending_answered(done);
  };
  send(static_cast<Task&>(pending));
}

// The request thread's own end of a call with a callback, if nobody was faster.
void RequestLoop::fail_callback(Pending& pending, bp_status status, std::string_view message) {
  if (!pending.claim(pending.token())) return;
  pending.failed = true;
  pending.answer.fail(status, message);
  send_pending(pending);
}

void RequestLoop::pending_answered(Pending& pending) {
  Waiter* const waiter = pending.waiter;
  LoopCounts::add(pending.failed ? counts_.tokens_failed : counts_.tokens_answered);
  if (pending.on_answer != nullptr) {
    timers_.cancel(pending);
    const bp_answer answer = pending.answer.view();
    heartbeat_.running(pending.caller->method, pending.caller->generation->number);
    pending.on_answer(pending.user, &answer);
    heartbeat_.running_nothing();
  } else if (waiter != nullptr) {
    waiter->pending = nullptr;
    waiter->answer = std::move(pending.answer);
  }
  free_pending(pending);
  if (waiter != nullptr) complete_wait(*waiter);
}

void RequestLoop::free_pending(Pending& pending) {
  unlink_open(pending);
  bp_instance* const provider = pending.provider;
  bp_instance* const calling = pending.calling;
  pending.answer.clear();
  if (spare_pending_count_ < spare_records_kept && Pending::slab().reuse(pending)) {
    pending.open_next = std::exchange(spare_pending_, &pending);
    ++spare_pending_count_;
  } else {
    Pending::slab().free(&pending);
  }
  LoopCounts::drop(counts_.tokens_open);
  if (provider != nullptr) {
    LoopCounts::drop(provider->tokens);
    end_if_idle(*provider);
  }
  if (calling != nullptr) {
    LoopCounts::drop(calling->calls_out);
    end_if_idle(*calling);
  }
}

void RequestLoop::deliver_part(Part& part) {
  Request& request = *part.request;
  if (!request.delivered && request.on_reply != nullptr) {
    const bp_answer answer = part.answer.view();
    if (request.stats != nullptr) CallStats::add(request.stats->bytes_out, answer.payload.size);
    heartbeat_.replying(request.method);
    request.on_reply(request.user, &answer);
  }
  delete &part;
  request.partials.fetch_sub(1, std::memory_order_release);
  release_if_done(request);
}

}  // namespace backplane::host
