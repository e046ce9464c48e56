// SPDX-License-Identifier: Apache-2.0
//
// The life of a pending token: made for a call of a host function, completed from any thread, failed when the caller
// goes or the context stops.
#include "request/pending.hpp"

#include <utility>

#include "request/submission.hpp"
#include "support/views.hpp"

namespace backplane::host {

bp_status PendingTable::answer(bp_token token, const bp_answer& answer, const RequestThread* only) {
  if (!is_terminal(answer.status)) return BP_INVALID_ARGUMENT;
  Pending* const pending = Pending::slab().find(token);
  if (pending == nullptr) return BP_STALE_TOKEN;
  // A token of another context fails here; one that has moved on since fails to be claimed.
  if (only != nullptr && pending->thread.load(std::memory_order_relaxed) != only) return BP_STALE_TOKEN;
  if (!pending->lock(token)) return BP_STALE_TOKEN;
  RequestThread& thread = *pending->thread.load(std::memory_order_relaxed);
  // A callback comes when the function that it is for has returned, at the earliest.
  if (RequestThread::current == &thread && pending->on_answer == nullptr) {
    on_request_thread.assume();
    pending->claim_locked();
    pending->answer.assign(answer);
    thread.pending.answered(*pending);
    return BP_OK;
  }
  const TaskInbox::Sender sender(thread.inbox);
  pending->claim_locked();
  pending->answer.assign(answer);
  thread.pending.send(*pending);
  return BP_OK;
}

Pending* PendingTable::add() noexcept {
  Pending* pending = spares_;
  if (pending != nullptr) {
    spares_ = std::exchange(pending->open_next, nullptr);
    --spare_count_;
  } else if (pending = Pending::slab().allocate(); pending == nullptr) {
    return nullptr;
  }
  pending->thread.store(&thread_, std::memory_order_relaxed);
  pending->waiter = nullptr;
  pending->on_answer = nullptr;
  pending->provider = pending->calling = nullptr;
  pending->failed = false;
  pending->asked = 0;
  link_open(open_, *pending);
  LoopCounts::add(counts_.tokens_open);
  return pending;
}

void PendingTable::free(Pending& pending) {
  timers_.cancel(pending);
  unlink_open(pending);
  bp_instance* const provider = pending.provider;
  bp_instance* const calling = pending.calling;
  pending.answer.clear();
  if (spare_count_ < spare_records_kept && Pending::slab().reuse(pending)) {
    pending.open_next = std::exchange(spares_, &pending);
    ++spare_count_;
  } else {
    Pending::slab().free(&pending);
  }
  LoopCounts::drop(counts_.tokens_open);
  if (provider != nullptr) {
    LoopCounts::drop(provider->tokens);
    instances_.end_if_idle(*provider);
  }
  if (calling != nullptr) {
    LoopCounts::drop(calling->calls_out);
    instances_.end_if_idle(*calling);
  }
}

void PendingTable::give_up(Pending& pending) {
  pending.waiter = nullptr;
  const bp_token token = pending.token();
  if (!pending.claim(token)) return;
  LoopCounts::add(counts_.tokens_failed);
  const std::uint64_t asked = pending.asked;
  free(pending);
  if (asked != 0) unask(asked, token);
}

/// Tells the function that nobody waits for this answer any more, if it wants to know. It may be gone. While another
/// one runs, which may be the reason, it is told later.
void PendingTable::unask(std::uint64_t function, bp_token token) noexcept {
  if (functions_.in_one()) {
    inbox_.post([this, function, token] {
      on_request_thread.assume();
      unask(function, token);
    });
    return;
  }
  const Runner::InFunction in_function(runner_);
  const Functions::Function told = functions_.begin(function);
  if (!told.exists()) return;
  const Heartbeat::Hold hold(heartbeat_, Holder::function, nullptr, nullptr);
  told.unask(told.user, context_, token);
  functions_.end();
}

void PendingTable::ask(const Functions::Function& function, bp_token token, std::string_view name, bp_bytes payload,
                       std::uint64_t timeout_ms, Nanos deadline) {
  bp_ask ask{};
  ask.struct_size = sizeof ask;
  ask.token = token;
  ask.name = str(name);
  ask.payload = payload;
  ask.timeout_ms = timeout_ms;
  if (deadline != 0) {
    const Nanos at = now();
    const Nanos left = deadline <= at ? 1 : (deadline - at + nanos_per_ms - 1) / nanos_per_ms;
    if (timeout_ms == 0 || static_cast<std::uint64_t>(left) < timeout_ms) {
      ask.timeout_ms = static_cast<std::uint64_t>(left);
    }
  }
  function.ask(function.user, context_, &ask);
}

bp_status PendingTable::invoke(Pending& pending, const Request& caller, std::string_view name, bp_bytes payload,
                               std::uint64_t timeout_ms, std::string& why) {
  const bp_token token = pending.token();
  const Runner::InFunction in_function(runner_);
  if (const Functions::Function function = functions_.begin(name); function.exists()) {
    if (function.unask != nullptr) pending.asked = function.serial;
    const Heartbeat::Hold hold(heartbeat_, Holder::function, caller.method, nullptr);
    if (function.ask != nullptr) {
      ask(function, token, name, payload, timeout_ms, caller.deadline);
    } else {
      function.call(function.user, context_, token, str(name), payload);
    }
    functions_.end();
    return BP_OK;
  }
  const Function* const offered = registry_.find_function(name);
  if (offered == nullptr) {
    why = text_or_none([name] {
      return "no host function \"" + std::string(name) +
             "\" is registered: the application provides none, and no loaded module offers it";
    });
    return BP_NO_HOST_FUNCTION;
  }
  bp_instance* const provider = instances_.of(*offered->generation);
  if (provider == nullptr || !provider->failure.empty()) {
    why = text_or_none([&] {
      return "the module \"" + offered->generation->manifest.name + "\", which offers \"" + std::string(name) +
             "\", could not start in this context";
    });
    return BP_INSTANCE_FAILED;
  }
  pending.provider = provider;
  LoopCounts::add(provider->tokens);
  const bp_call call{sizeof(bp_call), 0, token, payload, str(offered->name), provider, provider->state, offered->data};
  const Heartbeat::Hold hold(heartbeat_, Holder::function, caller.method, offered->generation);
  offered->function(&call);
  return BP_OK;
}

bool PendingTable::set_deadline(Pending& pending, Nanos deadline) {
  pending.fire = [](Timer& timer) {
    on_request_thread.assume();
    auto& due = static_cast<Pending&>(timer);
    due.thread.load(std::memory_order_relaxed)->pending.fail_callback(due, BP_DEADLINE, "no answer within the timeout");
  };
  return timers_.set(pending, deadline);
}

// One without a waiter or a callback has been answered, or given up, and what remains of it is in the inbox.
void PendingTable::fail_all(std::string_view message) {
  for (Pending* pending = open_; pending != nullptr;) {
    Pending* const next = pending->open_next;
    if (pending->waiter != nullptr) pending->waiter->fail(BP_CANCELED, message);
    if (pending->on_answer != nullptr) fail_callback(*pending, BP_CANCELED, message);
    pending = next;
  }
}

void PendingTable::free_spares() noexcept {
  while (spares_ != nullptr) Pending::slab().free(std::exchange(spares_, spares_->open_next));
  spare_count_ = 0;
}

void PendingTable::send(Pending& pending) noexcept {
  pending.apply = [](Task& task) {
    on_request_thread.assume();
    auto& done = static_cast<Pending&>(task);
    done.thread.load(std::memory_order_relaxed)->pending.answered(done);
  };
  inbox_.send(static_cast<Task&>(pending));
}

// Ends a call with a callback from the request thread, if it has no answer yet.
void PendingTable::fail_callback(Pending& pending, bp_status status, std::string_view message) {
  const bp_token token = pending.token();
  if (!pending.claim(token)) return;
  pending.failed = true;
  pending.answer.fail(status, message);
  const std::uint64_t asked = pending.asked;
  send(pending);
  if (asked != 0) unask(asked, token);
}

void PendingTable::answered(Pending& pending) {
  Waiter* const waiter = pending.waiter;
  LoopCounts::add(pending.failed ? counts_.tokens_failed : counts_.tokens_answered);
  if (pending.on_answer != nullptr) {
    timers_.cancel(pending);
    const bp_answer answer = pending.answer.view();
    heartbeat_.running(pending.caller->method.load(std::memory_order_relaxed), pending.caller->generation->number);
    pending.on_answer(pending.user, &answer);
    heartbeat_.running_nothing();
  } else if (waiter != nullptr) {
    waiter->pending = nullptr;
    waiter->answer = std::move(pending.answer);
  }
  free(pending);
  if (waiter != nullptr) waiter->complete(*waiter);
}

}  // namespace backplane::host
