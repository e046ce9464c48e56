// SPDX-License-Identifier: Apache-2.0
//
// From the queue to the handler, and what becomes of the request when the handler returns.
#include <algorithm>
#include <string>

#include "request/loop.hpp"
#include "support/views.hpp"

namespace backplane {

// Takes responsibility for a request: from here on it is counted and can be found.
void RequestLoop::admit(Request& request) {
  link_open(open_, request);
  LoopCounts::add(counts_.open);
  if (request.deadline != 0) set_timer(request);
  queue_.push(&request);
}

void RequestLoop::handle(Request& request) {
  heartbeat_.beat();
  // Its timer has had no chance to fire if the deadline passed while a handler before it ran.
  if (request.deadline != 0 && request.deadline <= now()) end_unwanted(request, request.token(), BP_DEADLINE);
  if (!request.open()) return end(request);  // nobody waits for it any more; that reply is on its way or delivered
  if (request.method == nullptr) {           // an unknown name: the answer says so already
    if (request.claim(request.token())) answered(request);
    return end(request);
  }
  const Handler* const handler = Registry::handler(*request.method);
  if (handler == nullptr) {
    const Module& module = *request.method->module;
    if (!request.method->answered.load(std::memory_order_acquire)) {  // its module has been refused
      return refuse(request, BP_UNKNOWN_NAME, unknown_name_text(request.method->name));
    }
    const bool gone = module.current.load(std::memory_order_relaxed) == nullptr;
    return refuse(request, gone ? BP_MODULE_GONE : BP_UNKNOWN_NAME,
                  gone ? "the module \"" + module.name + "\", which had \"" + request.method->name +
                             "\", is not loaded any more; load it again"
                       : "the running generation of \"" + module.name + "\" has no \"" + request.method->name + "\"");
  }
  bp_instance* const instance = instance_of(*handler->generation);
  if (instance == nullptr || !instance->failure.empty()) {
    return refuse(request, BP_INSTANCE_FAILED,
                  "the module \"" + handler->generation->manifest.name + "\" could not start in this context: " +
                      (instance == nullptr ? "it has no instance here" : instance->failure));
  }
  request.handler = handler;
  request.instance = instance;
  LoopCounts::add(instance->in_flight);
  if ((handler->flags & BP_HANDLER_BLOCKING) != 0) {
    run_on_worker(request);
  } else {
    run_here(request);
  }
}

void RequestLoop::refuse(Request& request, bp_status status, std::string_view message) {
  if (request.claim(request.token())) {
    request.answer.fail(status, message);
    answered(request);
  }
  end(request);
}

void RequestLoop::run_here(Request& request) {
  heartbeat_.running(request.method, request.handler->generation->number);
  const bp_handled handled = call_handler(request);
  handler_ended(request, handled);
}

bp_handled RequestLoop::call_handler(Request& request) {
  const bp_call call{sizeof(bp_call),           0,
                     request.token(),           request.payload.view(),
                     str(request.method->name), request.instance,
                     request.instance->state,   request.handler->data};
  return request.handler->function(&call);
}

void RequestLoop::handler_ended(Request& request, bp_handled handled) {
  if (handled == BP_LATER) {
    if (request.open()) watch_time(request);
  } else if (request.claim(request.token())) {
    request.answer.fail(BP_NO_REPLY, "the handler of \"" + request.method->name +
                                         "\" returned without a terminal reply; it must reply, or return BP_LATER");
    answered(request);
  }
  end(request);
}

void RequestLoop::run_on_worker(Request& request) {
  watch_time(request);
  const bool serial = (request.handler->flags & BP_HANDLER_CONCURRENT) == 0;
  if (serial && request.instance->worker_busy) {
    if (caller_holds(request)) {
      return refuse(request, BP_REENTRANT,
                    "\"" + request.method->name +
                        "\" waits for a blocking handler of the same instance that waits for it; "
                        "declare them concurrent, or call a function instead");
    }
    request.instance->waiting.push(&request);
  } else {
    start_worker(request);
  }
}

// Whether a handler that waits for this request holds its instance: then it would never be its turn.
bool RequestLoop::caller_holds(const Request& request) noexcept {
  constexpr std::uint32_t kind = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  for (const Waiter* waiter = request.waiter; waiter != nullptr; waiter = waiter->request.waiter) {
    const Request& caller = waiter->request;
    if (caller.instance == request.instance && (caller.handler->flags & kind) == BP_HANDLER_BLOCKING) return true;
  }
  return false;
}

void RequestLoop::start_worker(Request& request) {
  const bool serial = (request.handler->flags & BP_HANDLER_CONCURRENT) == 0;
  if (serial) request.instance->worker_busy = true;
  request.worker_done.owner = &request;
  request.worker_done.apply = [](Mail& mail) {
    Request& done = *static_cast<MailFrom<Request>&>(mail).owner;
    done.loop.load(std::memory_order_relaxed)->worker_returned(done);
  };
  // The worker is a sender for as long as it runs; see Sender.
  senders_.fetch_add(1, std::memory_order_relaxed);
  try {
    workers_.run([this, &request] {
      current_worker_request = &request;
      // Canceled while it waited for a thread: nobody would hear it.
      request.handled = request.open() ? call_handler(request) : BP_DONE;
      current_worker_request = nullptr;
      send(request.worker_done);
      senders_.fetch_sub(1, std::memory_order_release);
    });
  } catch (const std::exception& error) {
    senders_.fetch_sub(1, std::memory_order_release);
    if (serial) request.instance->worker_busy = false;
    refuse(request, BP_OUT_OF_MEMORY, std::string("no worker thread can be had: ") + error.what());
  }
}

void RequestLoop::worker_returned(Request& request) {
  bp_instance& instance = *request.instance;
  const bool serial = (request.handler->flags & BP_HANDLER_CONCURRENT) == 0;
  handler_ended(request, request.handled);  // frees the request, maybe, but an instance ends by mail only
  if (!serial) return;
  instance.worker_busy = false;
  while (!instance.worker_busy) {
    Request* const next = instance.waiting.pop();
    if (next == nullptr) return;
    if (next->open()) {
      start_worker(*next);
    } else {
      end(*next);  // canceled while it waited
    }
  }
}

// No handler runs for the request, or will.
void RequestLoop::end(Request& request) {
  request.ended = true;
  release_if_done(request);
}

void RequestLoop::release_if_done(Request& request) {
  if (!request.ended || !request.delivered || request.partials.load(std::memory_order_acquire) != 0) return;
  timers_.cancel(request.timer);
  unlink_open(request);
  bp_instance* const instance = request.instance;
  request.payload.clear();
  request.answer.clear();
  Request::slab().free(&request);
  LoopCounts::drop(counts_.open);
  if (instance == nullptr) return;
  LoopCounts::drop(instance->in_flight);
  end_if_idle(*instance);
}

// From now on the request may take long: stale warnings begin to be due. Not called for a handler that
// replies inline, which so pays for no clock.
void RequestLoop::watch_time(Request& request) {
  if (!request.wants_stale || request.began != 0) return;
  request.began = now();
  request.next_stale = request.began + options_.stale_interval;
  set_timer(request);
}

// For the deadline or the next stale warning, whichever is earlier; 0 stands for none.
void RequestLoop::set_timer(Request& request) {
  const Nanos deadline = request.deadline;
  const Nanos stale = request.next_stale;
  request.timer.fire = on_request_timer;
  request.timer.owner = &request;
  timers_.set(request.timer, deadline == 0 || stale == 0 ? deadline + stale : std::min(deadline, stale));
}

void RequestLoop::on_request_timer(Timer& timer) {
  auto& request = *static_cast<Request*>(timer.owner);
  RequestLoop& loop = *request.loop.load(std::memory_order_relaxed);
  const Nanos time = now();
  if (request.deadline != 0 && request.deadline <= time) {
    return loop.end_unwanted(request, request.token(), BP_DEADLINE);
  }
  if (!request.open()) return;
  if (request.next_stale <= time) {
    const std::string elapsed = std::to_string((time - request.began) / nanos_per_ms);
    const bp_answer answer{
        sizeof(bp_answer), BP_STALE,     {reinterpret_cast<const std::uint8_t*>(elapsed.data()), elapsed.size()},
        {"", 0},           {nullptr, 0}, nullptr};
    request.on_reply(request.user, &answer);
    request.next_stale = time + loop.options_.stale_interval;
  }
  loop.set_timer(request);
}

}  // namespace backplane
