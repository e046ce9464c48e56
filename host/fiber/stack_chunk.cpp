// SPDX-License-Identifier: Apache-2.0
#include "fiber/stack_chunk.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <new>
#include <utility>

#include "support/log.hpp"
#include "support/mutex.hpp"

// All that are mapped, for debuggers.
extern "C" {
[[gnu::used, gnu::visibility("hidden")]] backplane::StackChunk* backplane_stack_chunks = nullptr;
}

namespace backplane {
namespace {

// Code that is compiled with stack probes (-fstack-clash-protection) cannot step over a guard of one page. This is
// so wide because not all code is: it costs nothing but addresses.
constexpr std::size_t guard_pages = 16;
constexpr std::size_t chunk_bytes = std::size_t{8} << 20;
constexpr std::size_t most_in_chunk = 64;

// Since Linux 6.13 (madvise(2)): makes pages fault without a mapping of their own, of which a process may
// have only so many (vm.max_map_count). Debian 12's headers do not have it.
constexpr int madv_guard_install = 102;

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

Mutex mutex;

// The deepest use of each size, of stacks that are no more too.
std::map<std::size_t, std::size_t>& high_water() BP_REQUIRES(mutex) {
  static auto& map = *new std::map<std::size_t, std::size_t>;
  return map;
}

bool set_guard(char* at, std::size_t size) noexcept {
  return ::madvise(at, size, madv_guard_install) == 0 || ::mprotect(at, size, PROT_NONE) == 0;
}

void refuse(std::size_t stack_size, const char* why) noexcept {
  try {
    log::warn("fibers", "no stack of " + std::to_string(stack_size) + " bytes for a fiber: " + why);
  } catch (const std::bad_alloc&) {
    // The fiber's creator is told all the same.
  }
}

struct Depth {
  std::size_t resident = 0;
  std::size_t deepest = 0;
};

// Of one stack, in pages. Whatever is resident has been touched since it was mapped or cooled.
Depth depth_of(const Stack& stack) noexcept {
  std::array<unsigned char, 512> pages;
  const std::size_t page = page_size();
  const std::size_t count = stack.size() / page;
  Depth depth;
  for (std::size_t done = 0; done < count;) {
    const std::size_t here = std::min(count - done, pages.size());
    if (::mincore(stack.bottom + done * page, here * page, pages.data()) != 0) return depth;
    for (std::size_t i = 0; i < here; ++i) {
      if ((pages[i] & 1) == 0) continue;
      ++depth.resident;
      depth.deepest = std::max(depth.deepest, count - done - i);
    }
    done += here;
  }
  return depth;
}

}  // namespace

StackChunk* StackChunk::map(std::size_t stack_size) noexcept {
  const std::size_t guard = guard_pages * page_size();
  const std::size_t stride = guard + stack_size;
  const std::size_t count = std::clamp<std::size_t>(chunk_bytes / stride, 1, most_in_chunk);
  auto* const stacks = new (std::nothrow) Stack[count];
  auto* const chunk = new (std::nothrow) StackChunk;
  void* const memory = ::mmap(nullptr, stride * count, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  const auto give_up = [&](const char* why) -> StackChunk* {
    if (memory != MAP_FAILED) ::munmap(memory, stride * count);
    delete chunk;
    delete[] stacks;
    refuse(stack_size, why);
    return nullptr;
  };
  if (stacks == nullptr || chunk == nullptr || memory == MAP_FAILED) return give_up("memory is used up");
  // A huge page would make one touched byte cost two megabytes.
  ::madvise(memory, stride * count, MADV_NOHUGEPAGE);
  auto* const base = static_cast<char*>(memory);
  for (std::size_t i = 0; i < count; ++i) {
    if (!set_guard(base + i * stride, guard)) {
      return give_up(
          "its guard page needs one more mapping than vm.max_map_count allows; raise that, or use Linux 6.13 or later, "
          "where guard pages need none");
    }
    stacks[i].bottom = base + i * stride + guard;
    stacks[i].chunk = chunk;
  }
  chunk->base = base;
  chunk->guard_size = guard;
  chunk->stack_size = stack_size;
  chunk->count = count;
  chunk->stacks = stacks;
  const MutexLock lock(mutex);
  chunk->next = backplane_stack_chunks;
  if (chunk->next != nullptr) chunk->next->previous = chunk;
  backplane_stack_chunks = chunk;
  return chunk;
}

void StackChunk::unmap(StackChunk* chunk) noexcept {
  {
    const MutexLock lock(mutex);
    (chunk->previous != nullptr ? chunk->previous->next : backplane_stack_chunks) = chunk->next;
    if (chunk->next != nullptr) chunk->next->previous = chunk->previous;
  }
  StackMark::forget(chunk->base, chunk->stride() * chunk->count);
  ::munmap(chunk->base, chunk->stride() * chunk->count);
  delete[] chunk->stacks;
  delete chunk;
}

void cool(Stack& stack) noexcept {
  const std::size_t deepest = depth_of(stack).deepest * page_size();
  {
    const MutexLock lock(mutex);
    try {
      std::size_t& before = high_water()[stack.size()];
      before = std::max(before, deepest);
    } catch (const std::bad_alloc&) {
      // A mark less.
    }
  }
  ::madvise(stack.bottom, stack.size(), MADV_DONTNEED);
}

std::vector<StackUse> stack_use() {
  const MutexLock lock(mutex);
  std::map<std::size_t, StackUse> uses;
  for (const auto& [size, deepest] : high_water()) uses[size] = {size, 0, 0, 0, deepest};
  for (const StackChunk* chunk = backplane_stack_chunks; chunk != nullptr; chunk = chunk->next) {
    StackUse& use = uses[chunk->stack_size];
    use.size = chunk->stack_size;
    use.mapped += chunk->count;
    use.used += chunk->used.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < chunk->count; ++i) {
      const Depth depth = depth_of(chunk->stacks[i]);
      use.resident += depth.resident * page_size();
      use.high_water = std::max(use.high_water, depth.deepest * page_size());
    }
  }
  std::vector<StackUse> all;
  for (const auto& [size, use] : uses) {
    high_water()[size] = use.high_water;
    all.push_back(use);
  }
  return all;
}

}  // namespace backplane
