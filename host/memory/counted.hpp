// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <new>

#include "memory/budget.hpp"

namespace backplane::host {

/// A base for small objects of which there may be very many: their memory counts in the host's budget. Make them with
/// new (std::nothrow), which gives null if the limit or the memory is reached. The destructor must not be virtual.
struct Counted {
  static void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    if (!charge_memory(size)) return nullptr;
    void* const memory = ::operator new(size, std::nothrow);
    if (memory == nullptr) release_memory(size);
    return memory;
  }
  static void operator delete(void* memory, std::size_t size) noexcept {
    if (memory == nullptr) return;
    ::operator delete(memory);
    release_memory(size);
  }
  // For a constructor that throws; those of these objects do not.
  static void operator delete(void* memory, const std::nothrow_t&) noexcept { ::operator delete(memory); }
};

}  // namespace backplane::host
