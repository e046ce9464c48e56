// SPDX-License-Identifier: Apache-2.0
//
// Memory for one Asio handler at a time, so that a wait that is begun again and again can always be begun.
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <utility>

namespace backplane::host {

/// Holds what Asio keeps of one handler while it waits. A second one at the same time, or a larger one, takes memory
/// from the heap. For one thread; it must outlive its handlers.
class HandlerMemory {
 public:
  HandlerMemory() = default;
  HandlerMemory(const HandlerMemory&) = delete;
  HandlerMemory& operator=(const HandlerMemory&) = delete;

  void* allocate(std::size_t size) {
    if (!used_ && size <= bytes_.size()) {
      used_ = true;
      return bytes_.data();
    }
    return ::operator new(size);
  }
  void deallocate(void* memory) noexcept {
    if (memory == bytes_.data()) {
      used_ = false;
    } else {
      ::operator delete(memory);
    }
  }

 private:
  static constexpr std::size_t most = 512;  // a wait takes about 150
  alignas(std::max_align_t) std::array<std::byte, most> bytes_;
  bool used_ = false;
};

/// As an allocator of Asio's.
template <class T>
class HandlerAllocator {
 public:
  using value_type = T;

  explicit HandlerAllocator(HandlerMemory& memory) noexcept : memory_(&memory) {}
  template <class U>
  HandlerAllocator(const HandlerAllocator<U>& other) noexcept : memory_(other.memory_) {}

  T* allocate(std::size_t count) { return static_cast<T*>(memory_->allocate(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t) noexcept { memory_->deallocate(memory); }

  template <class U>
  bool operator==(const HandlerAllocator<U>& other) const noexcept {
    return memory_ == other.memory_;
  }

 private:
  template <class>
  friend class HandlerAllocator;
  HandlerMemory* memory_;
};

/// A handler that takes its memory from there.
template <class F>
class KeptHandler {
 public:
  using allocator_type = HandlerAllocator<F>;

  KeptHandler(HandlerMemory& memory, F f) : memory_(&memory), f_(std::move(f)) {}
  allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }
  template <class... Arguments>
  void operator()(Arguments&&... arguments) {
    f_(std::forward<Arguments>(arguments)...);
  }

 private:
  HandlerMemory* memory_;
  F f_;
};

}  // namespace backplane::host
