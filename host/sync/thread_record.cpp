// SPDX-License-Identifier: Apache-2.0
#include "sync/thread_record.hpp"

#include <pthread.h>

#include <algorithm>
#include <new>

namespace backplane::host {

constinit thread_local ThreadRecord* thread_detail::mine [[gnu::tls_model("initial-exec")]] = nullptr;

namespace {

constinit std::atomic<ThreadRecord*> all{nullptr};
// The thread is ending, or once failed to get a record. It then never gets one: requests sent with a record could
// overtake those sent without.
constinit thread_local bool without = false;

// Returns the thread's record. Code that still runs in the thread after this has no record.
void at_thread_end(void* record) noexcept {
  without = true;
  thread_detail::mine = nullptr;
  static_cast<ThreadRecord*>(record)->life.fetch_add(1, std::memory_order_release);
}

// A pthread key, because registering a thread_local's destructor ends the process if it runs out of memory.
struct Key {
  Key() noexcept : exists(::pthread_key_create(&key, at_thread_end) == 0) {}
  ::pthread_key_t key{};
  const bool exists;
};

// Takes a record that no thread has. Returns false if another thread has it.
bool take(ThreadRecord& record) noexcept {
  std::uint64_t life = record.life.load(std::memory_order_relaxed);
  return (life & 1) == 0 && record.life.compare_exchange_strong(life, life + 1, std::memory_order_acquire);
}

ThreadRecord* one_to_have() noexcept {
  for (ThreadRecord* each = all.load(std::memory_order_acquire); each != nullptr; each = each->next) {
    if (take(*each)) return each;
  }
  auto* const fresh = new (std::nothrow) ThreadRecord;
  if (fresh == nullptr) return nullptr;
  fresh->life.store(1, std::memory_order_relaxed);
  fresh->next = all.load(std::memory_order_relaxed);
  while (!all.compare_exchange_weak(fresh->next, fresh, std::memory_order_release, std::memory_order_relaxed)) {
  }
  return fresh;
}

}  // namespace

ThreadRecord* begin_thread_record() noexcept {
  static const Key key;
  if (without || !key.exists) return nullptr;
  ThreadRecord* const record = one_to_have();
  if (record == nullptr) {
    without = true;
    return nullptr;
  }
  if (::pthread_setspecific(key.key, record) != 0) {
    record->life.fetch_add(1, std::memory_order_release);
    without = true;
    return nullptr;
  }
  std::fill(std::begin(record->lane_caches), std::end(record->lane_caches), ThreadRecord::LaneCache{});
  record->without_lanes = false;
  thread_detail::mine = record;
  return record;
}

bool is_pinned(const void* what) noexcept {
  for (const ThreadRecord* each = all.load(std::memory_order_acquire); each != nullptr; each = each->next) {
    if (each->pinned.load(std::memory_order_acquire) == what) return true;
  }
  return false;
}

}  // namespace backplane::host
