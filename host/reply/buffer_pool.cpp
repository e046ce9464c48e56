// SPDX-License-Identifier: Apache-2.0
//
// The pool's batches of blocks, the store that all threads share, and the part that each thread owns.
#include "reply/buffer_pool.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

#include "memory/budget.hpp"

namespace backplane::host::buffer_pool {
namespace {

// The number of blocks in a batch: enough to make an access to the shared store worthwhile.
constexpr std::uint32_t batch_most = 16;
constexpr std::uint32_t batch_of(std::uint32_t size_class) noexcept {
  constexpr std::size_t bytes = 512u << 10;
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(bytes / size_of(size_class), 1, batch_most));
}

// A list of free blocks. The blocks are not linked through their own memory: their first cache line was written by the
// thread that used them last, and reading a link would wait for it.
struct Batch {
  Batch* next = nullptr;  // list in the store
  std::uint32_t count = 0;
  void* blocks[batch_most];
};

Batch* new_batch() noexcept {
  void* const memory = std::malloc(sizeof(Batch));
  return memory == nullptr ? nullptr : new (memory) Batch;
}

void free_block(void* block, std::uint32_t size_class) noexcept {
  std::free(block);
  release_memory(size_of(size_class));
}

void free_all(Batch* batch, std::uint32_t size_class) noexcept {
  if (batch == nullptr) return;
  while (batch->count > 0) free_block(batch->blocks[--batch->count], size_class);
  std::free(batch);
}

// The store that all threads share. Trivially destructible, because threads may end after static destruction. In a
// forked child the flag may stay taken forever; the child then only loses its pool.
class Store {
 public:
  bool put(Batch* batch, std::uint32_t size_class) noexcept {
    const std::size_t size = batch_of(size_class) * size_of(size_class);
    if (taken_.test_and_set(std::memory_order_acquire)) return false;
    const bool room = bytes_.load(std::memory_order_relaxed) + size <= store_limit;
    if (room) {
      batch->next = std::exchange(batches_[size_class], batch);
      bytes_.store(bytes_.load(std::memory_order_relaxed) + size, std::memory_order_relaxed);
    }
    taken_.clear(std::memory_order_release);
    return room;
  }
  Batch* get(std::uint32_t size_class) noexcept {
    if (taken_.test_and_set(std::memory_order_acquire)) return nullptr;
    Batch* const batch = batches_[size_class];
    if (batch != nullptr) {
      batches_[size_class] = batch->next;
      bytes_.store(bytes_.load(std::memory_order_relaxed) - batch_of(size_class) * size_of(size_class),
                   std::memory_order_relaxed);
    }
    taken_.clear(std::memory_order_release);
    return batch;
  }
  std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::atomic_flag taken_;
  std::atomic<std::size_t> bytes_{0};
  Batch* batches_[classes] = {};
};

constinit Store store;

// The part of one thread: up to two batches of each class. When a third begins, the full one goes to the store. Also
// trivially destructible, because other thread-local destructors may free buffers later.
class Own {
 public:
  void end() noexcept {
    state_ = State::ended;
    for (std::uint32_t i = 0; i < classes; ++i) {
      free_all(std::exchange(kinds_[i].open, nullptr), i);
      pass_on(std::exchange(kinds_[i].full, nullptr), i);
    }
  }

  void* take(std::uint32_t size_class) noexcept {
    Kind& kind = kinds_[size_class];
    if ((kind.open == nullptr || kind.open->count == 0) && !refill(kind, size_class)) return nullptr;
    Batch& open = *kind.open;
    void* const block = open.blocks[--open.count];
    return block;
  }
  bool give(void* block, std::uint32_t size_class) noexcept {
    if (state_ != State::begun && !begin()) return false;
    Kind& kind = kinds_[size_class];
    if ((kind.open == nullptr || kind.open->count == batch_of(size_class)) && !make_room(kind, size_class))
      return false;
    kind.open->blocks[kind.open->count++] = block;
    return true;
  }

 private:
  struct Kind {
    Batch* open = nullptr;  // partly filled
    Batch* full = nullptr;  // full, empty, or null
  };

  enum class State { fresh, begun, ended };

  [[gnu::noinline]] bool begin() noexcept;
  bool refill(Kind& kind, std::uint32_t size_class) noexcept {
    if (state_ != State::begun && !begin()) return false;
    if (kind.full != nullptr && kind.full->count != 0) {
      std::swap(kind.open, kind.full);
      return true;
    }
    Batch* const batch = store.get(size_class);
    if (batch == nullptr) return false;
    std::free(std::exchange(kind.open, batch));  // it is empty
    return true;
  }
  bool make_room(Kind& kind, std::uint32_t size_class) noexcept {
    Batch* empty = nullptr;
    if (kind.full != nullptr && kind.full->count == 0) empty = std::exchange(kind.full, nullptr);
    if (empty == nullptr) empty = new_batch();
    if (empty == nullptr) return false;
    pass_on(std::exchange(kind.full, std::exchange(kind.open, empty)), size_class);
    return true;
  }
  static void pass_on(Batch* batch, std::uint32_t size_class) noexcept {
    if (batch == nullptr) return;
    if (batch->count != batch_of(size_class) || !store.put(batch, size_class)) free_all(batch, size_class);
  }

  Kind kinds_[classes];
  State state_ = State::fresh;
};

constinit thread_local Own own;

// Runs at the end of a thread. A thread_local with a destructor would end the process if registering it runs out of
// memory.
void at_thread_end(void*) noexcept { own.end(); }
struct Key {
  Key() noexcept : exists(::pthread_key_create(&key, at_thread_end) == 0) {}
  ::pthread_key_t key{};
  const bool exists;
};

bool Own::begin() noexcept {
  static const Key key;
  if (state_ == State::ended || !key.exists || ::pthread_setspecific(key.key, this) != 0) return false;
  state_ = State::begun;
  return true;
}

}  // namespace

std::uint32_t class_of(std::size_t size) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  (void)size;
  return no_class;  // without the pool, AddressSanitizer finds uses of freed buffers
#else
  const auto above = static_cast<std::uint32_t>(std::bit_width((std::max(size, front + 1) - front - 1) / smallest));
  return std::min(above, no_class);
#endif
}

void* take(std::uint32_t size_class) noexcept {
  void* const kept = own.take(size_class);
  if (kept != nullptr) return kept;
  if (!charge_memory(size_of(size_class))) return nullptr;
  void* const block = std::malloc(size_of(size_class));
  if (block == nullptr) release_memory(size_of(size_class));
  return block;
}

void give(void* block, std::uint32_t size_class) noexcept {
  if (!own.give(block, size_class)) free_block(block, size_class);
}

std::size_t in_store() noexcept { return store.bytes(); }

}  // namespace backplane::host::buffer_pool
