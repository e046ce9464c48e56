// SPDX-License-Identifier: Apache-2.0
#include "memory/budget.hpp"

#include <pthread.h>

#include <cinttypes>
#include <cstdio>

namespace backplane::host {
namespace {

void raise_to(std::atomic<std::uint64_t>& most, std::uint64_t value) noexcept {
  std::uint64_t before = most.load(std::memory_order_relaxed);
  while (before < value && !most.compare_exchange_weak(before, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

constinit MemoryBudget memory_budget;

bool MemoryBudget::take(std::uint64_t size, MemoryUse use) noexcept {
  const std::uint64_t limit = this->limit();
  const std::uint64_t reserves = use == MemoryUse::large ? 2 : 1;
  const std::uint64_t most = limit - reserves * reserve_of(limit);
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (used > most || size > most - used) return false;
  } while (!used_.compare_exchange_weak(used, used + size, std::memory_order_relaxed));
  note_peak(used + size);
  return true;
}

void MemoryBudget::note_peak(std::uint64_t used) noexcept {
  raise_to(peak_, used);
  raise_to(high_, used);
}

MemoryBudget::Counts MemoryBudget::counts() const noexcept {
  return {limit(), used_.load(std::memory_order_relaxed), peak_.load(std::memory_order_relaxed),
          refused_.load(std::memory_order_relaxed)};
}

std::uint64_t MemoryBudget::take_high() noexcept {
  return high_.exchange(used_.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

bool MemoryAccount::charge_more(std::uint64_t size, MemoryUse use) noexcept {
  const std::uint64_t missing = size - free_;
  const std::uint64_t rounded = (missing + step - 1) / step * step;
  if (is_open() && rounded >= missing && budget_.take(rounded, use)) {
    free_ += rounded - size;
    return true;
  }
  if (budget_.take(missing, use)) {
    free_ = 0;
    return true;
  }
  budget_.refuse();
  return false;
}

void MemoryAccount::charge_anyway(std::uint64_t size) noexcept {
  if (size > free_) {
    budget_.take_anyway(size - free_);
    free_ = size;
  }
  free_ -= size;
}

void MemoryAccount::give_back() noexcept {
  const std::uint64_t kept = std::min(free_, most_free_ / 2);
  budget_.give(free_ - kept);
  free_ = kept;
}

namespace {

// Trivially destructible, because other thread-local destructors may release memory later.
constinit thread_local MemoryAccount account [[gnu::tls_model("initial-exec")]] (memory_budget);
constinit thread_local bool ended [[gnu::tls_model("initial-exec")]] = false;
constinit thread_local bool was_refused [[gnu::tls_model("initial-exec")]] = false;

void at_thread_end(void*) noexcept {
  ended = true;
  account.close();
}

// A pthread key, because registering a thread_local's destructor ends the process if it runs out of memory.
struct Key {
  Key() noexcept : exists(::pthread_key_create(&key, at_thread_end) == 0) {}
  ::pthread_key_t key{};
  const bool exists;
};

// A thread whose end cannot be noticed keeps nothing in its account.
[[gnu::noinline]] void begin() noexcept {
  static const Key key;
  if (!ended && key.exists && ::pthread_setspecific(key.key, &account) == 0) account.open();
}

}  // namespace

bool charge_memory(std::size_t size, MemoryUse use) noexcept {
  if (!account.is_open()) [[unlikely]]
    begin();
  const bool charged = account.charge(size, use);
  if (!charged) [[unlikely]]
    was_refused = true;
  return charged;
}

void charge_memory_anyway(std::size_t size) noexcept {
  if (!account.is_open()) begin();
  account.charge_anyway(size);
}

void release_memory(std::size_t size) noexcept {
  if (!account.is_open()) [[unlikely]]
    begin();
  account.release(size);
}

bool memory_was_refused() noexcept { return was_refused; }

void forget_memory_refusal() noexcept { was_refused = false; }

MemoryLimitText::MemoryLimitText() noexcept
    : size_(static_cast<std::size_t>(std::snprintf(
          text_, sizeof text_, "memory limit of the host: %" PRIu64 " bytes (memory_limit)", memory_budget.limit()))) {}

}  // namespace backplane::host
