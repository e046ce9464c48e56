// SPDX-License-Identifier: Apache-2.0
//
// Blocking handlers, which run on worker threads. The serial ones of an instance wait for each other here.
#include <exception>
#include <string>

#include "request/dispatcher.hpp"
#include "request/submission.hpp"

namespace backplane::host {

void Dispatcher::run_on_worker(Request& request) {
  backlog_.link(request);
  request.run_weight = 1;  // a change of threads costs more than all clocks
  replies_.watch_time(request);
  const bool serial = (request.handler->flags & BP_HANDLER_CONCURRENT) == 0;
  if (serial && request.instance->worker_busy) {
    if (caller_holds(request)) {
      return replies_.refuse(request, BP_REENTRANT, text_or_none([&request] {
                               return "\"" + request.method->name +
                                      "\" waits for a blocking handler of the same instance that waits for it; "
                                      "declare them concurrent, or call a function instead";
                             }));
    }
    request.instance->waiting.push(&request);
  } else {
    start_worker(request);
  }
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

void Dispatcher::start_worker(Request& request) {
  const bool serial = (request.handler->flags & BP_HANDLER_CONCURRENT) == 0;
  if (serial) request.instance->worker_busy = true;
  WorkerDone& returned = request;
  returned.apply = [](Task& task) {
    auto& done = static_cast<Request&>(static_cast<WorkerDone&>(task));
    on_request_thread.assume();
    done.thread.load(std::memory_order_relaxed)->dispatcher.worker_returned(done);
  };
  // The worker is a sender for as long as it runs; see TaskInbox::Sender.
  inbox_.add_sender();
  try {
    workers_.run([this, &request] {
      RequestThread::worker_request = &request;
      request.gets_thread(ticks());
      // If it was canceled while it waited for a thread, no caller would see its answer.
      request.later = request.open() && call_handler(request) == BP_LATER;
      request.leaves_thread(ticks());
      RequestThread::worker_request = nullptr;
      inbox_.send(static_cast<WorkerDone&>(request));
      inbox_.remove_sender();
    });
  } catch (const std::exception& error) {
    inbox_.remove_sender();
    if (serial) request.instance->worker_busy = false;
    replies_.refuse(request, BP_OUT_OF_MEMORY,
                    text_or_none([&error] { return std::string("no worker thread can be had: ") + error.what(); }));
  }
}

void Dispatcher::worker_returned(Request& request) {
  bp_instance& instance = *request.instance;
  const bool serial = (request.handler->flags & BP_HANDLER_CONCURRENT) == 0;
  handler_ended(request, request.later);  // may free the request; the instance stays until later in this turn
  if (!serial) return;
  instance.worker_busy = false;
  while (!instance.worker_busy) {
    Request* const next = instance.waiting.pop();
    if (next == nullptr) return;
    if (next->open()) {
      start_worker(*next);
    } else {
      replies_.end(*next);  // canceled while it waited
    }
  }
}

}  // namespace backplane::host
