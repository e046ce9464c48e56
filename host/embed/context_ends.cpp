// SPDX-License-Identifier: Apache-2.0
#include "embed/context_ends.hpp"

#include <algorithm>
#include <new>

#include "endpoint/context_table.hpp"

namespace backplane::host {

ContextEnds& context_ends() noexcept {
  alignas(ContextEnds) static char place[sizeof(ContextEnds)];
  static auto* const all = new (place) ContextEnds;
  return *all;
}

bp_status ContextEnds::add(bp_context ctx, std::uint32_t state, bp_context_fn reached, void* user) {
  Caller self{ctx, std::this_thread::get_id(), nullptr};
  const bool is_before_end = state == BP_CONTEXT_STOPPING;
  {
    const MutexLock lock(mutex_);
    // The table's word is final while mutex_ is locked: who changes it then comes here for the entries.
    const ContextTable::Life life = context_table().life_of(ctx);
    if (life == ContextTable::Life::unknown) return BP_INVALID_HANDLE;
    const bool has_reached =
        life == ContextTable::Life::gone || (is_before_end && life == ContextTable::Life::stopping);
    if (!has_reached) {
      entries_.push_back({ctx, state, reached, user});
      return BP_OK;
    }
    if (is_before_end) link(self);  // a stop that is under way goes on when this has returned
  }
  reached(user);
  if (is_before_end) {
    const MutexLock lock(mutex_);
    unlink(self);
    returned_.notify_all();
  }
  return BP_OK;
}

bool ContextEnds::stopping(bp_context ctx) {
  Caller self{ctx, std::this_thread::get_id(), nullptr};
  {
    const MutexLock lock(mutex_);
    for (const Caller* each = callers_; each != nullptr; each = each->next) {
      if (each->ctx.id == ctx.id && each->thread == self.thread) return false;
    }
    context_table().begin_stop(ctx);
    link(self);
  }
  call_all(ctx, BP_CONTEXT_STOPPING);
  MutexLock lock(mutex_);
  unlink(self);
  returned_.notify_all();
  returned_.wait(lock, [&]() BP_REQUIRES(mutex_) { return !is_calling(ctx); });
  return true;
}

void ContextEnds::gone(bp_context ctx) noexcept { call_all(ctx, BP_CONTEXT_STOPPING | BP_CONTEXT_GONE); }

bool ContextEnds::is_calling(bp_context ctx) const noexcept {
  for (const Caller* each = callers_; each != nullptr; each = each->next) {
    if (each->ctx.id == ctx.id) return true;
  }
  return false;
}

void ContextEnds::call_all(bp_context ctx, std::uint32_t states) {
  for (;;) {
    Entry entry{};
    {
      const MutexLock lock(mutex_);
      const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) {
        return each.ctx.id == ctx.id && (each.state & states) != 0;
      });
      if (at == entries_.end()) return;
      entry = *at;
      entries_.erase(at);
    }
    entry.reached(entry.user);
  }
}

void ContextEnds::link(Caller& caller) noexcept {
  caller.next = callers_;
  callers_ = &caller;
}

void ContextEnds::unlink(const Caller& caller) noexcept {
  Caller** link = &callers_;
  while (*link != &caller) link = &(*link)->next;
  *link = caller.next;
}

}  // namespace backplane::host
