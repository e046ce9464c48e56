// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <new>

#include "fiber/exception_state.hpp"
#include "fiber/stack_pool.hpp"

namespace backplane::host {

/// A stackful thread of control. A root resumes it, and it suspends back to the root. The root is a thread's own stack,
/// or another fiber, which waits meanwhile. The next resume may come from another root. The fiber stays on the thread
/// that first resumed it.
///
/// The body never returns. When it has no more work, it suspends; it may then be resumed with new work, or destroyed.
/// Destroying returns the stack without unwinding, so destroy a fiber only in that state. Exceptions must not leave the
/// body.
class Fiber {
 public:
  using Body = void (*)(Fiber& self, void* argument) noexcept;

  /// The first resume() calls `body` with `argument`. `stacks` must outlive the fiber. Throws std::bad_alloc.
  Fiber(StackPool& stacks, Body body, void* argument);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  /// Runs the fiber until it suspends. Call it on the root, not inside a catch block: the root's exceptions are not
  /// saved.
  void resume() noexcept;

  /// Returns control to the root; returns when resumed. Call it on the fiber, also inside a catch block: the fiber's
  /// exceptions are saved. `stack` is the stack on which the caller runs. In an environment (environment.hpp), it may
  /// differ from the fiber's own stack.
  void suspend(Stack& stack) noexcept;
  void suspend() noexcept { suspend(stack_); }

  Stack& stack() noexcept { return stack_; }

  Fiber* next = nullptr;  ///< for a list of the fiber's owner
  void* user = nullptr;   ///< the owner's data for the fiber's current work

 private:
  static void enter(boost::context::detail::transfer_t from) noexcept;

  StackPool& stacks_;
  Stack& stack_;
  Stack* on_;  ///< the stack on which it continues when resumed
  Body body_;
  void* argument_;
  boost::context::detail::fcontext_t self_ = nullptr;  ///< null while it runs
  boost::context::detail::fcontext_t root_ = nullptr;
  StackMark root_mark_;
};

}  // namespace backplane::host
