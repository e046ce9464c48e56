// SPDX-License-Identifier: Apache-2.0
#include "failing.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <utility>

namespace {

using failing::Which;

std::atomic<bool> armed{false};
std::atomic<long> first_to_fail{0};
std::atomic<Which> which_fail{Which::one};
std::atomic<long> steps{0};
std::atomic<long> allocations{0};
std::atomic<long> threads{0};
std::atomic<bool> failed{false};
std::atomic<long> blocks{0};
thread_local int spared = 0;

bool fails(std::atomic<long>& kind) noexcept {
  if (!armed || spared != 0) return false;
  ++kind;
  const long step = ++steps;
  const Which which = which_fail;
  if (which == Which::threads && &kind != &threads) return false;
  const bool fail = which == Which::one ? step == first_to_fail : step >= first_to_fail;
  if (fail) failed = true;
  return fail;
}

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (fails(allocations)) return nullptr;
  void* const memory = alignment <= alignof(std::max_align_t)
                           ? std::malloc(size == 0 ? 1 : size)
                           : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory != nullptr) ++blocks;
  return memory;
}

void* allocate_or_throw(std::size_t size, std::size_t alignment = 1) {
  void* const memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  --blocks;
  std::free(memory);
}

}  // namespace

namespace failing {

void arm(long nth, Which which) {
  first_to_fail = nth;
  which_fail = which;
  steps = allocations = threads = 0;
  failed = false;
  armed = true;
}

Steps disarm() {
  armed = false;
  return {allocations, threads, failed};
}

Spared::Spared() noexcept { ++spared; }
Spared::~Spared() { --spared; }
Exposed::Exposed() noexcept : spared_(std::exchange(spared, 0)) {}
Exposed::~Exposed() { spared = spared_; }

long live_blocks() { return blocks; }

}  // namespace failing

using std::align_val_t;
using std::nothrow_t;
using std::size_t;

void* operator new(size_t size) { return allocate_or_throw(size); }
void* operator new[](size_t size) { return allocate_or_throw(size); }
void* operator new(size_t size, const nothrow_t&) noexcept { return allocate(size, 1); }
void* operator new[](size_t size, const nothrow_t&) noexcept { return allocate(size, 1); }
void* operator new(size_t size, align_val_t at) { return allocate_or_throw(size, static_cast<size_t>(at)); }
void* operator new[](size_t size, align_val_t at) { return allocate_or_throw(size, static_cast<size_t>(at)); }
void* operator new(size_t size, align_val_t at, const nothrow_t&) noexcept {
  return allocate(size, static_cast<size_t>(at));
}
void* operator new[](size_t size, align_val_t at, const nothrow_t&) noexcept {
  return allocate(size, static_cast<size_t>(at));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, size_t) noexcept { release(memory); }
void operator delete[](void* memory, size_t) noexcept { release(memory); }
void operator delete(void* memory, const nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const nothrow_t&) noexcept { release(memory); }
void operator delete(void* memory, align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, align_val_t) noexcept { release(memory); }
void operator delete(void* memory, size_t, align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, size_t, align_val_t) noexcept { release(memory); }
void operator delete(void* memory, align_val_t, const nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, align_val_t, const nothrow_t&) noexcept { release(memory); }

extern "C" __attribute__((visibility("default"))) int pthread_create(pthread_t* thread,
                                                                     const pthread_attr_t* attributes,
                                                                     void* (*body)(void*), void* argument) noexcept {
  if (fails(threads)) return EAGAIN;
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto next = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  return next(thread, attributes, body, argument);
}
