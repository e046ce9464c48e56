// SPDX-License-Identifier: Apache-2.0
#include "floor_handover.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../module/orders.h"
#include "relax.hpp"

namespace bench {
namespace {

// The plain system call: std::atomic's wait() spins and yields before it sleeps.
void sleep_until_changed(std::uint32_t& word, std::uint32_t from) {
  std::atomic_ref<std::uint32_t> value(word);
  while (value.load(std::memory_order_acquire) == from) {
    ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, from, nullptr, nullptr, 0);
  }
}

void set_and_wake(std::uint32_t& word, std::uint32_t value) {
  std::atomic_ref<std::uint32_t>(word).store(value, std::memory_order_release);
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace

SpinHandOver::SpinHandOver() : partner_([this] { serve(); }) {}

SpinHandOver::~SpinHandOver() {
  over_ = true;
  turn_.value.fetch_add(1);
  turn_.value.notify_one();
  partner_.join();
}

void SpinHandOver::serve() {
  for (std::uint32_t turn = 0;; ++turn) {
    turn_.value.wait(turn);
    if (over_) return;
    answer();
  }
}

void SpinHandOver::answer() {
  for (std::uint32_t seen = 0; seen != last;) {
    const std::uint32_t now = there_.value.load(std::memory_order_acquire);
    if (now == seen) {
      relax();
      continue;
    }
    seen = now;
    back_.value.store(now, std::memory_order_release);
  }
  there_.value.store(0, std::memory_order_relaxed);
  back_.value.store(0, std::memory_order_release);  // whoever waits for this sees the line above too
}

void SpinHandOver::samples(std::uint64_t count, std::vector<double>& out) {
  const auto hand_over = [this](std::uint32_t value, std::uint32_t answer) {
    there_.value.store(value, std::memory_order_release);
    while (back_.value.load(std::memory_order_acquire) != answer) relax();
  };
  turn_.value.fetch_add(1);
  turn_.value.notify_one();
  hand_over(1, 1);  // the partner is awake
  for (std::uint32_t i = 2; i < count + 2; ++i) {
    const std::uint64_t begin = bench_now();
    hand_over(i, i);
    out.push_back(static_cast<double>(bench_now() - begin));
  }
  hand_over(last, 0);
}

SleepHandOver::SleepHandOver() : partner_([this] { serve(); }) {}

SleepHandOver::~SleepHandOver() {
  over_ = true;
  set_and_wake(there_, std::atomic_ref(there_).load() + 1);
  partner_.join();
}

void SleepHandOver::serve() {
  for (std::uint32_t seen = 0;; ++seen) {
    sleep_until_changed(there_, seen);
    if (over_) return;
    set_and_wake(back_, seen + 1);
  }
}

double SleepHandOver::sample() {
  const std::uint32_t value = std::atomic_ref(back_).load();
  const std::uint64_t begin = bench_now();
  set_and_wake(there_, value + 1);
  sleep_until_changed(back_, value);
  return static_cast<double>(bench_now() - begin);
}

}  // namespace bench
