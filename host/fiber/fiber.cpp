// SPDX-License-Identifier: Apache-2.0
#include "fiber/fiber.hpp"

#include <cxxabi.h>

#include <exception>

namespace backplane {
namespace {

namespace ctx = boost::context::detail;

// What the C++ runtime keeps per thread of exceptions that are being handled (Itanium C++ ABI,
// "Exception Handling", 2.2.2). Boost.Context does not switch it, so a fiber that suspends in a catch
// block would leave its exceptions to whoever runs next.
struct Handled {
  void* caught;
  unsigned int uncaught;
};

Handled exchange_handled(Handled with) noexcept {
  auto* const globals = reinterpret_cast<Handled*>(abi::__cxa_get_globals());
  const Handled before = *globals;
  *globals = with;
  return before;
}

}  // namespace

Fiber::Fiber(std::size_t stack_size, Body body, void* argument)
    : stack_(stack_size), body_(body), argument_(argument), sanitizer_(stack_.bottom(), stack_.size()) {
  self_ = ctx::make_fcontext(stack_.top(), stack_.size(), enter);
}

void Fiber::resume() noexcept {
  sanitizer_.leave_root();
  const ctx::transfer_t from = ctx::jump_fcontext(self_, this);
  self_ = from.fctx;
  sanitizer_.arrive_root();
}

void Fiber::suspend() noexcept {
  const Handled mine = exchange_handled({nullptr, 0});
  sanitizer_.leave_fiber();
  root_ = ctx::jump_fcontext(root_, nullptr).fctx;
  sanitizer_.arrive_fiber();
  exchange_handled(mine);
}

void Fiber::enter(ctx::transfer_t from) noexcept {
  auto* const self = static_cast<Fiber*>(from.data);
  self->root_ = from.fctx;
  self->sanitizer_.arrive_fiber();
  self->body_(*self, self->argument_);
  std::terminate();  // a body does not return
}

}  // namespace backplane
