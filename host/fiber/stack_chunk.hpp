// SPDX-License-Identifier: Apache-2.0
//
// The memory of stacks. scripts/gdb_fibers.py reads these structs without debug information, so it depends on the order
// and sizes of their members. Change both together.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fiber/sanitizer.hpp"

namespace backplane::host {

struct StackChunk;

/// A stack. Only touched pages use memory. Below it is a guard, which faults on access. See StackChunk::guard_of().
struct Stack {
  char* bottom = nullptr;
  void* const* context = nullptr;  ///< address of the saved stack pointer of its fiber while that is suspended
  void* const* inner = nullptr;    ///< the same for a handler while one of its fibers is active
  const char* label = nullptr;     ///< the wire name (static storage); null: an idle handler's stack
  std::uint64_t id = 0;            ///< id of the fiber; 0: a handler's own stack
  Stack* next = nullptr;           ///< for the pool
  Stack* previous = nullptr;
  StackChunk* chunk = nullptr;
  StackMark mark;
  unsigned valgrind_id = 0;

  inline std::size_t size() const noexcept;
  /// One past the highest byte. Stacks grow down from here.
  void* top() const noexcept { return bottom + size(); }
  /// Whether `address` lies in the guard.
  inline bool guards(const void* address) const noexcept;
};

/// Several stacks of one size in one mapping: | guard | stack | guard | stack | …
struct StackChunk {
  StackChunk* next = nullptr;  ///< list of all chunks of the process
  StackChunk* previous = nullptr;
  char* base = nullptr;
  std::size_t guard_size = 0;
  std::size_t stack_size = 0;
  std::size_t count = 0;
  Stack* stacks = nullptr;
  std::size_t sizeof_stack = sizeof(Stack);
  std::atomic<std::uint32_t> used{0};  ///< stacks in use; only the pool's thread writes it
  std::uint32_t cold = 0;              ///< for the pool: stacks without resident memory
  std::size_t place = 0;               ///< for the pool: index in its list of chunks
  std::uint32_t readers = 0;           ///< readers that keep it mapped; guarded by the mutex of all chunks

  std::size_t stride() const noexcept { return guard_size + stack_size; }

  /// The size of the guard below each stack of this size. Code with stack probes (-fstack-clash-protection) cannot skip
  /// even one page. Not all code of modules has them, and a function without them can skip a guard that is smaller than
  /// its frame. So the guard is as large as the stack: a frame that fits a fresh stack cannot skip it. It costs address
  /// space, and page tables: a five hundred and twelfth. So there is a limit.
  static std::size_t guard_of(std::size_t stack_size) noexcept;

  /// Maps a chunk. Returns nullptr and logs the reason if memory or mappings are used up.
  static StackChunk* map(std::size_t stack_size) noexcept;
  static void unmap(StackChunk* chunk) noexcept;
};

inline std::size_t Stack::size() const noexcept { return chunk->stack_size; }
inline bool Stack::guards(const void* address) const noexcept {
  const auto* const at = static_cast<const char*>(address);
  return at < bottom && at >= bottom - chunk->guard_size;
}

/// Returns the pages of an idle stack to the system, and records how deep it was used.
void cool(Stack& stack) noexcept;

/// Statistics of all stacks of one size in the process.
struct StackUse {
  std::size_t size = 0;
  std::size_t mapped = 0;      ///< mapped stacks
  std::size_t used = 0;        ///< stacks that belong to a handler or fiber, also if that is idle
  std::size_t resident = 0;    ///< bytes of memory that all of them use
  std::size_t high_water = 0;  ///< bytes of the deepest use since the process began, in whole pages
};
/// Examines every stack. Any thread. Throws std::bad_alloc.
std::vector<StackUse> stack_use();

}  // namespace backplane::host
