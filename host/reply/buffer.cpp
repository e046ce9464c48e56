// SPDX-License-Identifier: Apache-2.0
#include "reply/buffer.hpp"

#include <cstdint>
#include <cstdlib>
#include <new>

#include "memory/budget.hpp"
#include "reply/buffer_pool.hpp"

namespace backplane::host {
namespace {

// Lies before the bytes, padded to align them: the user's struct, then the host's data.
struct Header {
  bp_buffer seen;
  std::uint32_t size_class;
  std::uint32_t pages;  // charged, if no class; the pool charges the others
};
constexpr std::size_t header_size = (sizeof(Header) + 15) / 16 * 16;
constexpr std::size_t page = 4096;
static_assert(header_size == buffer_pool::front);

void* new_block(std::size_t pages) noexcept {
  if (pages > UINT32_MAX || !charge_memory(pages * page)) return nullptr;
  void* const memory = std::malloc(pages * page);
  if (memory == nullptr) release_memory(pages * page);
  return memory;
}

}  // namespace

bp_buffer* new_buffer(std::size_t capacity) noexcept {
  if (capacity > SIZE_MAX - header_size - page) return nullptr;
  const std::uint32_t size_class = buffer_pool::class_of(header_size + capacity);
  const std::size_t pages = size_class == buffer_pool::no_class ? (header_size + capacity + page - 1) / page : 0;
  void* const memory = pages != 0 ? new_block(pages) : buffer_pool::take(size_class);
  if (memory == nullptr) return nullptr;
  auto* const data = static_cast<std::uint8_t*>(memory) + header_size;
  return &(new (memory) Header{{data, 0, capacity}, size_class, static_cast<std::uint32_t>(pages)})->seen;
}

void free_buffer(bp_buffer* buffer) noexcept {
  if (buffer == nullptr) return;
  const auto& header = *reinterpret_cast<const Header*>(buffer);
  if (header.size_class != buffer_pool::no_class) return buffer_pool::give(buffer, header.size_class);
  const std::size_t size = header.pages * page;
  std::free(buffer);
  release_memory(size);
}

}  // namespace backplane::host
