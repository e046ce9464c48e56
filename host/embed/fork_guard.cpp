// SPDX-License-Identifier: Apache-2.0
#include "embed/fork_guard.hpp"

#include <pthread.h>

#include <atomic>

#include "context/data_dir_lock.hpp"
#include "endpoint/context_table.hpp"
#include "support/forked_child.hpp"

namespace backplane::host {
namespace {

// Counted (seq_cst) before any lock is taken: if a child finds one of these locks held, it also finds the count.
std::atomic<int> uses{0};
std::atomic<bool> used_for_good{false};

// The atfork handler. Runs in the child, on its only thread, before fork() returns.
void forget() noexcept {
  if (uses.load() == 0 && !used_for_good.load()) return;
  is_forked_child.store(true);
  leave_data_dir_to_parent();
  context_table().forget_all();
}

// Registered when the library is loaded. No other thread can be inside the library yet, so no fork is missed.
[[maybe_unused]] const int registered = ::pthread_atfork(nullptr, nullptr, forget);

}  // namespace

ForkGuard::ForkGuard() noexcept { uses.fetch_add(1); }

ForkGuard::~ForkGuard() { uses.fetch_sub(1); }

ForkGuard::operator bool() const noexcept { return !is_forked_child.load(std::memory_order_relaxed); }

void ForkGuard::keep_for_good() noexcept { used_for_good.store(true); }

}  // namespace backplane::host
