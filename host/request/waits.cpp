// SPDX-License-Identifier: Apache-2.0
//
// What a handler waits for: how each wait begins, how it ends, and what becomes of an operation that its handler does
// not wait for any more.
#include "request/waits.hpp"

#include <backplane/ext/await.h>

#include <algorithm>
#include <string>
#include <utility>

#include "request/dispatcher.hpp"
#include "request/submission.hpp"

namespace backplane::host {
namespace {

// The deadline of a call that `request` makes; 0 if it has none.
Nanos deadline_of(const Request& request, std::uint64_t timeout_ms) noexcept {
  if (timeout_ms == 0) return request.deadline;
  const Nanos own = after_ms(timeout_ms);
  return request.deadline == 0 ? own : std::min(request.deadline, own);
}

}  // namespace

// The timer of the deadline cannot fire while a handler computes on the request thread. So the clock is asked too.
bp_status Waits::wanted(const Request& request) noexcept {
  const Environment* const environment = request.environment.load(std::memory_order_relaxed);
  if (environment != nullptr && environment->canceled()) return BP_CANCELED;
  const bp_status cause = request.cause.load(std::memory_order_acquire);
  if (cause != BP_OK || request.deadline == 0) return cause;
  return now() >= request.deadline ? BP_DEADLINE : BP_OK;
}

// Under the lock to the end: as soon as the worker sees `done`, the waiter is no more.
void Waits::wake_worker(Waiter& waiter) {
  waiter.request.thread.load(std::memory_order_relaxed)->dispatcher.worker_goes_on(waiter.request);
  workers_.wait_is_over();
  const MutexLock lock(waiter.sleep->mutex);
  waiter.done = true;
  waiter.sleep->changed.notify_all();
}

// On a worker thread. `last`: all others that have a handler wait, too, so that this may last for ever.
void Waits::sleep_until_done(Waiter& waiter, bool last) {
  const auto is_done = [&waiter] { return waiter.done; };
  Waiter::Sleep& sleep = *waiter.sleep;
  std::uint64_t seen = 0;
  bool looked = true;
  const auto look = [this, &waiter, &sleep, &looked] {
    on_request_thread.assume();
    // What was on its way to the request thread has come by now, and may have changed it.
    if (!waiter.over && waiter.call != nullptr && has_not_begun(*waiter.call) && workers_.no_job_can_start()) {
      refuse_without_thread(waiter);
    }
    const MutexLock lock(sleep.mutex);
    looked = true;
    sleep.changed.notify_all();
  };
  MutexLock lock(sleep.mutex);
  while (last && !sleep.changed.wait_for(lock, Workers::wait_check, is_done)) {
    lock.unlock();
    const bool post = workers_.stands_still(seen);
    lock.lock();
    if (!post) continue;
    looked = false;
    lock.unlock();
    const bool posted = inbox_.post(look);
    lock.lock();
    if (!posted) looked = true;
    sleep.changed.wait(lock, [&looked] { return looked; });  // it uses what is here
  }
  sleep.changed.wait(lock, is_done);
}

// Whether the handler of this call has not begun.
bool Waits::has_not_begun(const Request& call) {
  return call.handler == nullptr || call.waits_for_worker || workers_.has_queued(&call);
}

// All worker threads wait, and this waiter is on one of them.
void Waits::refuse_without_thread(Waiter& waiter) {
  const std::size_t threads = workers_.note_refused();
  waiter.fail(BP_OVERLOADED, text_or_none([&] {
                return "all worker threads wait: " + std::to_string(threads) +
                       (threads < workers_.most() ? ", and there can be no further one" : ", the limit of the host") +
                       "; \"" + waiter.call->method->name +
                       "\" would wait for one for ever; bound the calls of blocking handlers that wait for others "
                       "(calls_per_name)";
              }));
}

// `start` runs on the request thread and begins what is waited for. It may complete it at once.
template <class Start>
void Waits::await(Waiter& waiter, Start start) {
  Request& request = waiter.request;
  waiter.waits = this;
  waiter.complete = [](Waiter& self) {
    on_request_thread.assume();
    self.waits->complete(self);
  };
  const auto begin = [&waiter, &request, &start] {
    const bp_status cause = wanted(request);
    request.awaiting = &waiter;
    if (cause != BP_OK) return waiter.fail(cause, "the request is not wanted any more");
    start();
  };
  if (RequestThread::worker_request == nullptr) {
    on_request_thread.assume();
    waiter.fiber = runner_.running();
    begin();
    if (waiter.done) return;
    replies_.watch_time(request);
    if (request.run_weight != 0) request.leaves_thread(ticks());
    const Environment* const environment = request.environment.load(std::memory_order_relaxed);
    limits_.suspends(request);
    waiter.fiber->suspend(environment == nullptr ? waiter.fiber->stack() : environment->active_stack());
    limits_.goes_on(request);
    return;  // Runner::resume() has begun the next slice
  }
  // The worker goes on only when `start` has returned: until then, what it shows to a host function that
  // answers at once stays valid.
  Waiter::Sleep sleep;
  waiter.sleep = &sleep;
  const auto begin_for_worker = [this, &waiter, &request, &begin] {
    on_request_thread.assume();
    request.thread.load(std::memory_order_relaxed)->dispatcher.worker_waits(request);
    waiter.starting = true;
    begin();
    waiter.starting = false;
    if (waiter.over) return wake_worker(waiter);
    limits_.suspends(request);
  };
  request.leaves_thread(ticks());
  const bool last = workers_.begin_wait();  // before a call is begun that may find no thread
  if (!inbox_.post(begin_for_worker)) {
    waiter.answer.fail(BP_OUT_OF_MEMORY, "no memory to begin the wait");
    workers_.wait_is_over();
  } else {
    sleep_until_done(waiter, last);
  }
  workers_.end_wait();
  request.is_back(ticks());
}

// The answer is in place: the handler may go on.
void Waits::complete(Waiter& waiter) {
  drop_operations(waiter);
  waiter.request.awaiting = nullptr;
  if (waiter.fiber != nullptr) {
    waiter.done = true;
    // The running fiber completes its own wait only before it has suspended for it.
    if (waiter.fiber != runner_.running()) runner_.push_ready(*waiter.fiber);
    return;
  }
  waiter.over = true;
  if (waiter.starting) return;
  limits_.goes_on(waiter.request);
  wake_worker(waiter);
}

// Ends what was begun for this wait and has not come to an end by itself.
void Waits::drop_operations(Waiter& waiter) {
  timers_.cancel(waiter);
  if (Request* const call = std::exchange(waiter.call, nullptr)) {
    call->forget_waiter();
    replies_.end_unwanted(*call, call->token(), BP_CANCELED);
  }
  if (Pending* const pending = std::exchange(waiter.pending, nullptr)) pending_.give_up(*pending);
  if (waiter.stop_wait != nullptr) std::exchange(waiter.stop_wait, nullptr)(waiter);
}

// False if it cannot, and the wait is over then.
bool Waits::set_timer(Waiter& waiter, std::uint64_t ms, bp_status meaning) {
  waiter.on_timer = meaning;
  waiter.fire = [](Timer& timer) {
    auto& due = static_cast<Waiter&>(timer);
    if (due.on_timer == BP_OK) {
      due.complete(due);
    } else {
      due.fail(due.on_timer, "no answer within the timeout");
    }
  };
  if (timers_.set(waiter, after_ms(ms))) return true;
  waiter.fail(BP_OUT_OF_MEMORY, "no memory for the timer");
  return false;
}

void Waits::sleep(Waiter& waiter, std::uint64_t ms) {
  await(waiter, [&] {
    on_request_thread.assume();
    set_timer(waiter, ms, BP_OK);
  });
}

void Waits::call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms) {
  await(waiter, [&] {
    on_request_thread.assume();
    begin_call(waiter, name, payload, timeout_ms);
  });
}

