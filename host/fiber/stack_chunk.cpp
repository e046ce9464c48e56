// SPDX-License-Identifier: Apache-2.0
//
// Maps and unmaps chunks of stacks with their guards, and measures how much of each stack was used.
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

// Valgrind takes a switch to a stack that it does not know for a large frame, and then reports errors that are none.
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id) static_cast<void>(id)
#endif

// The list of all mapped chunks. Debuggers read it.
extern "C" {
[[gnu::used, gnu::visibility("hidden")]] backplane::host::StackChunk* backplane_stack_chunks = nullptr;
}

namespace backplane::host {
namespace {

constexpr std::size_t least_guard = std::size_t{64} << 10;
constexpr std::size_t most_guard = std::size_t{1} << 20;
constexpr std::size_t chunk_bytes = std::size_t{8} << 20;
constexpr std::size_t most_in_chunk = 64;

// Linux 6.13 or later (madvise(2)): makes pages fault without a separate mapping. The number of mappings is limited
// (vm.max_map_count). The headers of Debian 12 do not define it.
constexpr int madv_guard_install = 102;

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

// scripts/lib/gdb_stacks.py relies on these offsets.
static_assert(offsetof(Stack, bottom) == 0 && offsetof(Stack, context) == 8 && offsetof(Stack, inner) == 16 &&
              offsetof(Stack, label) == 24 && offsetof(Stack, id) == 32);
static_assert(offsetof(StackChunk, next) == 0 && offsetof(StackChunk, base) == 16 &&
              offsetof(StackChunk, guard_size) == 24 && offsetof(StackChunk, stack_size) == 32 &&
              offsetof(StackChunk, count) == 40 && offsetof(StackChunk, stacks) == 48 &&
              offsetof(StackChunk, sizeof_stack) == 56);

Mutex mutex;

// The deepest use of each stack size, including stacks that are unmapped by now.
std::map<std::size_t, std::size_t>& high_water() BP_REQUIRES(mutex) {
  static auto& map = *new std::map<std::size_t, std::size_t>;
  return map;
}

bool set_guard(char* at, std::size_t size) noexcept {
  return ::madvise(at, size, madv_guard_install) == 0 || ::mprotect(at, size, PROT_NONE) == 0;
}

// Limits the log to one line per series of failures.
std::atomic<bool> refused{false};

void refuse(std::size_t stack_size, const char* why) noexcept {
  if (refused.exchange(true, std::memory_order_relaxed)) return;
  try {
    log::warn("fibers", "cannot map a stack of " + std::to_string(stack_size) + " bytes for a fiber: " + why);
  } catch (const std::bad_alloc&) {
    // The creator of the fiber still gets an error.
  }
}

// Calls `found(page)` with the number of each resident page among `size` bytes from `begin`, until it returns false.
// The resident pages of a stack are those touched since it was mapped or cooled.
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

// Releases `chunk`, and returns and holds the chunk after it. nullptr: holds the first chunk.
StackChunk* next_held(StackChunk* chunk) noexcept {
  const MutexLock lock(mutex);
  StackChunk* const next = chunk == nullptr ? backplane_stack_chunks : chunk->next;
  if (next != nullptr) ++next->readers;
  if (chunk != nullptr) --chunk->readers;
  return next;
}

// Removes the chunk from the list. Returns false while a reader holds it.
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

std::size_t StackChunk::guard_of(std::size_t stack_size) noexcept {
  return std::max(std::clamp(stack_size, least_guard, most_guard), page_size());
}

StackChunk* StackChunk::map(std::size_t stack_size) noexcept {
  const std::size_t guard = guard_of(stack_size);
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
  if (stacks == nullptr || chunk == nullptr || memory == MAP_FAILED) return give_up("out of memory");
  // With huge pages, one touched byte would use two megabytes.
  ::madvise(memory, stride * count, MADV_NOHUGEPAGE);
  auto* const base = static_cast<char*>(memory);
  for (std::size_t i = 0; i < count; ++i) {
    if (!set_guard(base + i * stride, guard)) {
      return give_up(
          "its guard page needs one more mapping than vm.max_map_count allows; raise vm.max_map_count, or use Linux "
          "6.13 "
          "or later, where guard pages need no mapping");
    }
    stacks[i].bottom = base + i * stride + guard;
    stacks[i].chunk = chunk;
    stacks[i].valgrind_id = VALGRIND_STACK_REGISTER(stacks[i].bottom, stacks[i].bottom + stack_size);
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
  for (std::size_t i = 0; i < chunk->count; ++i) VALGRIND_STACK_DEREGISTER(chunk->stacks[i].valgrind_id);
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
    // This use is missing from the statistics.
  }
  ::madvise(stack.bottom, stack.size(), MADV_DONTNEED);
}

std::vector<StackUse> stack_use() {
  std::map<std::size_t, StackUse> uses;
  // Hold only one chunk at a time, because unmap() waits for readers.
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
