// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace backplane::host {

/// Reusable memory for buffers. One thread allocates a buffer and another frees it, which is slow with malloc. malloc
/// also returns large blocks to the kernel each time, and fresh pages cost more than copying the payload.
///
/// Each thread keeps a few blocks of each size, and shares them with other threads in batches. The unused memory is
/// bounded; the rest goes back to malloc. The memory budget counts all blocks, also the unused ones. No function waits:
/// a thread that finds the shared store taken uses malloc.
namespace buffer_pool {

/// The size classes: powers of two from 256 bytes to 512 KiB, plus the `front` bytes before a buffer's data.
inline constexpr std::uint32_t classes = 12;
inline constexpr std::uint32_t no_class = classes;
inline constexpr std::size_t smallest = 256;
inline constexpr std::size_t front = 32;

/// The class with blocks of at least `size` bytes, or no_class if `size` is too large for the pool.
std::uint32_t class_of(std::size_t size) noexcept;
constexpr std::size_t size_of(std::uint32_t size_class) noexcept { return (smallest << size_class) + front; }

/// A block of size_of(size_class) bytes, aligned as by malloc; nullptr if out of memory, or at the memory limit.
void* take(std::uint32_t size_class) noexcept;
/// Returns a block.
void give(void* block, std::uint32_t size_class) noexcept;

/// The number of bytes in the shared store. For tests.
std::size_t in_store() noexcept;

/// The limit of in_store().
inline constexpr std::size_t store_limit = 8u << 20;

}  // namespace buffer_pool
}  // namespace backplane::host
