// SPDX-License-Identifier: Apache-2.0
#include "reply/buffer.hpp"

#include <cstdint>
#include <cstdlib>
#include <new>

#include "reply/buffer_pool.hpp"

namespace backplane::host {
namespace {

// Lies before the bytes, padded to align them: the user's struct, then the host's data.
struct Header {
  bp_buffer seen;
  std::uint32_t size_class;
};
constexpr std::size_t header_size = (sizeof(Header) + 15) / 16 * 16;
static_assert(header_size == buffer_pool::front);

}  // namespace

bp_buffer* new_buffer(std::size_t capacity) noexcept {
  if (capacity > SIZE_MAX - header_size) return nullptr;
  const std::uint32_t size_class = buffer_pool::class_of(header_size + capacity);
  void* const memory =
      size_class == buffer_pool::no_class ? std::malloc(header_size + capacity) : buffer_pool::take(size_class);
  if (memory == nullptr) return nullptr;
  auto* const data = static_cast<std::uint8_t*>(memory) + header_size;
  return &(new (memory) Header{{data, 0, capacity}, size_class})->seen;
}

void free_buffer(bp_buffer* buffer) noexcept {
  if (buffer == nullptr) return;
  const std::uint32_t size_class = reinterpret_cast<const Header*>(buffer)->size_class;
  if (size_class == buffer_pool::no_class) return std::free(buffer);
  buffer_pool::give(buffer, size_class);
}

}  // namespace backplane::host
