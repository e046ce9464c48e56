// SPDX-License-Identifier: Apache-2.0
//
// What a handler waits for. A fiber suspends; a worker thread blocks, and the request thread does the
// rest for both.
#include <backplane/ext/await.h>

#include <algorithm>
#include <memory>

#include "request/loop.hpp"
#include "support/names.hpp"
#include "support/result.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

constexpr const char* not_in_handler =
    "awaiting is possible only in the handler that has this token, on the thread that runs it";

}  // namespace

// The request whose handler runs on the calling thread, if its token is `call`.
Request* RequestLoop::current(bp_token call) noexcept {
  Request* request = current_worker_request;
  if (request == nullptr && current_loop != nullptr && current_loop->running_fiber_ != nullptr &&
      current_loop->in_function_ == 0) {
    request = static_cast<Request*>(current_loop->running_fiber_->user);
  }
  if (request == nullptr || request->token() != call) return nullptr;
  return (request->handler->flags & BP_HANDLER_STATIC) == 0 ? request : nullptr;
}

bp_status RequestLoop::check(bp_token call, std::uint64_t* remaining_ms) {
  const Request* const request = current(call);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  if (remaining_ms != nullptr) {
    const Nanos time = request->deadline == 0 ? 0 : now();
    *remaining_ms = request->deadline == 0     ? UINT64_MAX
                    : request->deadline > time ? (request->deadline - time) / nanos_per_ms
                                               : 0;
  }
  return wanted(*request);
}

// BP_OK, or why nobody wants the request, or the fiber of it that asks, any more. The timer that would say so runs on
// the request thread, which a handler that computes does not let come round, so the clock is asked too.
bp_status RequestLoop::wanted(const Request& request) noexcept {
  const Environment* const environment = request.environment.load(std::memory_order_relaxed);
  if (environment != nullptr && environment->canceled()) return BP_CANCELED;
  const bp_status cause = request.cause.load(std::memory_order_acquire);
  if (cause != BP_OK || request.deadline == 0) return cause;
  return now() >= request.deadline ? BP_DEADLINE : BP_OK;
}

// `start` runs on the request thread and sets going what is waited for; it may complete it at once.
template <class Start>
void RequestLoop::await(Waiter& waiter, Start start) {
  Request& request = waiter.request;
  waiter.loop = this;
  const auto begin = [this, &waiter, &request, &start] {
    const bp_status cause = wanted(request);
    request.awaiting = &waiter;
    if (cause != BP_OK) return fail_wait(waiter, cause, "the request is not wanted any more");
    start();
  };
  if (current_worker_request == nullptr) {
    waiter.fiber = running_fiber_;
    begin();
    if (waiter.done) return;
    watch_time(request);
    if (request.run_weight != 0) request.leaves_thread(ticks());
    const Environment* const environment = request.environment.load(std::memory_order_relaxed);
    waiter.fiber->suspend(environment == nullptr ? waiter.fiber->stack() : environment->active_stack());
    return;  // resume() has begun the next slice
  }
  // The worker goes on only when `start` has returned: until then, what it shows to a host function that
  // answers at once stays valid.
  Waiter::Sleep sleep;
  waiter.sleep = &sleep;
  const auto begin_for_worker = [this, &waiter, &begin] {
    waiter.starting = true;
    begin();
    waiter.starting = false;
    if (waiter.over) wake_worker(waiter);
  };
  if (!post(begin_for_worker)) {
    waiter.answer.fail(BP_OUT_OF_MEMORY, "no memory to begin the wait");
    return;
  }
  request.leaves_thread(ticks());
  workers_.begin_wait();
  {
    MutexLock lock(sleep.mutex);
    sleep.changed.wait(lock, [&waiter] { return waiter.done; });
  }
  workers_.end_wait();
  request.is_back(ticks());
}

// The answer is in place: the handler may go on.
void RequestLoop::complete_wait(Waiter& waiter) {
  drop_operations(waiter);
  waiter.request.awaiting = nullptr;
  if (waiter.fiber != nullptr) {
    waiter.done = true;
    // The running fiber completes its own wait only before it has suspended for it.
    if (waiter.fiber != running_fiber_) ready_.push(waiter.fiber);
    return;
  }
  waiter.over = true;
  if (!waiter.starting) wake_worker(waiter);
}

void RequestLoop::wake_worker(Waiter& waiter) {
  // Under the lock to the end: as soon as the worker sees `done`, the waiter is no more.
  const MutexLock lock(waiter.sleep->mutex);
  waiter.done = true;
  waiter.sleep->changed.notify_all();
}

void RequestLoop::fail_wait(Waiter& waiter, bp_status status, std::string_view message) {
  waiter.answer.fail(status, message);
  complete_wait(waiter);
}

