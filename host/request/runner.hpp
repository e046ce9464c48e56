// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
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
  /// What the fibers run: `body` those with the usual stack, `sized_body` all others. Both get `argument`.
  Runner(const LoopOptions& options, FiberCounts& counts, Heartbeat& heartbeat, Fiber::Body body,
         Fiber::Body sized_body, void* argument)
      : usual_(options.fiber_stack_size, usual_kept),
        fiber_limit_(options.fiber_limit),
        counts_(counts),
        heartbeat_(heartbeat),
        body_(body),
        sized_body_(sized_body),
        argument_(argument) {
    environments_.reserve(environments_kept);  // so that the end of a run needs no memory
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner();

  // ---- Fibers ----
  /// A fiber with nothing to do; null if memory cannot be had.
  Fiber* idle_fiber() BP_REQUIRES(on_request_thread) { return take(usual_, body_); }
  /// The same with a stack of another size.
  Fiber* idle_fiber(std::size_t stack_size) BP_REQUIRES(on_request_thread);
  /// The usual size of a stack.
  std::size_t stack_size() const noexcept BP_REQUIRES(on_request_thread) { return usual_.stack_size; }
  /// Runs the fiber until it has nothing to do, or its handler suspends: then returns that request. Call it on the
  /// thread's own stack, or on a fiber in no handler: then that fiber goes on when this returns.
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
  // Fibers of the usual stack kept for the next burst; the stacks of more are given back.
  static constexpr std::size_t usual_kept = 64;

  /// Fibers of one size of stack that have nothing to do.
  struct Parked {
    Parked(std::size_t size, std::size_t most) noexcept
        : stack_size(std::bit_ceil(std::max(size, Stacks::least))), kept(most) {}
    std::size_t stack_size;
    std::size_t kept;
    std::size_t count = 0;
    Fiber* first = nullptr;
  };
  Fiber* take(Parked& parked, Fiber::Body body) BP_REQUIRES(on_request_thread);
  Parked* find_parked(std::size_t stack_size) noexcept BP_REQUIRES(on_request_thread);
  static void drop(Parked& parked, std::size_t kept) noexcept;

  Parked usual_ BP_GUARDED_BY(on_request_thread);
  const std::uint64_t fiber_limit_;
  FiberCounts& counts_;
  Heartbeat& heartbeat_;
  const Fiber::Body body_;
  const Fiber::Body sized_body_;
  void* const argument_;
  Stacks stacks_ BP_GUARDED_BY(on_request_thread);
  std::vector<std::unique_ptr<Environment>> environments_ BP_GUARDED_BY(on_request_thread);  // in no run
  Fifo<Fiber> ready_ BP_GUARDED_BY(on_request_thread);           // suspended, and now to go on
  std::vector<Parked> others_ BP_GUARDED_BY(on_request_thread);  // of handlers with a stack of their own size
  Fiber* running_ BP_GUARDED_BY(on_request_thread) = nullptr;
  std::uint32_t in_function_ BP_GUARDED_BY(on_request_thread) = 0;  // host functions that the running handler is in
};

}  // namespace backplane::host
