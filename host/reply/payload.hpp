// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "reply/buffer.hpp"

namespace backplane::host {

/// The payload of a record: small payloads lie inside it, larger ones in a buffer.
class Payload {
 public:
  static constexpr std::size_t inline_capacity = 64;

  Payload() noexcept {}
  Payload(Payload&& other) noexcept { *this = std::move(other); }
  Payload& operator=(Payload&& other) noexcept {
    if (this == &other) return *this;
    clear();
    if (other.in_buffer()) {
      buffer_ = other.buffer_;
    } else {
      std::memcpy(inline_, other.inline_, other.size_);
    }
    size_ = std::exchange(other.size_, std::uint8_t{0});
    return *this;
  }
  ~Payload() { clear(); }

  /// Copies the bytes. Returns false, with an empty payload, if out of memory.
  bool copy(bp_bytes from) noexcept {
    clear();
    if (from.size == 0) return true;
    if (from.size > inline_capacity) return copy_to_buffer(from);
    std::memcpy(inline_, from.data, from.size);
    size_ = static_cast<std::uint8_t>(from.size);
    return true;
  }

  /// Copies `size` bytes. At most inline_capacity; that many bytes must be readable at `from`, so that a few wide moves
  /// copy all.
  void copy_inline(const std::uint8_t* from, std::size_t size) noexcept {
    clear();
    std::memcpy(inline_, from, 16);
    if (size > 16) std::memcpy(inline_ + 16, from + 16, inline_capacity - 16);
    size_ = static_cast<std::uint8_t>(size);
  }

  /// Takes ownership of `buffer`.
  void adopt(bp_buffer* buffer) noexcept {
    clear();
    buffer_ = buffer;
    size_ = is_buffer;
  }

  /// Gives up ownership of an adopted buffer without freeing it.
  void disown() noexcept { size_ = 0; }

  /// The bytes. The pointer is never null.
  bp_bytes view() const noexcept {
    if (in_buffer()) [[unlikely]]
      return {buffer_->data, buffer_->size};
    return {inline_, size_};
  }

  std::size_t size() const noexcept { return in_buffer() ? buffer_->size : size_; }

  void clear() noexcept {
    if (in_buffer()) [[unlikely]]
      free_buffer(buffer_);
    size_ = 0;
  }

 private:
  static constexpr std::uint8_t is_buffer = UINT8_MAX;
  static_assert(inline_capacity < is_buffer);

  bool in_buffer() const noexcept { return size_ == is_buffer; }

  bool copy_to_buffer(bp_bytes from) noexcept {
    bp_buffer* const buffer = new_buffer(from.size);
    if (buffer == nullptr) return false;
    buffer->size = from.size;
    std::memcpy(buffer->data, from.data, from.size);
    adopt(buffer);
    return true;
  }

  union {
    std::uint8_t inline_[inline_capacity];
    bp_buffer* buffer_;  // owned
  };
  // The number of inline bytes, or is_buffer. The padding after it may hold other members of a record.
  std::uint8_t size_ = 0;
};

}  // namespace backplane::host