void Waits::begin_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms) {
  const Method* method = nullptr;
  if (registry_.find_method(name, method) != BP_OK) return waiter.fail(BP_OUT_OF_MEMORY, "no memory for the call");
  if (limits_.too_deep(waiter.request)) return limits_.refuse_deep(waiter, method, name);
  Request* const call =
      backlog_.new_inner_request(method, name, payload, deadline_of(waiter.request, timeout_ms), waiter);
  if (call == nullptr) return waiter.fail(BP_OUT_OF_MEMORY, "no memory for the call");
  waiter.call = call;
  replies_.admit(*call);
  backlog_.push(*call);
}

void Waits::host_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms) {
  await(waiter, [&] {
    on_request_thread.assume();
    begin_host_call(waiter, name, payload, timeout_ms);
  });
}

void Waits::begin_host_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms) {
  Pending* const pending = pending_.add();
  if (pending == nullptr) return waiter.fail(BP_OUT_OF_MEMORY, "no memory for the call");
  pending->waiter = &waiter;
  waiter.pending = pending;
  pending->arm();
  if (timeout_ms != 0 && !set_timer(waiter, timeout_ms, BP_DEADLINE)) return;
  std::string why;
  const bp_status status = pending_.invoke(*pending, waiter.request, name, payload, timeout_ms, why);
  if (status != BP_OK) waiter.fail(status, why);
}

