// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#include "fiber/sanitizer.hpp"
#include "fiber/stack.hpp"

namespace backplane {

/// A stackful thread of control that one root (a thread's own stack) resumes and that suspends back to
/// it. It stays on the thread that first resumed it.
///
/// The body never returns: when it has nothing left to do it suspends, and may be resumed for more or
/// destroyed. Destroying frees the stack and unwinds nothing, so destroy a fiber only in that state.
/// Exceptions must not leave the body.
class Fiber {
 public:
  using Body = void (*)(Fiber& self, void* argument) noexcept;

  /// Throws std::bad_alloc. `argument` is given to `body` at the first resume.
  Fiber(std::size_t stack_size, Body body, void* argument);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() = default;

  /// Root: runs the fiber until it suspends. Not inside a catch block: what the root handles is not kept.
  void resume() noexcept;

  /// Fiber: goes back to the root; returns when resumed. May be called inside a catch block: the
  /// exceptions being handled are the fiber's own and are kept for it.
  void suspend() noexcept;

  Fiber* next = nullptr;  ///< for a list of whoever owns the fiber
  void* user = nullptr;   ///< what the fiber works on

 private:
  static void enter(boost::context::detail::transfer_t from) noexcept;

  Stack stack_;
  Body body_;
  void* argument_;
  boost::context::detail::fcontext_t self_ = nullptr;
  boost::context::detail::fcontext_t root_ = nullptr;
  FiberSanitizer sanitizer_;
};

}  // namespace backplane
