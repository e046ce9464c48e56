// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <type_traits>

namespace backplane::host {

/// Updates a count that only one thread writes and others read. Cheaper than an atomic addition.
template <class T>
void add_single_writer(std::atomic<T>& count, std::type_identity_t<T> n = 1) noexcept {
  count.store(count.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}
template <class T>
void drop_single_writer(std::atomic<T>& count) noexcept {
  count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

}  // namespace backplane::host
