// SPDX-License-Identifier: Apache-2.0
//
// From the queue to the handler, and what becomes of the request when the handler returns.
#include <algorithm>
#include <string>

#include "request/loop.hpp"
#include "request/submission.hpp"
#include "support/views.hpp"

namespace backplane::host {

bp_status no_handler(const Method& method, bool module_runs, std::string& why) {
  const Module& module = *method.module;
  if (!method.answered.load(std::memory_order_acquire)) {  // its module has been refused
    why = unknown_name_text(method.name);
    return BP_UNKNOWN_NAME;
  }
  if (module_runs) {
    why = "the running generation of \"" + module.name + "\" has no \"" + method.name + "\"";
    return BP_UNKNOWN_NAME;
  }
  why = "the module \"" + module.name + "\", which had \"" + method.name + "\", is not loaded any more; load it again";
  return BP_MODULE_GONE;
}

std::string no_reply_text(const Request& request) {
  const bool is_static = (request.handler->flags & BP_HANDLER_STATIC) != 0;
  return "the handler of \"" + request.method->name + "\" returned without a terminal reply; " +
         (is_static ? "a static one must reply before it returns" : "it must reply, or return BP_LATER");
}

// Takes responsibility for a request: from here on it is counted and can be found.
void RequestLoop::admit(Request& request) {
  link_open(open_, request);
  LoopCounts::add(counts_.open);
  if (request.from_outside()) LoopCounts::add(counts_.accepted);
  if (request.deadline != 0 && !set_timer(request, 0) && request.claim(request.token())) {
    request.answer.fail(BP_OUT_OF_MEMORY, "no memory for the timer of its deadline");
    answered(request);
  }
}

// Before this turn of the loop leaves it open.
void RequestLoop::link(Request& request) noexcept {
  request.quick = false;
  request.disown();
  if (!is_linked(request)) link_open(open_, request);
}

void RequestLoop::refuse(Request& request, bp_status status, std::string_view message) {
  const bool counted = request.stats != nullptr;  // as a call that failed
  if (request.method != nullptr && !counted) request.method->refused.fetch_add(1, std::memory_order_relaxed);
  if (claim_here(request)) {
    request.answer.fail(status, message);
    answered(request);
  }
  end(request);
}

void RequestLoop::run_on_worker(Request& request) {
  link(request);
  request.run_weight = 1;  // a change of threads costs more than all clocks
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
  for (const Waiter* waiter = request.waiter(); waiter != nullptr; waiter = waiter->request.waiter()) {
    const Request& caller = waiter->request;
    if (caller.instance == request.instance && (caller.handler->flags & kind) == BP_HANDLER_BLOCKING) return true;
  }
  return false;
}

void RequestLoop::start_worker(Request& request) {
  const bool serial = (request.handler->flags & BP_HANDLER_CONCURRENT) == 0;
  if (serial) request.instance->worker_busy = true;
  WorkerDone& returned = request;
  returned.apply = [](Task& task) {
    auto& done = static_cast<Request&>(static_cast<WorkerDone&>(task));
    done.loop.load(std::memory_order_relaxed)->worker_returned(done);
  };
  // The worker is a sender for as long as it runs; see Sender.
  senders_.fetch_add(1, std::memory_order_relaxed);
  try {
    workers_.run([this, &request] {
      current_worker_request = &request;
      request.gets_thread(ticks());
      // Canceled while it waited for a thread: nobody would hear it.
      request.later = request.open() && call_handler(request) == BP_LATER;
      request.leaves_thread(ticks());
      current_worker_request = nullptr;
      send(static_cast<WorkerDone&>(request));
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
  handler_ended(request, request.later);  // frees the request, maybe, but an instance ends by a task of its own only
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

// Null if memory cannot be had; without statistics likewise: then the call is not counted.
RequestLoop::CachedRoute* RequestLoop::route_of(const Method& method) noexcept {
  if (method.index >= routes_.size()) {
    try {
      routes_.resize(method.index + 1);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  CachedRoute& route = routes_[method.index];
  if (route.stats == nullptr) {
    route.stats = method.stats_list.take();
    if (route.stats != nullptr) route.stats->time_the_first();
  }
  return &route;
}

// Instances come or go: who answers is to be found again.
void RequestLoop::forget_routes() noexcept {
  for (CachedRoute& route : routes_) route.generation = nullptr;
}

void RequestLoop::release_stats() noexcept {
  for (const CachedRoute& route : routes_) {
    if (route.stats != nullptr) CallStatsList::release(*route.stats);
  }
  routes_.clear();
}

// From now on the request may take long: stale warnings begin to be due. Not called for a handler that
// replies inline, which so pays for no clock.
void RequestLoop::watch_time(Request& request) {
  if (!request.wants_stale || request.began != 0) return;
  request.began = now();
  // Without memory for it there are no warnings; the deadline's is set already.
  set_timer(request, request.began + options_.stale_interval);
}

// For the deadline or the next stale warning, whichever is earlier; 0 stands for none. Who is called when it is not for
// the deadline knows what it is for.
bool RequestLoop::set_timer(Request& request, Nanos stale) noexcept {
  const Nanos deadline = request.deadline;
  request.fire = on_request_timer;
  return timers_.set(request, deadline == 0 || stale == 0 ? deadline + stale : std::min(deadline, stale));
}

void RequestLoop::on_request_timer(Timer& timer) {
  auto& request = static_cast<Request&>(timer);
  RequestLoop& loop = *request.loop.load(std::memory_order_relaxed);
  const Nanos time = now();
  if (request.deadline != 0 && request.deadline <= time) {
    return loop.end_unwanted(request, request.token(), BP_DEADLINE);
  }
  if (!request.open() && !request.held) return;
  // Not for the deadline, so it is time for a stale warning.
  const std::string elapsed = std::to_string((time - request.began) / nanos_per_ms);
  const bp_answer answer{
      sizeof(bp_answer), BP_STALE,     {reinterpret_cast<const std::uint8_t*>(elapsed.data()), elapsed.size()},
      {"", 0},           {nullptr, 0}, nullptr};
  loop.heartbeat_.beat();
  loop.heartbeat_.replying(request.method);
  request.on_reply(request.user, &answer);
  loop.heartbeat_.running_nothing();
  loop.set_timer(request, time + loop.options_.stale_interval);
}

}  // namespace backplane::host
