// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <new>

#include "fiber/exception_state.hpp"
#include "fiber/stack_pool.hpp"

namespace backplane::host {

/// A stackful thread of control that one root (a thread's own stack) resumes and that suspends back to
/// it. It stays on the thread that first resumed it.
///
/// The body never returns: when it has nothing left to do it suspends, and may be resumed for more or
/// destroyed. Destroying gives the stack back and unwinds nothing, so destroy a fiber only in that state.
/// Exceptions must not leave the body.
class Fiber {
 public:
  using Body = void (*)(Fiber& self, void* argument) noexcept;

  /// Throws std::bad_alloc. `argument` is given to `body` at the first resume. `stacks` outlives the fiber.
  Fiber(StackPool& stacks, Body body, void* argument);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  /// Root: runs the fiber until it suspends. Not inside a catch block: what the root handles is not kept.
  void resume() noexcept;

  /// Fiber: goes back to the root; returns when resumed. May be called inside a catch block: the
  /// exceptions being handled are the fiber's own and are kept for it. `stack` is the one that the caller
  /// runs on, which in an environment (see environment.hpp) may be another than the fiber's.
  void suspend(Stack& stack) noexcept;
  void suspend() noexcept { suspend(stack_); }

  Stack& stack() noexcept { return stack_; }

  Fiber* next = nullptr;  ///< for a list of whoever owns the fiber
  void* user = nullptr;   ///< what the fiber works on

 private:
  static void enter(boost::context::detail::transfer_t from) noexcept;

  StackPool& stacks_;
  Stack& stack_;
  Stack* on_;  ///< where it goes on when resumed
  Body body_;
  void* argument_;
  boost::context::detail::fcontext_t self_ = nullptr;  ///< null while it runs
  boost::context::detail::fcontext_t root_ = nullptr;
  StackMark root_mark_;
};

}  // namespace backplane::host
