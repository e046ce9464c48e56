// SPDX-License-Identifier: Apache-2.0
//
// The memory that stacks lie in. scripts/gdb_fibers.py reads these structs, in the order and with the sizes
// that they have here, also where there is no debug information: change both.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fiber/sanitizer.hpp"

namespace backplane::host {

struct StackChunk;

/// A stack: memory of which only touched pages cost anything, with a guard below it that nothing may touch.
struct Stack {
  char* bottom = nullptr;
  void* const* context = nullptr;  ///< where the stack pointer is kept of who runs on it, while suspended
  void* const* inner = nullptr;    ///< the same of a handler whose environment is in one of its fibers
  const char* label = nullptr;     ///< the wire name, of static life; null: a handler's stack, and no handler on it
  std::uint64_t id = 0;            ///< of the fiber; 0: a handler's own stack
  Stack* next = nullptr;           ///< for the pool
  Stack* previous = nullptr;
  StackChunk* chunk = nullptr;
  StackMark mark;

  inline std::size_t size() const noexcept;
  /// One past the highest byte: stacks grow down from here.
  void* top() const noexcept { return bottom + size(); }
  /// Whether `address` lies in the guard.
  inline bool guards(const void* address) const noexcept;
};

/// Several stacks of one size, mapped at once: | guard | stack | guard | stack | …
struct StackChunk {
  StackChunk* next = nullptr;  ///< of all in the process
  StackChunk* previous = nullptr;
  char* base = nullptr;
  std::size_t guard_size = 0;
  std::size_t stack_size = 0;
  std::size_t count = 0;
  Stack* stacks = nullptr;
  std::size_t sizeof_stack = sizeof(Stack);
  std::atomic<std::uint32_t> used{0};  ///< stacks that are somebody's; the pool's thread writes it
  std::uint32_t cold = 0;              ///< for the pool: stacks that cost no memory
  std::size_t place = 0;               ///< for the pool: among its chunks
  std::uint32_t readers = 0;           ///< who looks at it, and keeps it mapped; under the mutex of all chunks

  std::size_t stride() const noexcept { return guard_size + stack_size; }

  /// nullptr if memory, or the number of mappings, is used up; which of them is logged.
  static StackChunk* map(std::size_t stack_size) noexcept;
  static void unmap(StackChunk* chunk) noexcept;
};

inline std::size_t Stack::size() const noexcept { return chunk->stack_size; }
inline bool Stack::guards(const void* address) const noexcept {
  const auto* const at = static_cast<const char*>(address);
  return at < bottom && at >= bottom - chunk->guard_size;
}

/// Gives the pages of an idle stack back to the system, after a look at how far it was used.
void cool(Stack& stack) noexcept;

/// What there is of one size in the whole process.
struct StackUse {
  std::size_t size = 0;
  std::size_t mapped = 0;      ///< stacks there is address space for
  std::size_t used = 0;        ///< of these, a handler's or fiber's, also one that is parked
  std::size_t resident = 0;    ///< bytes of memory that they cost
  std::size_t high_water = 0;  ///< bytes of the deepest use ever seen, in whole pages
};
/// Looks at each stack; any thread. Throws std::bad_alloc.
std::vector<StackUse> stack_use();

}  // namespace backplane::host
