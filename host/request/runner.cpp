// SPDX-License-Identifier: Apache-2.0
//
// Fibers are taken, resumed and parked here; so are the environments of handlers that make fibers themselves.
#include "request/runner.hpp"

#include <new>
#include <string>
#include <utility>

#include "support/log.hpp"

namespace backplane::host {
namespace {

// Parked fibers kept for the next burst; the stacks of more are given back.
constexpr std::size_t parked_fibers_kept = 64;

// What a context that rests keeps of its fibers.
constexpr std::size_t resting_fibers = 4;

// Says which fibers did not pass on that they were destroyed.
void warn_of_swallowed(const Request& request, const Environment& environment) noexcept try {
  const Environment::Ended& last = environment.swallower();
  log::warn(request.handler->generation->source(),
            "\"" + request.method->name + "\": " + std::to_string(environment.swallowed()) +
                " fiber(s) swallowed their cancellation and count as canceled; the last was fiber " +
                std::to_string(last.id) + ", whose entry returned " + std::to_string(last.status) +
                " instead of BP_CANCELED");
} catch (const std::bad_alloc&) {
  // They are counted all the same.
}

}  // namespace

[[gnu::tls_model("initial-exec")]] constinit thread_local Environment* Runner::environment = nullptr;

Runner::~Runner() {
  on_request_thread.assume();  // it has ended
  while (parked_ != nullptr) delete std::exchange(parked_, parked_->next);
}

Fiber* Runner::idle_fiber() {
  if (parked_ != nullptr) {
    --parked_count_;
    return std::exchange(parked_, parked_->next);
  }
  try {
    StackPool* const stacks = stacks_.of(stack_size_);
    return stacks == nullptr ? nullptr : new Fiber(*stacks, body_, argument_);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Request* Runner::resume(Fiber& fiber) {
  running_ = &fiber;
  if (fiber.user != nullptr) {
    auto& request = *static_cast<Request*>(fiber.user);
    if (request.run_weight != 0) request.is_back(ticks());
    heartbeat_.running(request.method, request.handler->generation->number, request.source);
    environment = request.environment.load(std::memory_order_relaxed);
  }
  fiber.resume();
  environment = nullptr;
  heartbeat_.running_nothing();
  heartbeat_.beat();  // many that go on one after another are no stall either
  running_ = nullptr;
  if (fiber.user != nullptr) return static_cast<Request*>(fiber.user);  // suspended in a handler
  if (parked_count_ >= parked_fibers_kept) {
    delete &fiber;
  } else {
    fiber.next = std::exchange(parked_, &fiber);
    ++parked_count_;
  }
  return nullptr;
}

Runner::InFunction::InFunction(Runner& runner) noexcept
    : runner_(runner), environment_(std::exchange(environment, nullptr)) {
  on_request_thread.assume();
  ++runner_.in_function_;
}

Runner::InFunction::~InFunction() {
  on_request_thread.assume();
  --runner_.in_function_;
  environment = environment_;
}

Environment* Runner::make_environment(Request& request) noexcept {
  Environment* made = nullptr;
  if (environments_.empty()) {
    made = new (std::nothrow) Environment(stacks_, counts_);
    if (made == nullptr) return nullptr;
  } else {
    made = environments_.back().release();
    environments_.pop_back();
  }
  made->begin(request.token(), running_->stack(), fiber_limit_);
  environment = made;
  request.environment.store(made, std::memory_order_relaxed);
  return made;
}

void Runner::end_environment(Request& request) noexcept {
  std::unique_ptr<Environment> ending(request.environment.load(std::memory_order_relaxed));
  ending->close();  // fibers that clean up may still use what the request has
  if (const std::uint64_t id = ending->returned(); id != 0) {
    request.entry_returned = true;
    request.returned_fiber = id;
  }
  request.quick = false;
  request.disown();
  if (ending->swallowed() != 0) warn_of_swallowed(request, *ending);
  ending->end();
  environment = nullptr;
  request.environment.store(nullptr, std::memory_order_relaxed);
  if (environments_.size() < environments_.capacity() && ending->worth_keeping())
    environments_.push_back(std::move(ending));
}

void Runner::give_back() noexcept {
  while (parked_count_ > resting_fibers) {
    delete std::exchange(parked_, parked_->next);
    --parked_count_;
  }
  stacks_.trim_all();
}

bool Runner::find_overflow(const void* address, Overflow& found) noexcept {
  if (RequestThread::current == nullptr) return false;
  on_request_thread.assume();
  Fiber* const fiber = RequestThread::current->runner.running_;
  if (fiber == nullptr) return false;
  const auto* const request = static_cast<const Request*>(fiber->user);
  // Not the thread's: inside a host function that is null, and the handler's stack is still in use.
  const Environment* const of_request =
      request == nullptr ? nullptr : request->environment.load(std::memory_order_relaxed);
  const Stack* const stack = of_request != nullptr            ? of_request->guarding(address, found.fiber)
                             : fiber->stack().guards(address) ? &fiber->stack()
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
