// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "fiber/environment.hpp"
#include "fiber/fiber.hpp"
#include "fiber/overflow.hpp"
#include "fiber/stack_pool.hpp"
#include "request/loop_counts.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"
#include "sync/mpsc.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// The fibers that handlers run on, their stacks, and the environments of handlers that have fibers of their own.
///
/// A fiber runs one request after another: its body asks for the next. Only a handler that suspends leaves a fiber in
/// the middle, so a handler that never suspends costs no switch of its own.
class Runner {
 public:
  /// `body` and `argument`: what each fiber runs.
  Runner(const LoopOptions& options, FiberCounts& counts, Heartbeat& heartbeat, Fiber::Body body, void* argument)
      : stack_size_(options.fiber_stack_size),
        fiber_limit_(options.fiber_limit),
        counts_(counts),
        heartbeat_(heartbeat),
        body_(body),
        argument_(argument) {
    environments_.reserve(environments_kept);  // so that the end of a run needs no memory
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner();

  // ---- Fibers ----
  /// A fiber with nothing to do; null if memory cannot be had.
  Fiber* idle_fiber() BP_REQUIRES(on_request_thread);
  /// Runs the fiber until it has nothing to do, or its handler suspends: then returns that request.
  Request* resume(Fiber& fiber) BP_REQUIRES(on_request_thread);
  /// A suspended fiber is to go on.
  void push_ready(Fiber& fiber) noexcept BP_REQUIRES(on_request_thread) { ready_.push(&fiber); }
  Fiber* pop_ready() noexcept BP_REQUIRES(on_request_thread) { return ready_.pop(); }
  bool any_ready() const noexcept BP_REQUIRES(on_request_thread) { return !ready_.empty(); }
  /// The fiber that runs now; null outside of fibers.
  Fiber* running() const noexcept BP_REQUIRES(on_request_thread) { return running_; }
  /// The request whose handler runs now, also while it is inside a host function; null if none does.
  Request* running_request() const noexcept BP_REQUIRES(on_request_thread) {
    return running_ == nullptr ? nullptr : static_cast<Request*>(running_->user);
  }
  bool in_function() const noexcept BP_REQUIRES(on_request_thread) { return in_function_ != 0; }

  /// Lives while the running handler is inside a host function, which runs on the handler's stack but is not the
  /// handler: it cannot await with the handler's token, nor switch its fibers.
  class InFunction {
   public:
    explicit InFunction(Runner& runner) noexcept;
    InFunction(const InFunction&) = delete;
    InFunction& operator=(const InFunction&) = delete;
    ~InFunction();

   private:
    Runner& runner_;
    Environment* const environment_;
  };

  // ---- Environments; see fiber/environment.hpp ----
  /// That of the handler that the calling thread runs; null if it has none. Of that TLS model because a switch costs
  /// little more than a call that looks it up would.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local Environment* environment;
  bool has_environments() const noexcept { return fiber_limit_ != 0; }
  /// For a run that has none. Null if memory cannot be had.
  Environment* make_environment(Request& request) noexcept BP_REQUIRES(on_request_thread);
  /// The handler has returned: unwinds its fibers.
  void end_environment(Request& request) noexcept BP_REQUIRES(on_request_thread);

  // ---- Memory ----
  /// Gives idle stacks back in steps. When there will be more to give back; 0: never.
  Nanos trim_stacks(Nanos time) noexcept BP_REQUIRES(on_request_thread) { return stacks_.trim(time); }
  /// Gives back what a context that rests does not keep.
  void give_back() noexcept BP_REQUIRES(on_request_thread);

  /// For a signal handler on this thread: what runs here, if `address` is in the guard of its stack.
  static bool find_overflow(const void* address, Overflow& found) noexcept;

 private:
  // Environments kept for the next runs, with what they have grown to.
  static constexpr std::size_t environments_kept = 16;

  const std::size_t stack_size_;
  const std::uint64_t fiber_limit_;
  FiberCounts& counts_;
  Heartbeat& heartbeat_;
  const Fiber::Body body_;
  void* const argument_;
  Stacks stacks_ BP_GUARDED_BY(on_request_thread);
  std::vector<std::unique_ptr<Environment>> environments_ BP_GUARDED_BY(on_request_thread);  // in no run
  Fifo<Fiber> ready_ BP_GUARDED_BY(on_request_thread);        // suspended, and now to go on
  Fiber* parked_ BP_GUARDED_BY(on_request_thread) = nullptr;  // with nothing to do
  std::size_t parked_count_ BP_GUARDED_BY(on_request_thread) = 0;
  Fiber* running_ BP_GUARDED_BY(on_request_thread) = nullptr;
  std::uint32_t in_function_ BP_GUARDED_BY(on_request_thread) = 0;  // host functions that the running handler is in
};

}  // namespace backplane::host
