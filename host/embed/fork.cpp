// SPDX-License-Identifier: Apache-2.0
#include "embed/fork.hpp"

#include <pthread.h>

#include <atomic>

#include "embed/slots.hpp"

namespace backplane {
namespace {

// seq_cst, and counted before the locks of the use are taken: a child that finds one of them held finds the
// use, too.
std::atomic<int> uses{0};
std::atomic<bool> used_for_good{false};

std::atomic<bool> forked{false};

// In the child, on its only thread, before fork() returns there.
void forget() noexcept {
  if (uses.load() == 0 && !used_for_good.load()) return;
  forked.store(true);
  slots().forget_all();
}

// When the library is loaded: no other thread can be within it yet, so no fork is missed.
[[maybe_unused]] const int registered = ::pthread_atfork(nullptr, nullptr, forget);

}  // namespace

Use::Use() noexcept { uses.fetch_add(1); }

Use::~Use() { uses.fetch_sub(1); }

Use::operator bool() const noexcept { return !forked.load(std::memory_order_relaxed); }

void Use::keep() noexcept { used_for_good.store(true); }

}  // namespace backplane
