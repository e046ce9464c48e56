// SPDX-License-Identifier: Apache-2.0
//
// Fibers are taken, resumed and parked here; so are the environments of handlers that make fibers themselves.
#include "request/runner.hpp"

#include <new>
#include <string>
#include <utility>

#include "support/log.hpp"
#include "support/thread_stack.hpp"

namespace backplane::host {
namespace {

// Of stacks of one other size the same, limited also by their total size.
constexpr std::size_t most_kept = 64;
constexpr std::size_t most_kept_bytes = std::size_t{16} << 20;

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
  drop(usual_, 0);
  for (Parked& parked : others_) drop(parked, 0);
}

void Runner::drop(Parked& parked, std::size_t kept) noexcept {
  while (parked.count > kept) {
    --parked.count;
    delete std::exchange(parked.first, parked.first->next);
  }
}

Fiber* Runner::take(Parked& parked, Fiber::Body body) {
  if (parked.first != nullptr) {
    --parked.count;
    return std::exchange(parked.first, parked.first->next);
  }
  try {
    StackPool* const stacks = stacks_.of(parked.stack_size);
    return stacks == nullptr ? nullptr : new Fiber(*stacks, body, argument_);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Runner::Parked* Runner::find_parked(std::size_t stack_size) noexcept {
  for (Parked& parked : others_) {
    if (parked.stack_size == stack_size) return &parked;
  }
  return nullptr;
}

Fiber* Runner::idle_fiber(std::size_t stack_size) {
  Parked* parked = find_parked(stack_size);
  if (parked == nullptr) {
    try {
      parked = &others_.emplace_back(stack_size, std::clamp<std::size_t>(most_kept_bytes / stack_size, 1, most_kept));
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  return take(*parked, sized_body_);
}

Request* Runner::resume(Fiber& fiber) {
  Fiber* const outer = std::exchange(running_, &fiber);
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
  running_ = outer;
  if (fiber.user != nullptr) return static_cast<Request*>(fiber.user);  // suspended in a handler
  const std::size_t size = fiber.stack().size();
  Parked& parked = size == usual_.stack_size ? usual_ : *find_parked(size);
  if (parked.count >= parked.kept) {
    delete &fiber;
  } else {
    fiber.next = std::exchange(parked.first, &fiber);
    ++parked.count;
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
  drop(usual_, resting_fibers);
  for (Parked& parked : others_) drop(parked, 0);
  stacks_.trim_all();
}

namespace {

void name(const Request& request, Overflow& found) noexcept {
  if (request.method != nullptr) found.wire_name = request.method->name.c_str();
  if (request.handler != nullptr) found.module = request.handler->generation->manifest.name.c_str();
}

}  // namespace

bool Runner::find_overflow(const void* address, Overflow& found) noexcept {
  if (const Request* const request = RequestThread::worker_request) {
    const ThreadStack& stack = ThreadStack::of_thread;
    if (!stack.guards(address)) return false;
    found.blocking = true;
    found.stack_size = static_cast<std::size_t>(stack.high - stack.low);
    name(*request, found);
    return true;
  }
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
  if (request != nullptr) name(*request, found);
  return true;
}

}  // namespace backplane::host
