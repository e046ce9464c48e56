// SPDX-License-Identifier: Apache-2.0
//
// What becomes of calls of a module whose old generation ends before the new one starts.
#include "request/held_calls.hpp"

#include <new>
#include <string>

#include "request/dispatcher.hpp"
#include "request/submission.hpp"

namespace backplane::host {
namespace {

// The generation whose handler makes this call, directly or through others, if it is that one. It waits for the call,
// so holding it would last for ever.
const Generation* caller_of(const Request& request, const Module& module, std::uint64_t number) noexcept {
  on_request_thread.assume();
  for (const Waiter* waiter = request.waiter(); waiter != nullptr; waiter = waiter->request.waiter()) {
    const bp_instance* const instance = waiter->request.instance;
    if (instance == nullptr || instance->generation->module != &module) continue;
    if (instance->generation->number == number) return instance->generation;
  }
  return nullptr;
}

}  // namespace

// True: the request waits here, or is refused. False: `running` answers it.
bool Dispatcher::hold(Request& request, const Generation*& running) {
  const Module& module = *request.method->module;
  const bool let = held_.lets(request);
  for (;;) {
    const std::uint64_t old = module.held.load(std::memory_order_acquire);
    if (old != 0) {
      const Generation* const caller = caller_of(request, module, old);
      if (caller == nullptr) break;
      running = caller;
      return false;
    }
    if (!let && held_.has(module)) break;
    running = Registry::running(*request.method);  // it may have been released since the last look
    if (running != nullptr || module.held.load(std::memory_order_acquire) == 0) return false;
  }
  if (held_.full()) {
    limits_.held_is_full();
    replies_.refuse(request, BP_OVERLOADED, text_or_none([&] {
                      return "the module \"" + module.name + "\" is being replaced, and " +
                             std::to_string(held_.most()) +
                             " calls of this context wait for such modules, the limit (queue_depth); call again later";
                    }));
    return true;
  }
  backlog_.link(request);
  replies_.watch_time(request);
  // After an undone reload the handlers that were known would be right again, and a later call would not come here.
  if (!held_.has(module)) methods_.forget();
  try {
    held_.add(request, let);
  } catch (const std::bad_alloc&) {
    replies_.refuse(request, BP_OUT_OF_MEMORY, "no memory to wait for the next generation of the module");
  }
  return true;
}

void Dispatcher::end_held() noexcept {
  while (Request* const request = held_.any()) replies_.end(*request);
}

}  // namespace backplane::host
