// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fiber/stack_chunk.hpp"
#include "sync/clock.hpp"
#include "sync/single_writer_count.hpp"

namespace backplane::host {

class Stacks;

/// Stacks of one size, for one thread at a time. A returned stack is kept for the next fiber. Stacks that stay idle for
/// a while go back to the system.
class StackPool {
 public:
  /// `size` must be a power of two and a multiple of the page size. `all`: the Stacks that contain this pool, or null.
  explicit StackPool(std::size_t size, Stacks* all = nullptr) noexcept;
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  /// All stacks must have been given back.
  ~StackPool();

  std::size_t size() const noexcept { return size_; }

  /// A stack; nullptr if memory, the system's mappings or the host's memory limit are used up.
  Stack* take() noexcept {
    Stack* stack = warm_;
    if (stack != nullptr) [[likely]] {
      warm_ = stack->next;
      if (--warm_count_ < warm_low_) warm_low_ = warm_count_;
    } else {
      stack = take_cold();
      if (stack == nullptr) return nullptr;
    }
    add_single_writer(stack->chunk->used);
    stack->mark.begin(stack->bottom, size_);
    return stack;
  }

  /// Returns a stack. The caller may still run on it, if it leaves the stack before any other use of the pool.
  void give_back(Stack& stack) noexcept {
    drop_single_writer(stack.chunk->used);
    stack.context = stack.inner = nullptr;
    stack.next = warm_;
    warm_ = &stack;
    ++warm_count_;
  }

  /// Whether more stacks are idle than the pool keeps.
  bool has_excess() const noexcept { return warm_count_ > kept_; }
  /// Starts counting which stacks stay idle.
  void look_again() noexcept { warm_low_ = warm_count_; }
  /// Returns to the system some of the stacks that were idle since look_again(). Returns how many more there are.
  std::size_t trim() noexcept;
  /// Returns all idle stacks to the system.
  void trim_all() noexcept;

 private:
  Stack* take_cold() noexcept;
  void cool(std::size_t after, std::size_t count) noexcept;
  bool grow() noexcept;
  void unmap(StackChunk& chunk) noexcept;
  void link_cold(Stack& stack) noexcept;
  void unlink_cold(Stack& stack) noexcept;

  const std::size_t size_;
  const std::size_t kept_;  ///< how many idle stacks stay warm for the next burst
  Stacks* const all_;
  Stack* warm_ = nullptr;  ///< used before, so they have resident pages
  Stack* cold_ = nullptr;  ///< never used, or returned to the system
  std::size_t warm_count_ = 0;
  std::size_t warm_low_ = 0;  ///< the minimum of warm_count_ since look_again()
  std::vector<StackChunk*> chunks_;
};

/// The stacks of one thread's fibers, of all sizes.
class Stacks {
 public:
  static constexpr std::size_t least = 16 * 1024;
  static constexpr std::size_t most = std::size_t{1} << 30;

  /// The pool for `size`, rounded up to a power of two. `size` is at most `most`. nullptr if out of memory.
  StackPool* of(std::size_t size) noexcept;

  /// Returns idle stacks to the system. Call it when the thread has no other work. Returns the time of the next useful
  /// call, or 0.
  Nanos trim(Nanos time) noexcept;
  void trim_all() noexcept;

 private:
  Nanos look_at(Nanos time) noexcept;

  std::vector<std::unique_ptr<StackPool>> pools_;
  Nanos next_look_ = 0;
};

}  // namespace backplane::host
