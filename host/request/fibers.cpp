// SPDX-License-Identifier: Apache-2.0
//
// bp.fiber/1: which environment a call is about. What happens in it is in fiber/environment.cpp.
#include <utility>

#include "request/loop.hpp"
#include "support/log.hpp"
#include "support/sized.hpp"

namespace backplane::host {
namespace {

// That of the handler that the calling thread runs. Of that TLS model because a switch costs little more than
// the call that looks it up would.
[[gnu::tls_model("initial-exec")]] thread_local Environment* current_environment = nullptr;

}  // namespace

void RequestLoop::enter_environment(const Request& request) noexcept {
  current_environment = request.environment.load(std::memory_order_relaxed);
}
void RequestLoop::leave_environment() noexcept { current_environment = nullptr; }

RequestLoop::InFunction::InFunction(RequestLoop& loop) noexcept
    : loop_(loop), environment_(std::exchange(current_environment, nullptr)) {
  ++loop_.in_function_;
}

RequestLoop::InFunction::~InFunction() {
  --loop_.in_function_;
  current_environment = environment_;
}

// BP_OK with null: the run has none.
inline bp_status RequestLoop::find_environment(bp_token call, Environment*& found) noexcept {
  found = current_environment;
  if (found != nullptr && found->run() == call) [[likely]] {
    if (!found->is_open()) found = nullptr;
    return BP_OK;
  }
  found = nullptr;
  return no_environment(call);
}

// BP_OK: the run could have one.
[[gnu::noinline]] bp_status RequestLoop::no_environment(bp_token call) noexcept {
  const Request* const request = current_worker_request == nullptr ? current(call) : nullptr;
  if (request == nullptr) return BP_NOT_SUPPORTED;
  return request->loop.load(std::memory_order_relaxed)->options_.fiber_limit == 0 ? BP_NOT_SUPPORTED : BP_OK;
}

// For a run that is known to have none.
bp_status RequestLoop::make_environment(bp_token call, Environment*& made) noexcept {
  if (current_environment != nullptr) {  // closed, and its ids are not to be used again
    made = current_environment;
    made->open();
    return BP_OK;
  }
  Request& request = *current(call);
  RequestLoop& loop = *request.loop.load(std::memory_order_relaxed);
  auto& resting = loop.environments_;
  if (resting.empty()) {
    made = new (std::nothrow) Environment(loop.stacks_, loop.counts_.fibers);
    if (made == nullptr) return BP_OUT_OF_MEMORY;
  } else {
    made = resting.back().release();
    resting.pop_back();
  }
  made->begin(call, loop.running_fiber_->stack(), loop.options_.fiber_limit);
  current_environment = made;
  request.environment.store(made, std::memory_order_relaxed);
  return BP_OK;
}

bp_status RequestLoop::fiber_open(bp_token call) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  if (status != BP_OK) return status;
  return environment == nullptr ? make_environment(call, environment) : static_cast<bp_status>(BP_REENTRANT);
}

bp_status RequestLoop::fiber_close(bp_token call) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  return environment == nullptr ? status : environment->close();
}

bp_status RequestLoop::fiber_create(bp_token call, const bp_fiber_desc* desc, std::uint64_t* id) noexcept {
  Environment* environment = nullptr;
  bp_status status = find_environment(call, environment);
  if (status != BP_OK) return status;
  if (environment != nullptr && environment->canceled()) return BP_CANCELED;
  if (!covers_core(desc) || id == nullptr || !Environment::possible(*desc)) return BP_INVALID_ARGUMENT;
  if (environment == nullptr) status = make_environment(call, environment);
  return status == BP_OK ? environment->create(*desc, *id) : status;
}

bp_status RequestLoop::fiber_switch(bp_token call, std::uint64_t id) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  if (environment != nullptr) [[likely]]
    return environment->switch_to(id);
  if (status != BP_OK) return status;
  return id == BP_FIBER_MAIN ? BP_OK : BP_NOT_FOUND;  // in an environment without fibers
}

bp_status RequestLoop::fiber_destroy(bp_token call, std::uint64_t id) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  if (environment != nullptr) return environment->destroy(id);
  return status == BP_OK && id == BP_FIBER_MAIN ? static_cast<bp_status>(BP_INVALID_ARGUMENT) : status;
}

bp_status RequestLoop::fiber_active(bp_token call, std::uint64_t* id) noexcept {
  Environment* environment = nullptr;
  const bp_status status = find_environment(call, environment);
  if (status != BP_OK) return status;
  if (id == nullptr) return BP_INVALID_ARGUMENT;
  *id = environment == nullptr ? BP_FIBER_MAIN : environment->active();
  return BP_OK;
}

bp_status RequestLoop::fiber_ended(bp_token call, std::uint64_t* id, bp_status* status) noexcept {
  Environment* environment = nullptr;
  const bp_status found = find_environment(call, environment);
  if (found != BP_OK) return found;
  if (environment == nullptr) environment = current_environment;  // closed, but it knows
  if (environment == nullptr || environment->ended().id == 0) return BP_NOT_FOUND;
  if (id != nullptr) {
    environment->asked();
    *id = environment->ended().id;
  }
  if (status != nullptr) *status = environment->ended().status;
  return BP_OK;
}

// The handler has returned.
void RequestLoop::end_environment(Request& request) noexcept {
  std::unique_ptr<Environment> environment(request.environment.load(std::memory_order_relaxed));
  environment->close();  // fibers that clean up may still use what the request has
  if (const std::uint64_t id = environment->returned(); id != 0) {
    request.entry_returned = true;
    request.returned_fiber = id;
  }
  request.quick = false;
  request.disown();
  if (environment->swallowed() != 0) {
    const Environment::Ended& last = environment->swallower();
    const std::string& module = request.handler->generation->manifest.name;
    try {
      log::warn(module, "\"" + request.method->name + "\": " + std::to_string(environment->swallowed()) +
                            " fiber(s) swallowed their cancellation and count as canceled; the last was fiber " +
                            std::to_string(last.id) + ", whose entry returned " + std::to_string(last.status) +
                            " instead of BP_CANCELED");
    } catch (const std::bad_alloc&) {
      // They are counted all the same.
    }
  }
  environment->end();
  current_environment = nullptr;
  request.environment.store(nullptr, std::memory_order_relaxed);
  if (environments_.size() < environments_.capacity() && environment->worth_keeping())
    environments_.push_back(std::move(environment));
  if (std::exchange(request.held, false)) deliveries_.push(static_cast<Delivery*>(&request));
}

// On the thread's signal stack: who runs here, if `address` is in the guard of its stack.
bool RequestLoop::find_overflow(const void* address, Overflow& found) noexcept {
  if (current_loop == nullptr || current_loop->running_fiber_ == nullptr) return false;
  Fiber& fiber = *current_loop->running_fiber_;
  const auto* const request = static_cast<const Request*>(fiber.user);
  // Not the thread's: a host function that the handler calls is without, and still on the handler's stack.
  const Environment* const environment =
      request == nullptr ? nullptr : request->environment.load(std::memory_order_relaxed);
  const Stack* const stack = environment != nullptr          ? environment->guarding(address, found.fiber)
                             : fiber.stack().guards(address) ? &fiber.stack()
                                                             : nullptr;
  if (stack == nullptr) return false;
  found.stack_size = stack->size();
  if (request != nullptr) {
    if (request->method != nullptr) found.wire_name = request->method->name.c_str();
    if (request->handler != nullptr) found.module = request->handler->generation->manifest.name.c_str();
  }
  return true;
}

}  // namespace backplane::host
