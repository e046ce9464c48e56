// SPDX-License-Identifier: Apache-2.0
//
// Creates, switches and destroys the fibers of one run of a handler, with Boost.Context.
#include "fiber/environment.hpp"

#include <exception>
#include <new>
#include <utility>

#include "support/forked_child.hpp"
#include "sync/single_writer_count.hpp"

namespace backplane::host {
namespace {

namespace ctx = boost::context::detail;

constexpr std::size_t default_stack = 64 * 1024;
constexpr std::size_t members_in_block = 64;

}  // namespace

void Environment::begin(std::uint64_t run, Stack& stack, std::uint64_t limit) noexcept {
  run_ = run;
  limit_ = limit;
  handled_ = &ExceptionState::of_thread();
  main_.environment = this;
  main_.stack = &stack;
  stack.inner = &main_.context;
  next_id_ = 1;
  swallowed_ = returned_ = 0;
  ended_ = swallower_ = {};
  open_ = true;
}

void Environment::end() noexcept {
  main_.stack->inner = nullptr;
  run_ = 0;
}

bp_status Environment::create(const bp_fiber_desc& desc, std::uint64_t& id) noexcept {
  if (desc.stack_size != usual_size_ || usual_ == nullptr) {
    const std::uint64_t size = desc.stack_size == 0 ? default_stack : desc.stack_size;
    StackPool* const pool = stacks_.of(size);
    if (pool == nullptr) return BP_OUT_OF_MEMORY;
    usual_ = pool;
    usual_size_ = desc.stack_size;
  }
  if (members_.size() >= limit_ || !members_.reserve() || (free_ == nullptr && !grow())) return BP_OUT_OF_MEMORY;
  Member& member = *std::exchange(free_, free_->older);
  member.id = next_id_++;
  member.stacks = usual_;
  member.entry = desc.entry;
  member.release = desc.release;
  member.arg = desc.arg;
  member.newer = nullptr;
  member.older = newest_;
  if (newest_ != nullptr) newest_->newer = &member;
  newest_ = &member;
  members_.put(member);
  add_single_writer(counts_.created);
  add_single_writer(counts_.alive);
  id = member.id;
  return BP_OK;
}

// The first half of switch_to(): everything before the jump.
Environment::Departure Environment::depart(Environment& environment, std::uint64_t id) noexcept {
  static_assert(offsetof(Member, context) == 0 && offsetof(Member, arrival) == 8, "as switch_to() has them");
  static_assert(offsetof(Member, environment) == 16, "as scripts/lib/gdb_stacks.py has it");
  Member& self = *environment.active_;
  Departure departure{nullptr, {}};
  const auto refuse = [&departure](bp_status status) {
    departure.refused = status;
    return departure;
  };
  if (environment.canceled()) return refuse(BP_CANCELED);
  if (id == self.id) return refuse(BP_OK);
  Member* const to = id == BP_FIBER_MAIN ? &environment.main_ : environment.members_.find(id);
  if (to == nullptr) return refuse(BP_NOT_FOUND);
  if (to->stack == nullptr && !environment.start(*to)) return refuse(BP_OUT_OF_MEMORY);
  self.arrival = BP_OK;
  environment.leave(self, *to);
  departure.to = std::exchange(to->context, nullptr);
  departure.from = &self;
  return departure;
}

// BACKPLANE_PLAIN_SWITCH selects the portable version below, for tests.
#if defined(__x86_64__) && !defined(BP_ASAN) && !defined(BP_TSAN) && !defined(BACKPLANE_PLAIN_SWITCH) && \
    !(defined(__CET__) && (__CET__ & 2) != 0)

extern "C" [[gnu::used, gnu::visibility("hidden")]] Environment::Departure backplane_fiber_depart(
    Environment& environment, std::uint64_t id) noexcept {
  return Environment::depart(environment, id);
}

// Does the same as the portable version below, but faster. A processor predicts the target of `ret` from earlier calls.
// A switch returns to a different call, so each following `ret` would be mispredicted, which costs as much as the
// switch itself. So this enters and leaves the jump without `call` and `ret`.
[[gnu::naked]] bp_status Environment::switch_to(std::uint64_t) noexcept {
  asm(R"(
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    call backplane_fiber_depart # rax: to; rdx: from, or the status
    test %rax, %rax
    je 2f
    mov %rdx, %rbx
    mov %rax, %rdi
    mov %rdx, %rsi
    lea 1f(%rip), %rcx
    push %rcx
    .cfi_adjust_cfa_offset 8
    jmp jump_fcontext@PLT
    .cfi_adjust_cfa_offset -8
    nop                             # never runs: debuggers look up a return address by the byte before it
1:  test %rdx, %rdx                 # the member that jumped here, or 0 if it has ended; rax: its context
    je 3f
    mov %rax, (%rdx)
3:  mov 8(%rbx), %eax
    pop %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    pop %rcx
    .cfi_adjust_cfa_offset -8
    jmp *%rcx
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset %rbx, 0
2:  mov %edx, %eax
    pop %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    ret
  )");
}

#else

bp_status Environment::switch_to(std::uint64_t id) noexcept {
  const Departure departure = depart(*this, id);
  if (departure.to == nullptr) return departure.refused;
  arrive(*departure.from, ctx::jump_fcontext(departure.to, departure.from));
  return departure.from->arrival;
}

#endif

bp_status Environment::destroy(std::uint64_t id) noexcept {
  Member& self = *active_;
  if (id == self.id || id == BP_FIBER_MAIN) return BP_INVALID_ARGUMENT;
  Member* const victim = members_.find(id);
  if (victim == nullptr) return BP_OK;
  if (victim->destroys) return BP_INVALID_ARGUMENT;
  if (victim->stack == nullptr) {
    const bp_fiber_release_fn release = victim->release;
    void* const arg = victim->arg;
    retire(*victim);
    if (release != nullptr) release(arg);
    return BP_OK;
  }
  victim->destroyer = &self;
  victim->arrival = BP_CANCELED;
  self.destroys = true;
  jump(self, *victim);
  self.destroys = false;
  return BP_OK;
}

bp_status Environment::close() noexcept {
  if (active_ != &main_) return BP_INVALID_ARGUMENT;
  while (newest_ != nullptr) destroy(newest_->id);
  open_ = false;
  return BP_OK;
}

// Checks all members, not only the active one: a switch changes active_ before it has left the old stack.
const Stack* Environment::guarding(const void* address, std::uint64_t& id) const noexcept {
  for (const Member* member = &main_; member != nullptr; member = member == &main_ ? newest_ : member->older) {
    if (member->stack == nullptr || !member->stack->guards(address)) continue;
    id = member->id;
    return member->stack;
  }
  return nullptr;
}

bool Environment::start(Member& member) noexcept {
  Stack* const stack = member.stacks->take();
  if (stack == nullptr) return false;
  member.stack = stack;
  member.context = ctx::make_fcontext(stack->top(), stack->size(), enter);
  stack->context = &member.context;
  stack->label = main_.stack->label;
  stack->id = member.id;
  return true;
}

// Must precede each jump from the active member to a suspended one.
inline void Environment::leave(Member& from, Member& to) noexcept {
  handled_->exchange(to.handled, from.handled);
  active_ = &to;
  from.stack->mark.leave_to(to.stack->mark);
}

// Must follow each jump, after another member has jumped back.
inline void Environment::arrive(Member& self, ctx::transfer_t came) noexcept {
  if (came.data != nullptr) static_cast<Member*>(came.data)->context = came.fctx;
  self.stack->mark.arrive();
  reap();
}

void Environment::jump(Member& from, Member& to) noexcept {
  leave(from, to);
  arrive(from, ctx::jump_fcontext(std::exchange(to.context, nullptr), &from));
}

void Environment::enter(ctx::transfer_t from) noexcept {
  auto& starter = *static_cast<Member*>(from.data);
  starter.context = from.fctx;
  Environment& environment = *starter.environment;
  Member& self = *environment.active_;
  self.stack->mark.arrive();
  const bp_status status = self.entry(self.arg);
  leave_to_parent();
  if (self.release != nullptr) self.release(self.arg);
  environment.finish(self, status);
}

void Environment::finish(Member& self, bp_status status) noexcept {
  Member& to = self.destroyer == nullptr ? main_ : *self.destroyer;
  if (self.destroyer == nullptr) {
    ended_ = {self.id, status == BP_OK ? static_cast<bp_status>(BP_ENTRY_RETURNED) : status};
    if (ended_.status == BP_ENTRY_RETURNED) returned_ = self.id;
    main_.arrival = ended_.status;
  } else if (status != BP_CANCELED && status != BP_DEADLINE) {
    ++swallowed_;
    swallower_ = {self.id, status};
    add_single_writer(counts_.swallowed);
  }
  *handled_ = to.handled;
  active_ = &to;
  Stack& stack = *self.stack;
  // The stack and the member are free from here on, but no code that could take them runs before the jump.
  self.stacks->give_back(stack);
  retire(self);
#if defined(BP_TSAN)
  left_ = &stack;
#endif
  stack.mark.leave_for_good(to.stack->mark);
  ctx::jump_fcontext(std::exchange(to.context, nullptr), nullptr);
  std::terminate();  // unreachable: no member can jump back
}

// ThreadSanitizer keeps state for a stack while it is in use. So end the mark of a fiber on another stack.
void Environment::reap() noexcept {
#if defined(BP_TSAN)
  if (left_ != nullptr) std::exchange(left_, nullptr)->mark.end();
#endif
}

// Removes the member from all lists, and keeps its memory for reuse.
void Environment::retire(Member& member) noexcept {
  members_.erase(member);
  (member.newer == nullptr ? newest_ : member.newer->older) = member.older;
  if (member.older != nullptr) member.older->newer = member.newer;
  member.stack = nullptr;
  member.context = nullptr;
  member.destroyer = nullptr;
  member.handled = {};
  member.older = std::exchange(free_, &member);
  drop_single_writer(counts_.alive);
}

bool Environment::grow() noexcept {
  try {
    blocks_.push_back(std::make_unique<Member[]>(members_in_block));
  } catch (const std::bad_alloc&) {
    return false;
  }
  for (std::size_t i = members_in_block; i-- > 0;) {
    Member& member = blocks_.back()[i];
    member.environment = this;
    member.older = std::exchange(free_, &member);
  }
  return true;
}

}  // namespace backplane::host