bp_status Waits::start_host_call(Request& caller, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms,
                                 bp_host_answer_fn on_answer, void* user) {
  if (const bp_status cause = wanted(caller); cause != BP_OK) return cause;
  Pending* const pending = pending_.add();
  if (pending == nullptr) return BP_OUT_OF_MEMORY;
  pending->on_answer = on_answer;
  pending->user = user;
  pending->caller = caller.handler;
  pending->calling = caller.instance;
  LoopCounts::add(caller.instance->calls_out);
  pending->arm();
  const Nanos deadline = deadline_of(caller, timeout_ms);
  std::string why;
  bp_status status = BP_OUT_OF_MEMORY;
  if (deadline == 0 || pending_.set_deadline(*pending, deadline)) {
    status = pending_.invoke(*pending, caller, name, payload, timeout_ms, why);
  }
  if (status != BP_OK) pending_.give_up(*pending);
  return status;
}

void Waits::fd(Waiter& waiter, int fd, std::uint32_t events, std::uint64_t timeout_ms) {
  await(waiter, [&] {
    on_request_thread.assume();
    begin_fd(waiter, fd, events, timeout_ms);
  });
}

void Waits::begin_fd(Waiter& waiter, int fd, std::uint32_t events, std::uint64_t timeout_ms) {
  const auto ready = [](void* data) {
    auto& due = *static_cast<Waiter*>(data);
    due.stop_wait = nullptr;
    due.complete(due);
  };
  Reactor::FdWait* const wait = idle_wait_.reactor().wait_fd(fd, events, ready, &waiter);
  if (wait == nullptr) return waiter.fail(BP_IO, "the descriptor cannot be waited for");
  waiter.wait_data = wait;
  waiter.stop_wait = [](Waiter& self) {
    on_request_thread.assume();
    self.waits->idle_wait_.reactor().cancel(static_cast<Reactor::FdWait*>(self.wait_data));
  };
  if (timeout_ms != 0) set_timer(waiter, timeout_ms, BP_TIMEOUT);
}

void Waits::room(Waiter& waiter, std::uint64_t size, std::uint64_t timeout_ms) {
  await(waiter, [&] {
    on_request_thread.assume();
    if (!streams_.wait_for_room(waiter, size)) return waiter.complete(waiter);
    if (timeout_ms != 0) set_timer(waiter, timeout_ms, BP_TIMEOUT);
  });
}

void Waits::part(Waiter& waiter, std::uint64_t timeout_ms) {
  await(waiter, [&] {
    on_request_thread.assume();
    if (!streams_.wait_for_part(waiter)) return waiter.complete(waiter);
    if (timeout_ms != 0) set_timer(waiter, timeout_ms, BP_TIMEOUT);
  });
}

void Waits::listeners(Waiter& waiter, const EmitTry& attempt, std::uint64_t timeout_ms) {
  await(waiter, [&] {
    on_request_thread.assume();
    if (!emitters_.wait(waiter, attempt)) return waiter.fail(BP_OUT_OF_MEMORY, "no memory to wait for a listener");
    set_timer(waiter, timeout_ms, BP_TIMEOUT);
  });
}

}  // namespace backplane::host
