// SPDX-License-Identifier: Apache-2.0
#include "fiber/stack_pool.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace backplane {
namespace {

// Idle stacks are given back after one whole interval in which nobody wanted them.
constexpr Nanos trim_interval = 250 * nanos_per_ms;

// Given back in one step, so that the thread is never away for long.
constexpr std::size_t stacks_a_step = 256;

}  // namespace

StackPool::~StackPool() {
  for (StackChunk* const chunk : chunks_) StackChunk::unmap(chunk);
}

Stack* StackPool::take_cold() noexcept {
  if (cold_ == nullptr) {
    try {
      chunks_.reserve(chunks_.size() + 1);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    StackChunk* const chunk = StackChunk::map(size_);
    if (chunk == nullptr) return nullptr;
    chunks_.push_back(chunk);
    for (std::size_t i = chunk->count; i-- > 0;) chunk->stacks[i].next = std::exchange(cold_, &chunk->stacks[i]);
  }
  return std::exchange(cold_, cold_->next);
}

std::size_t StackPool::trim() noexcept {
  const std::size_t idle = std::min(warm_low_, warm_count_);
  const std::size_t excess = idle > kept ? idle - kept : 0;
  const std::size_t step = std::min(excess, stacks_a_step);
  cool(kept, step);
  warm_low_ = idle - step;
  if (step != 0 && step == excess) unmap_idle_chunks();
  return excess - step;
}

void StackPool::trim_all() noexcept {
  cool(0, warm_count_);
  look_again();
  unmap_idle_chunks();
}

// Of the warm ones those after the first so many, which were used last and are to be used next.
void StackPool::cool(std::size_t after, std::size_t count) noexcept {
  Stack** link = &warm_;
  for (; after > 0 && *link != nullptr; --after) link = &(*link)->next;
  for (; count > 0; --count) {
    Stack& stack = **link;
    *link = stack.next;
    --warm_count_;
    backplane::cool(stack);
    stack.next = std::exchange(cold_, &stack);
  }
}

// Chunks of which no stack is in use, and none is warm.
void StackPool::unmap_idle_chunks() noexcept {
  for (StackChunk* const chunk : chunks_) chunk->warm = 0;
  for (const Stack* stack = warm_; stack != nullptr; stack = stack->next) ++stack->chunk->warm;
  const auto idle = [](const StackChunk* chunk) {
    return chunk->used.load(std::memory_order_relaxed) == 0 && chunk->warm == 0;
  };
  for (Stack** link = &cold_; *link != nullptr;) {
    if (idle((*link)->chunk)) {
      *link = (*link)->next;
    } else {
      link = &(*link)->next;
    }
  }
  const auto first_idle = std::partition(chunks_.begin(), chunks_.end(), [&](auto* chunk) { return !idle(chunk); });
  for (auto chunk = first_idle; chunk != chunks_.end(); ++chunk) StackChunk::unmap(*chunk);
  chunks_.erase(first_idle, chunks_.end());
}

StackPool* Stacks::of(std::size_t size) noexcept {
  const std::size_t rounded = std::bit_ceil(std::max(size, least));
  for (const auto& pool : pools_) {
    if (pool->size() == rounded) return pool.get();
  }
  try {
    pools_.push_back(std::make_unique<StackPool>(rounded));
    return pools_.back().get();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Nanos Stacks::trim(Nanos time) noexcept {
  bool more = false;
  for (const auto& pool : pools_) more |= pool->has_excess();
  if (!more) return next_look_ = 0;
  if (next_look_ == 0) return look_at(time);  // a burst has ended: what is idle now may be wanted in a moment
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

}  // namespace backplane
