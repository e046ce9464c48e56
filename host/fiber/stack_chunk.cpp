// SPDX-License-Identifier: Apache-2.0
#include "fiber/stack_chunk.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <new>
#include <thread>

#include "support/log.hpp"
#include "sync/mutex.hpp"

// All that are mapped, for debuggers.
extern "C" {
[[gnu::used, gnu::visibility("hidden")]] backplane::host::StackChunk* backplane_stack_chunks = nullptr;
}

namespace backplane::host {
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

// What scripts/lib/gdb_stacks.py reads.
static_assert(offsetof(Stack, bottom) == 0 && offsetof(Stack, context) == 8 && offsetof(Stack, inner) == 16 &&
              offsetof(Stack, label) == 24 && offsetof(Stack, id) == 32);
static_assert(offsetof(StackChunk, next) == 0 && offsetof(StackChunk, base) == 16 &&
              offsetof(StackChunk, guard_size) == 24 && offsetof(StackChunk, stack_size) == 32 &&
              offsetof(StackChunk, count) == 40 && offsetof(StackChunk, stacks) == 48 &&
              offsetof(StackChunk, sizeof_stack) == 56);

Mutex mutex;

// The deepest use of each size, of stacks that are no more too.
std::map<std::size_t, std::size_t>& high_water() BP_REQUIRES(mutex) {
  static auto& map = *new std::map<std::size_t, std::size_t>;
  return map;
}

bool set_guard(char* at, std::size_t size) noexcept {
  return ::madvise(at, size, madv_guard_install) == 0 || ::mprotect(at, size, PROT_NONE) == 0;
}

// Once for each burst of failures.
std::atomic<bool> refused{false};

void refuse(std::size_t stack_size, const char* why) noexcept {
  if (refused.exchange(true, std::memory_order_relaxed)) return;
  try {
    log::warn("fibers", "no stack of " + std::to_string(stack_size) + " bytes for a fiber: " + why);
  } catch (const std::bad_alloc&) {
    // The fiber's creator is told all the same.
  }
}

// Calls `found(page)` with the number of each page that is in memory, of `size` bytes from `begin` on, until that
// returns false. Of a stack that is each page that was touched since the stack was mapped or cooled.
template <class Found>
void resident_pages(const char* begin, std::size_t size, Found found) {
  std::array<unsigned char, 2048> pages;
  const std::size_t page = page_size();
  const std::size_t count = size / page;
  for (std::size_t done = 0; done < count; done += pages.size()) {
    const std::size_t here = std::min(count - done, pages.size());
    if (::mincore(const_cast<char*>(begin) + done * page, here * page, pages.data()) != 0) return;
    for (std::size_t i = 0; i < here; ++i) {
      if ((pages[i] & 1) != 0 && !found(done + i)) return;
    }
  }
}

void note(std::size_t stack_size, std::size_t deepest) {
  const MutexLock lock(mutex);
  std::size_t& before = high_water()[stack_size];
  before = std::max(before, deepest);
}

// The next chunk after one that is held (nullptr: the first), which is held in its stead.
StackChunk* next_held(StackChunk* chunk) noexcept {
  const MutexLock lock(mutex);
  StackChunk* const next = chunk == nullptr ? backplane_stack_chunks : chunk->next;
  if (next != nullptr) ++next->readers;
  if (chunk != nullptr) --chunk->readers;
  return next;
}

// False while somebody looks at it.
bool unlink(StackChunk& chunk) noexcept {
  const MutexLock lock(mutex);
  if (chunk.readers != 0) return false;
  (chunk.previous != nullptr ? chunk.previous->next : backplane_stack_chunks) = chunk.next;
  if (chunk.next != nullptr) chunk.next->previous = chunk.previous;
  return true;
}

void look_at(const StackChunk& chunk, StackUse& use) {
  const std::size_t page = page_size();
  use.mapped += chunk.count;
  use.used += chunk.used.load(std::memory_order_relaxed);
  resident_pages(chunk.base, chunk.stride() * chunk.count, [&](std::size_t number) {
    const std::size_t within = number * page % chunk.stride();
    if (within < chunk.guard_size) return true;
    use.resident += page;
    use.high_water = std::max(use.high_water, chunk.stride() - within);
    return true;
  });
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
  refused.store(false, std::memory_order_relaxed);
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
  while (!unlink(*chunk)) std::this_thread::yield();
  StackMark::forget(chunk->base, chunk->stride() * chunk->count);
  ::munmap(chunk->base, chunk->stride() * chunk->count);
  delete[] chunk->stacks;
  delete chunk;
}

void cool(Stack& stack) noexcept {
  std::size_t deepest = 0;
  resident_pages(stack.bottom, stack.size(), [&](std::size_t page) {
    deepest = stack.size() - page * page_size();
    return false;
  });
  try {
    note(stack.size(), deepest);
  } catch (const std::bad_alloc&) {
    // A mark less.
  }
  ::madvise(stack.bottom, stack.size(), MADV_DONTNEED);
}

std::vector<StackUse> stack_use() {
  std::map<std::size_t, StackUse> uses;
  // One chunk is held at a time, since whoever wants to unmap it waits meanwhile.
  for (StackChunk* chunk = next_held(nullptr); chunk != nullptr; chunk = next_held(chunk)) {
    StackUse& use = uses[chunk->stack_size];
    look_at(*chunk, use);
  }
  for (const auto& [size, use] : uses) note(size, use.high_water);
  const MutexLock lock(mutex);
  std::vector<StackUse> all;
  for (const auto& [size, deepest] : high_water()) {
    StackUse use = uses[size];
    use.size = size;
    use.high_water = deepest;
    all.push_back(use);
  }
  return all;
}

}  // namespace backplane::host
