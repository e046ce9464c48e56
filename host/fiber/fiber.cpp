// SPDX-License-Identifier: Apache-2.0
#include "fiber/fiber.hpp"

#include <exception>
#include <utility>

namespace backplane::host {
namespace {

namespace ctx = boost::context::detail;

Stack& stack_of(StackPool& stacks) {
  Stack* const stack = stacks.take();
  if (stack == nullptr) throw std::bad_alloc();
  return *stack;
}

}  // namespace

Fiber::Fiber(StackPool& stacks, Body body, void* argument)
    : stacks_(stacks), stack_(stack_of(stacks)), on_(&stack_), body_(body), argument_(argument) {
  self_ = ctx::make_fcontext(stack_.top(), stack_.size(), enter);
  stack_.context = &self_;
  stack_.label = nullptr;
  stack_.id = 0;
}

Fiber::~Fiber() {
  stack_.mark.end();
  stacks_.give_back(stack_);
}

void Fiber::resume() noexcept {
  root_mark_.leave_to(on_->mark);
  const ctx::transfer_t from = ctx::jump_fcontext(std::exchange(self_, nullptr), this);
  self_ = from.fctx;
  root_mark_.arrive();
}

void Fiber::suspend(Stack& stack) noexcept {
  ExceptionState& handled = ExceptionState::of_thread();
  const ExceptionState mine = std::exchange(handled, {});
  on_ = &stack;
  stack.mark.leave_to(root_mark_);
  root_ = ctx::jump_fcontext(root_, nullptr).fctx;
  stack.mark.arrive_from_thread(root_mark_);
  handled = mine;
}

void Fiber::enter(ctx::transfer_t from) noexcept {
  auto* const self = static_cast<Fiber*>(from.data);
  self->root_ = from.fctx;
  self->stack_.mark.arrive_from_thread(self->root_mark_);
  self->body_(*self, self->argument_);
  std::terminate();  // a body must not return
}

}  // namespace backplane::host
