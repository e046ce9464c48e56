// SPDX-License-Identifier: Apache-2.0
//
// Blocking handlers, which run on worker threads. The serial ones of an instance wait for each other here. So do those
// of a module, if it has all the threads that it may have.
#include <exception>
#include <new>
#include <string>

#include "request/dispatcher.hpp"
#include "request/submission.hpp"
#include "support/forked_child.hpp"
#include "support/running_code.hpp"
#include "support/thread_stack.hpp"

namespace backplane::host {
namespace {

bool is_serial(const Request& request) noexcept { return (request.handler->flags & BP_HANDLER_CONCURRENT) == 0; }

}  // namespace

void Dispatcher::run_on_worker(Request& request) {
  backlog_.link(request);
  request.waits_for_worker = true;
  request.run_weight = 1;  // a change of threads costs more than all clocks, so each run and each wait is measured
  request.waited = SubmitStamps::exact(request.waited != 0 ? request.waited : ticks());
  replies_.watch_time(request);
  const bool serial = is_serial(request);
  if (serial && request.instance->worker_busy) {
    if (caller_holds(request)) {
      return replies_.refuse(request, BP_REENTRANT, text_or_none([&request] {
                               return "\"" + request.method->name +
                                      "\" waits for a blocking handler of the same instance that waits for it; "
                                      "declare them concurrent, or call a function instead";
                             }));
    }
    try {
      for_instance_[request.instance].push(request);
    } catch (const std::bad_alloc&) {
      replies_.refuse(request, BP_OUT_OF_MEMORY, "no memory to wait for its turn");
    }
    return;
  }
  bp_instance& instance = *request.instance;
  if (serial) instance.worker_busy = true;
  if (!wait_for_worker(request) && serial) give_to_next(instance);
}

// A context gives the worker threads no more of a module than they may run at once, so that calls of all sources take
// turns here. False: it is refused, for want of memory or threads.
bool Dispatcher::wait_for_worker(Request& request) {
  const Module& module = *request.method->module;
  request.ran = ticks();  // until it runs: since when it waits for a thread
  try {
    OfModule& all = for_worker_[&module];
    if (all.on_workers < workers_.limit_of(module) && all.waiting.empty()) return start_worker(request, all, false);
    all.waiting.push(request);
    workers_.call_waits(module);
    return true;
  } catch (const std::bad_alloc&) {
    replies_.refuse(request, BP_OUT_OF_MEMORY, "no memory to wait for a worker thread");
    return false;
  }
}

void Dispatcher::start_workers(const Module& module, OfModule& all) {
  while (all.on_workers < workers_.limit_of(module)) {
    Request* const request = all.waiting.pop();
    if (request == nullptr) return;
    workers_.call_goes(module);
    bp_instance& instance = *request->instance;
    const bool serial = is_serial(*request);
    bool started = false;
    if (request->open()) {
      started = start_worker(*request, all, true);
    } else {
      replies_.end(*request);  // canceled while it waited
    }
    if (!started && serial) give_to_next(instance);
  }
}

// One thread less runs a handler of the module.
void Dispatcher::leave_worker(const Module& module) {
  OfModule& all = for_worker_.find(&module)->second;
  --all.on_workers;
  start_workers(module, all);
}

void Dispatcher::worker_waits(const Request& request) { leave_worker(*request.method->module); }

void Dispatcher::worker_goes_on(const Request& request) noexcept {
  ++for_worker_.find(request.method->module)->second.on_workers;
}

// Whether a handler that waits for this request holds its instance: then it would never be its turn.
bool Dispatcher::caller_holds(const Request& request) noexcept {
  constexpr std::uint32_t kind = BP_HANDLER_BLOCKING | BP_HANDLER_CONCURRENT;
  for (const Waiter* waiter = request.waiter(); waiter != nullptr; waiter = waiter->request.waiter()) {
    const Request& caller = waiter->request;
    if (caller.instance == request.instance && (caller.handler->flags & kind) == BP_HANDLER_BLOCKING) return true;
  }
  return false;
}

// False: there is no thread, and it is refused.
bool Dispatcher::start_worker(Request& request, OfModule& all, bool waited) {
  request.waits_for_worker = false;
  ++all.on_workers;
  WorkerDone& returned = request;
  returned.apply = [](Task& task) {
    auto& done = static_cast<Request&>(static_cast<WorkerDone&>(task));
    on_request_thread.assume();
    done.thread.load(std::memory_order_relaxed)->dispatcher.worker_returned(done);
  };
  // The worker is a sender for as long as it runs; see TaskInbox::Sender.
  inbox_.add_sender();
  try {
    const auto run = [this, &request] {
      ThreadStack::look_up();
      RequestThread::worker_request = &request;
      RequestThread::worker_instance = request.instance;
      const Generation& generation = *request.instance->generation;
      const RunningCode running{"handler", generation.module->name, generation.number, request.method->name};
      const RunningCodeNote note(running);
      running_code_of_thread.find_client = client_of_this_thread;
      running_code_of_thread.find_state = run_state_of_this_thread;
      request.gets_thread(ticks());
      // If it was canceled while it waited for a thread, no caller would see its answer.
      request.later = request.open() && call_handler(request) == BP_LATER;
      leave_to_parent();
      request.leaves_thread(ticks());
      RequestThread::worker_request = nullptr;
      RequestThread::worker_instance = nullptr;
      inbox_.send(static_cast<WorkerDone&>(request));
      inbox_.remove_sender();
    };
    workers_.run({run, request.method->module, request.method, request.instance->generation->number, request.ran,
                  waited, &request});
    return true;
  } catch (const std::exception& error) {
    inbox_.remove_sender();
    --all.on_workers;
    replies_.refuse(request, BP_OUT_OF_MEMORY,
                    text_or_none([&error] { return std::string("no worker thread can be had: ") + error.what(); }));
  }
  return false;
}

void Dispatcher::worker_returned(Request& request) {
  bp_instance& instance = *request.instance;
  const bool serial = is_serial(request);
  const Module& module = *request.method->module;
  handler_ended(request, request.later);  // may free the request; the instance stays until later in this turn
  if (serial) give_to_next(instance);
  leave_worker(module);
}

// The serial handler of an instance has ended, or will not run.
void Dispatcher::give_to_next(bp_instance& instance) {
  instance.worker_busy = false;
  const auto waiting = for_instance_.find(&instance);
  if (waiting == for_instance_.end()) return;
  while (Request* const next = waiting->second.pop()) {
    if (!next->open()) {
      replies_.end(*next);  // canceled while it waited
      continue;
    }
    instance.worker_busy = true;
    if (wait_for_worker(*next)) {
      if (waiting->second.empty()) for_instance_.erase(waiting);
      return;
    }
    instance.worker_busy = false;
  }
  for_instance_.erase(waiting);
}

}  // namespace backplane::host