// Ends what was set going for this wait and has not come to an end by itself.
void RequestLoop::drop_operations(Waiter& waiter) {
  timers_.cancel(waiter);
  if (Request* const call = std::exchange(waiter.call, nullptr)) {
    call->forget_waiter();
    end_unwanted(*call, call->token(), BP_CANCELED);
  }
  if (Pending* const pending = std::exchange(waiter.pending, nullptr)) {
    pending->waiter = nullptr;
    if (pending->claim(pending->token())) {  // else its answer is in the task queue, and frees it
      LoopCounts::add(counts_.tokens_failed);
      free_pending(*pending);
    }
  }
  if (waiter.stop_wait != nullptr) std::exchange(waiter.stop_wait, nullptr)(waiter);
}

// False if it cannot, and the wait is over then.
bool RequestLoop::set_timer(Waiter& waiter, std::uint64_t ms, bp_status meaning) {
  waiter.on_timer = meaning;
  waiter.fire = [](Timer& timer) {
    auto& due = static_cast<Waiter&>(timer);
    if (due.on_timer == BP_OK) {
      due.loop->complete_wait(due);
    } else {
      due.loop->fail_wait(due, due.on_timer, "no answer within the timeout");
    }
  };
  if (timers_.set(waiter, after_ms(ms))) return true;
  fail_wait(waiter, BP_OUT_OF_MEMORY, "no memory for the timer");
  return false;
}

bp_status RequestLoop::await_sleep(bp_token token, std::uint64_t ms) {
  Request* const request = current(token);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  RequestLoop& loop = *request->loop.load(std::memory_order_relaxed);
  Waiter waiter(*request);
  loop.await(waiter, [&] { loop.set_timer(waiter, ms, BP_OK); });
  return waiter.answer.status;
}

bp_status RequestLoop::await_call(bp_token token, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms,
                                  bp_result* out) {
  Request* const request = current(token);
  if (request == nullptr) return set_result(out, BP_NOT_SUPPORTED, not_in_handler);
  RequestLoop& loop = *request->loop.load(std::memory_order_relaxed);
  Waiter waiter(*request);
  loop.await(waiter, [&] { loop.start_call(waiter, name, payload, timeout_ms); });
  return waiter.answer.fill_result(out);
}

// When a call that `request` makes has to be over; 0 if it need not.
Nanos RequestLoop::deadline_of(const Request& request, std::uint64_t timeout_ms) noexcept {
  if (timeout_ms == 0) return request.deadline;
  const Nanos own = after_ms(timeout_ms);
  return request.deadline == 0 ? own : std::min(request.deadline, own);
}

void RequestLoop::start_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms) {
  Request* const call = request_from_inside(name, payload, deadline_of(waiter.request, timeout_ms), waiter);
  if (call == nullptr) return fail_wait(waiter, BP_OUT_OF_MEMORY, "no memory for the call");
  waiter.call = call;
  admit(*call);
  queue_.push(call);
}

bp_status RequestLoop::await_host_call(bp_token token, std::string_view name, bp_bytes payload,
                                       std::uint64_t timeout_ms, bp_result* out) {
  Request* const request = current(token);
  if (request == nullptr) return set_result(out, BP_NOT_SUPPORTED, not_in_handler);
  RequestLoop& loop = *request->loop.load(std::memory_order_relaxed);
  Waiter waiter(*request);
  loop.await(waiter, [&] { loop.start_host_call(waiter, name, payload, timeout_ms); });
  return waiter.answer.fill_result(out);
}

Pending* RequestLoop::new_pending() noexcept {
  Pending* pending = spare_pending_;
  if (pending != nullptr) {
    spare_pending_ = std::exchange(pending->open_next, nullptr);
    --spare_pending_count_;
  } else if (pending = Pending::slab().allocate(); pending == nullptr) {
    return nullptr;
  }
  pending->loop.store(this, std::memory_order_relaxed);
  pending->waiter = nullptr;
  pending->on_answer = nullptr;
  pending->provider = pending->calling = nullptr;
  pending->failed = false;
  link_open(open_pending_, *pending);
  LoopCounts::add(counts_.tokens_open);
  return pending;
}

void RequestLoop::start_host_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms) {
  Pending* const pending = new_pending();
  if (pending == nullptr) return fail_wait(waiter, BP_OUT_OF_MEMORY, "no memory for the call");
  pending->waiter = &waiter;
  waiter.pending = pending;
  pending->arm();
  if (timeout_ms != 0 && !set_timer(waiter, timeout_ms, BP_DEADLINE)) return;
  std::string why;
  const bp_status status = invoke(*pending, waiter.request.method, name, payload, why);
  if (status != BP_OK) fail_wait(waiter, status, why);
}

