// SPDX-License-Identifier: Apache-2.0
#include "reply/buffer.hpp"

#include <cstdint>
#include <cstdlib>
#include <new>

namespace backplane {
namespace {

// The struct that the user sees lies in front of the bytes, padded so that these are aligned.
constexpr std::size_t header_size = (sizeof(bp_buffer) + 15) / 16 * 16;

}  // namespace

bp_buffer* new_buffer(std::size_t capacity) noexcept {
  if (capacity > SIZE_MAX - header_size) return nullptr;
  void* const memory = std::malloc(header_size + capacity);
  if (memory == nullptr) return nullptr;
  return new (memory) bp_buffer{static_cast<std::uint8_t*>(memory) + header_size, 0, capacity};
}

void free_buffer(bp_buffer* buffer) noexcept { std::free(buffer); }

}  // namespace backplane
