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

/// Stacks of one size, for one thread at a time. Given back, a stack is kept for the next fiber; those that
/// nobody has wanted for a while go back to the system.
class StackPool {
 public:
  /// `size` is a power of two, and whole pages. `all` is what the pool is part of, if it is of several.
  explicit StackPool(std::size_t size, Stacks* all = nullptr) noexcept;
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  /// Every stack has been given back.
  ~StackPool();

  std::size_t size() const noexcept { return size_; }

  /// nullptr if memory, or the system's number of mappings, is used up.
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

  /// May be called while the stack is still run on, if that is left before anything else is done here.
  void give_back(Stack& stack) noexcept {
    drop_single_writer(stack.chunk->used);
    stack.context = stack.inner = nullptr;
    stack.next = warm_;
    warm_ = &stack;
    ++warm_count_;
  }

  /// Whether there are more idle stacks than are kept.
  bool has_excess() const noexcept { return warm_count_ > kept_; }
  /// From now on it counts which of them nobody wants.
  void look_again() noexcept { warm_low_ = warm_count_; }
  /// Gives some of those back to the system that were idle ever since look_again(). Returns how many more there
  /// are.
  std::size_t trim() noexcept;
  /// Gives back all that are idle.
  void trim_all() noexcept;

 private:
  Stack* take_cold() noexcept;
  void cool(std::size_t after, std::size_t count) noexcept;
  bool grow() noexcept;
  void unmap(StackChunk& chunk) noexcept;
  void link_cold(Stack& stack) noexcept;
  void unlink_cold(Stack& stack) noexcept;

  const std::size_t size_;
  const std::size_t kept_;  ///< idle stacks that stay as they are, for the next burst
  Stacks* const all_;
  Stack* warm_ = nullptr;  ///< used before: their pages cost memory
  Stack* cold_ = nullptr;  ///< never used, or given back to the system
  std::size_t warm_count_ = 0;
  std::size_t warm_low_ = 0;  ///< the least there were since look_again()
  std::vector<StackChunk*> chunks_;
};

/// The stacks of one thread's fibers, of whatever size.
class Stacks {
 public:
  static constexpr std::size_t least = 16 * 1024;
  static constexpr std::size_t most = std::size_t{1} << 30;

  /// `size` is at most `most`, and rounded up to a power of two. nullptr if memory is used up.
  StackPool* of(std::size_t size) noexcept;

  /// Call it now and then, when there is time: returns when the next call may find something to do, or 0.
  Nanos trim(Nanos time) noexcept;
  void trim_all() noexcept;

 private:
  Nanos look_at(Nanos time) noexcept;

  std::vector<std::unique_ptr<StackPool>> pools_;
  Nanos next_look_ = 0;
};

}  // namespace backplane::host
