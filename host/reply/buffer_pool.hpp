// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace backplane::host {

/// Memory for buffers, used again and again. Buffers are made by one thread and freed by another, which malloc is slow
/// at, and large ones it gives back to the kernel each time, whose fresh pages cost more than the copying that a handed
/// over buffer spares.
///
/// Each thread keeps a few blocks of each size, and passes them on to all threads by the batch. What lies unused is
/// bounded; the rest goes back to malloc. No function waits: whoever finds the common store taken does without.
namespace buffer_pool {

/// The sizes that are kept: 256 bytes to 512 KiB, in powers of two, and what lies in front of a buffer's bytes.
inline constexpr std::uint32_t classes = 12;
inline constexpr std::uint32_t no_class = classes;
inline constexpr std::size_t smallest = 256;
inline constexpr std::size_t front = 32;

/// The class whose blocks have room for `size` bytes, or no_class if they are too large to be kept.
std::uint32_t class_of(std::size_t size) noexcept;
constexpr std::size_t size_of(std::uint32_t size_class) noexcept { return (smallest << size_class) + front; }

/// A block of size_of(size_class) bytes, aligned as malloc does; nullptr if memory cannot be had.
void* take(std::uint32_t size_class) noexcept;
/// Gives one back.
void give(void* block, std::uint32_t size_class) noexcept;

/// Bytes in the common store. For tests.
std::size_t in_store() noexcept;

/// The bound of that.
inline constexpr std::size_t store_limit = 8u << 20;

}  // namespace buffer_pool
}  // namespace backplane::host
