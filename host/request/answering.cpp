// SPDX-License-Identifier: Apache-2.0
//
// Who answers what: replies, completions and cancels from any thread, and their delivery. Answers from
// other threads wait in the mailbox as plain memory and are applied on the request thread.
#include "request/loop.hpp"
#include "support/views.hpp"

namespace backplane {
namespace {

bp_status checked(const bp_answer& answer, bool may_be_partial) noexcept {
  if (answer.status == BP_PARTIAL && may_be_partial) return BP_OK;
  return is_terminal(answer.status) ? BP_OK : BP_INVALID_ARGUMENT;
}

}  // namespace

bp_status RequestLoop::answer(bp_token token, const bp_answer& answer) {
  switch (token::kind(token)) {
    case request_kind:
      return answer_request(token, answer);
    case pending_kind:
      return answer_pending(token, answer, nullptr);
    default:
      return BP_STALE_TOKEN;
  }
}

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
  RequestLoop& loop = *request->loop.load(std::memory_order_relaxed);
  const Sender sender(loop);
  request->claim_locked();
  request->answer.assign(answer);
  loop.answered(*request);
  return BP_OK;
}

// Locked, the request cannot end before the part is on its way; afterwards the part holds it.
bp_status RequestLoop::partial(Request& request, bp_token token, const bp_answer& answer) {
  auto* const part = new (std::nothrow) PartialMail;
  if (part == nullptr) return BP_OUT_OF_MEMORY;
  if (!request.lock(token)) {
    delete part;
    return BP_STALE_TOKEN;
  }
  RequestLoop& loop = *request.loop.load(std::memory_order_relaxed);
  const Sender sender(loop);
  const std::uint32_t before = request.partials.fetch_add(1, std::memory_order_relaxed);
  request.unlock(token);
  part->request = &request;
  part->answer.assign(answer);
  part->apply = [](Mail& mail) {
    auto& self = static_cast<PartialMail&>(mail);
    self.request->loop.load(std::memory_order_relaxed)->deliveries_.push_back({self.request, &self});
  };
  if (loop.on_thread() && before == 0) {
    part->apply(*part);
  } else {
    loop.send(*part);
  }
  return BP_OK;
}

// Whoever claimed the request has filled in its answer. Behind parts that are still on their way it takes
// the way of the mailbox, as they may have: an answer must not overtake them.
void RequestLoop::answered(Request& request) {
  if (on_thread() && request.partials.load(std::memory_order_acquire) == 0) {
    deliveries_.push_back({&request, nullptr});
    return;
  }
  request.answered.owner = &request;
  request.answered.apply = [](Mail& mail) {
    Request& done = *static_cast<MailFrom<Request>&>(mail).owner;
    done.loop.load(std::memory_order_relaxed)->deliveries_.push_back({&done, nullptr});
  };
  send(request.answered);
}

bp_status RequestLoop::cancel(bp_request handle) {
  Request* const request = Request::slab().find(handle.id);
  if (request == nullptr || request->loop.load(std::memory_order_relaxed) != this) return BP_INVALID_HANDLE;
  if (!request->claim(handle.id)) return BP_INVALID_HANDLE;
  request->cause.store(BP_CANCELED, std::memory_order_release);
  request->answer.fail(BP_CANCELED, "the caller canceled it");
  answered(*request);
  return BP_OK;
}

// The request thread's own way to end a request that nobody waits for any more.
void RequestLoop::end_unwanted(Request& request, bp_token token, bp_status cause) {
  if (!request.claim(token)) return;
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
  const Sender sender(loop);
  pending->claim_locked();
  pending->answer.assign(answer);
  if (loop.on_thread()) {
    loop.pending_answered(*pending);
    return BP_OK;
  }
  pending->answered.owner = pending;
  pending->answered.apply = [](Mail& mail) {
    Pending& done = *static_cast<MailFrom<Pending>&>(mail).owner;
    done.loop.load(std::memory_order_relaxed)->pending_answered(done);
  };
  loop.send(pending->answered);
  return BP_OK;
}

void RequestLoop::pending_answered(Pending& pending) {
  Waiter* const waiter = pending.waiter;
  LoopCounts::add(counts_.tokens_answered);
  if (waiter != nullptr) {
    waiter->pending = nullptr;
    waiter->answer = std::move(pending.answer);
  }
  free_pending(pending);
  if (waiter != nullptr) complete_wait(*waiter);
}

void RequestLoop::free_pending(Pending& pending) {
  unlink_open(pending);
  bp_instance* const provider = pending.provider;
  pending.answer.clear();
  Pending::slab().free(&pending);
  LoopCounts::drop(counts_.tokens_open);
  if (provider == nullptr) return;
  LoopCounts::drop(provider->tokens);
  end_if_idle(*provider);
}

void RequestLoop::deliver(Delivery& delivery) {
  if (delivery.partial != nullptr) {
    deliver_partial(*delivery.partial);
  } else {
    deliver_terminal(*delivery.request);
  }
}

void RequestLoop::deliver_partial(PartialMail& part) {
  Request& request = *part.request;
  if (!request.delivered && request.on_reply != nullptr) {
    const bp_answer answer = part.answer.view();
    heartbeat_.replying(request.method);
    request.on_reply(request.user, &answer);
  }
  delete &part;
  request.partials.fetch_sub(1, std::memory_order_release);
  release_if_done(request);
}

void RequestLoop::deliver_terminal(Request& request) {
  request.delivered = true;
  timers_.cancel(request.timer);
  if (request.from_outside) {
    LoopCounts::add(counts_.replied);
    if (request.answer.status != BP_OK) LoopCounts::add(counts_.errors);
  }
  if (Waiter* const waiter = std::exchange(request.waiter, nullptr)) {
    waiter->call = nullptr;
    waiter->answer = std::move(request.answer);
    complete_wait(*waiter);
  } else if (request.on_reply != nullptr) {
    const bp_answer answer = request.answer.view();
    heartbeat_.replying(request.method);
    request.on_reply(request.user, &answer);
  }
  if (!request.ended && request.awaiting != nullptr) {
    const bp_status cause = request.cause.load(std::memory_order_relaxed);
    if (cause != BP_OK) fail_wait(*request.awaiting, cause, "the request is not wanted any more");
  }
  release_if_done(request);
}

}  // namespace backplane
