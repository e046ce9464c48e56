// SPDX-License-Identifier: Apache-2.0
#include "fiber/stack_pool.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "memory/budget.hpp"

namespace backplane::host {
namespace {

// A stack that stayed idle for one whole interval is returned to the system.
constexpr Nanos trim_interval = 250 * nanos_per_ms;

// How many idle stacks a pool keeps, limited also by their total size.
constexpr std::size_t most_kept = 64;
constexpr std::size_t most_kept_bytes = std::size_t{16} << 20;

// How many stacks one step of trim() returns, so that it never delays the thread for long.
constexpr std::size_t stacks_a_step = 256;

// What the memory budget counts for a stack from its first use until it goes back to the system: the page that every
// handler touches, and the stack's part of page tables and records. Deeper use is not counted, because only the kernel
// knows it.
constexpr std::size_t charged = 5 * 1024;

}  // namespace

StackPool::StackPool(std::size_t size, Stacks* all) noexcept
    : size_(size), kept_(std::clamp<std::size_t>(most_kept_bytes / size, 1, most_kept)), all_(all) {}

StackPool::~StackPool() {
  release_memory(warm_count_ * charged);
  for (StackChunk* const chunk : chunks_) StackChunk::unmap(chunk);
}

Stack* StackPool::take_cold() noexcept {
  forget_memory_refusal();
  if (cold_ == nullptr && !grow()) {
    // Idle stacks of other sizes may use up the memory or the mappings.
    if (all_ == nullptr) return nullptr;
    all_->trim_all();
    if (!grow()) return nullptr;
  }
  if (!charge_memory(charged)) return nullptr;
  Stack* const stack = cold_;
  unlink_cold(*stack);
  return stack;
}

bool StackPool::grow() noexcept {
  try {
    chunks_.reserve(chunks_.size() + 1);
  } catch (const std::bad_alloc&) {
    return false;
  }
  StackChunk* const chunk = StackChunk::map(size_);
  if (chunk == nullptr) return false;
  chunk->place = chunks_.size();
  chunks_.push_back(chunk);
  for (std::size_t i = chunk->count; i-- > 0;) link_cold(chunk->stacks[i]);
  return true;
}

std::size_t StackPool::trim() noexcept {
  const std::size_t idle = std::min(warm_low_, warm_count_);
  const std::size_t excess = idle > kept_ ? idle - kept_ : 0;
  const std::size_t step = std::min(excess, stacks_a_step);
  cool(kept_, step);
  warm_low_ = idle - step;
  return excess - step;
}

void StackPool::trim_all() noexcept {
  cool(0, warm_count_);
  look_again();
}

// Cools `count` warm stacks, but keeps the first `after`, which were used last and are reused first. Unmaps a chunk
// when all of its stacks are cold.
void StackPool::cool(std::size_t after, std::size_t count) noexcept {
  Stack** link = &warm_;
  for (; after > 0 && *link != nullptr; --after) link = &(*link)->next;
  for (; count > 0; --count) {
    Stack& stack = **link;
    *link = stack.next;
    --warm_count_;
    backplane::host::cool(stack);
    link_cold(stack);
    release_memory(charged);
    if (stack.chunk->cold == stack.chunk->count) unmap(*stack.chunk);
  }
}

void StackPool::unmap(StackChunk& chunk) noexcept {
  for (std::size_t i = 0; i < chunk.count; ++i) unlink_cold(chunk.stacks[i]);
  chunks_[chunk.place] = chunks_.back();
  chunks_[chunk.place]->place = chunk.place;
  chunks_.pop_back();
  StackChunk::unmap(&chunk);
}

void StackPool::link_cold(Stack& stack) noexcept {
  stack.previous = nullptr;
  stack.next = std::exchange(cold_, &stack);
  if (stack.next != nullptr) stack.next->previous = &stack;
  ++stack.chunk->cold;
}

void StackPool::unlink_cold(Stack& stack) noexcept {
  (stack.previous != nullptr ? stack.previous->next : cold_) = stack.next;
  if (stack.next != nullptr) stack.next->previous = stack.previous;
  --stack.chunk->cold;
}

StackPool* Stacks::of(std::size_t size) noexcept {
  const std::size_t rounded = std::bit_ceil(std::max(size, least));
  for (const auto& pool : pools_) {
    if (pool->size() == rounded) return pool.get();
  }
  try {
    pools_.push_back(std::make_unique<StackPool>(rounded, this));
    return pools_.back().get();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Nanos Stacks::trim(Nanos time) noexcept {
  bool more = false;
  for (const auto& pool : pools_) more |= pool->has_excess();
  if (!more) return next_look_ = 0;
  if (next_look_ == 0) return look_at(time);  // a burst has just ended: idle stacks may soon be needed again
  if (time < next_look_) return next_look_;
  std::size_t left = 0;
  for (const auto& pool : pools_) left += pool->trim();
  return left == 0 ? look_at(time) : next_look_ = time + 1;
}

Nanos Stacks::look_at(Nanos time) noexcept {
  for (const auto& pool : pools_) pool->look_again();
  return next_look_ = time + trim_interval;
}

void Stacks::trim_all() noexcept {
  for (const auto& pool : pools_) pool->trim_all();
}

}  // namespace backplane::host