bp_status RequestLoop::start_host_call(bp_token token, std::string_view name, bp_bytes payload,
                                       std::uint64_t timeout_ms, bp_host_answer_fn on_answer, void* user) {
  Request* const request = current_worker_request == nullptr ? current(token) : nullptr;
  if (request == nullptr || on_answer == nullptr) return BP_NOT_SUPPORTED;
  if (const bp_status cause = wanted(*request); cause != BP_OK) return cause;
  RequestLoop& loop = *request->loop.load(std::memory_order_relaxed);
  Pending* const pending = loop.new_pending();
  if (pending == nullptr) return BP_OUT_OF_MEMORY;
  pending->on_answer = on_answer;
  pending->user = user;
  pending->caller = request->handler;
  pending->calling = request->instance;
  LoopCounts::add(request->instance->calls_out);
  pending->arm();
  const auto give_up = [&](bp_status status) {
    pending->claim(pending->token());
    loop.timers_.cancel(*pending);
    LoopCounts::add(loop.counts_.tokens_failed);
    loop.free_pending(*pending);
    return status;
  };
  if (const Nanos deadline = deadline_of(*request, timeout_ms); deadline != 0) {
    pending->fire = [](Timer& timer) {
      auto& due = static_cast<Pending&>(timer);
      due.loop.load(std::memory_order_relaxed)->fail_callback(due, BP_DEADLINE, "no answer within the timeout");
    };
    if (!loop.timers_.set(*pending, deadline)) return give_up(BP_OUT_OF_MEMORY);
  }
  std::string why;
  const bp_status status = loop.invoke(*pending, request->method, name, payload, why);
  return status == BP_OK ? BP_OK : give_up(status);
}

// Calls the application's function of that name, else a module's; not BP_OK if there is neither. The
// function may answer at once.
bp_status RequestLoop::invoke(Pending& pending, const Method* caller, std::string_view name, bp_bytes payload,
                              std::string& why) {
  const bp_token token = pending.token();
  const InFunction in_function(*this);
  if (const Functions::Function function = functions_.begin(name); function.call != nullptr) {
    const Heartbeat::Hold hold(heartbeat_, Holder::function, caller, nullptr);
    function.call(function.user, context_, token, str(name), payload);
    functions_.end();
    return BP_OK;
  }
  const Function* const offered = registry_.find_function(name);
  if (offered == nullptr) {
    why = "no host function \"" + std::string(name) +
          "\" is registered: the application provides none, and no loaded module offers it";
    return BP_NO_HOST_FUNCTION;
  }
  bp_instance* const provider = instance_of(*offered->generation);
  if (provider == nullptr || !provider->failure.empty()) {
    why = "the module \"" + offered->generation->manifest.name + "\", which offers \"" + std::string(name) +
          "\", could not start in this context";
    return BP_INSTANCE_FAILED;
  }
  pending.provider = provider;
  LoopCounts::add(provider->tokens);
  const bp_call call{sizeof(bp_call), 0, token, payload, str(offered->name), provider, provider->state, offered->data};
  const Heartbeat::Hold hold(heartbeat_, Holder::function, caller, offered->generation);
  offered->function(&call);
  return BP_OK;
}

bp_status RequestLoop::await_fd(bp_token token, int fd, std::uint32_t events, std::uint64_t timeout_ms) {
  Request* const request = current(token);
  if (request == nullptr) return BP_NOT_SUPPORTED;
  if (fd < 0 || events == 0 || (events & ~std::uint32_t{BP_FD_READABLE | BP_FD_WRITABLE}) != 0) {
    return BP_INVALID_ARGUMENT;
  }
  RequestLoop& loop = *request->loop.load(std::memory_order_relaxed);
  Waiter waiter(*request);
  loop.await(waiter, [&] {
    const auto ready = [](void* data) {
      auto& due = *static_cast<Waiter*>(data);
      due.stop_wait = nullptr;
      due.loop->complete_wait(due);
    };
    Reactor::FdWait* const wait = loop.reactor_.wait_fd(fd, events, ready, &waiter);
    if (wait == nullptr) return loop.fail_wait(waiter, BP_IO, "the descriptor cannot be waited for");
    waiter.wait_data = wait;
    waiter.stop_wait = [](Waiter& self) { self.loop->reactor_.cancel(static_cast<Reactor::FdWait*>(self.wait_data)); };
    if (timeout_ms != 0) loop.set_timer(waiter, timeout_ms, BP_TIMEOUT);
  });
  return waiter.answer.status;
}

}  // namespace backplane::host
