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
  {
    const MutexLock lock(mutex_);
    // The table's word is final while mutex_ is locked: who changes it then comes here for the entries.
    const ContextTable::Life life = context_table().life_of(ctx);
    if (life == ContextTable::Life::unknown) return BP_INVALID_HANDLE;
    const bool has_reached =
        life == ContextTable::Life::gone || (state == BP_CONTEXT_STOPPING && life == ContextTable::Life::stopping);
    if (!has_reached) {
      entries_.push_back({ctx, state, reached, user});
      return BP_OK;
    }
  }
  reached(user);
  return BP_OK;
}

bool ContextEnds::stopping(bp_context ctx) {
  MutexLock lock(mutex_);
  for (const Caller* each = callers_; each != nullptr; each = each->next) {
    if (each->ctx.id == ctx.id && each->thread == std::this_thread::get_id()) return false;
  }
  context_table().begin_stop(ctx);
  call_all(lock, ctx, BP_CONTEXT_STOPPING);
  returned_.wait(lock, [&]() BP_REQUIRES(mutex_) { return !is_calling(ctx); });
  return true;
}

void ContextEnds::gone(bp_context ctx) noexcept {
  MutexLock lock(mutex_);
  call_all(lock, ctx, BP_CONTEXT_STOPPING | BP_CONTEXT_GONE);
}

bool ContextEnds::is_calling(bp_context ctx) const noexcept {
  for (const Caller* each = callers_; each != nullptr; each = each->next) {
    if (each->ctx.id == ctx.id) return true;
  }
  return false;
}

void ContextEnds::call_all(MutexLock& lock, bp_context ctx, std::uint32_t states) {
  Caller self{ctx, std::this_thread::get_id(), callers_};
  callers_ = &self;
  for (;;) {
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) {
      return each.ctx.id == ctx.id && (each.state & states) != 0;
    });
    if (at == entries_.end()) break;
    const Entry entry = *at;
    entries_.erase(at);
    lock.unlock();
    entry.reached(entry.user);
    lock.lock();
  }
  Caller** link = &callers_;
  while (*link != &self) link = &(*link)->next;
  *link = self.next;
  returned_.notify_all();
}

}  // namespace backplane::host
