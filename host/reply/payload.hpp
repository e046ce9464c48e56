// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "reply/buffer.hpp"

namespace backplane {

/// Bytes that travel with a record: small ones inside it, larger ones in a buffer of their own.
class Payload {
 public:
  static constexpr std::size_t inline_capacity = 80;

  Payload() = default;
  Payload(Payload&& other) noexcept { *this = std::move(other); }
  Payload& operator=(Payload&& other) noexcept {
    if (this == &other) return *this;
    clear();
    size_ = std::exchange(other.size_, 0);
    buffer_ = std::exchange(other.buffer_, nullptr);
    if (buffer_ == nullptr && size_ != 0) std::memcpy(inline_, other.inline_, size_);
    return *this;
  }
  ~Payload() { clear(); }

  /// Copies; false if memory cannot be had, and then the payload is empty.
  bool copy(bp_bytes from) noexcept {
    clear();
    if (from.size == 0) return true;
    std::uint8_t* to = inline_;
    if (from.size > inline_capacity) {
      buffer_ = new_buffer(from.size);
      if (buffer_ == nullptr) return false;
      buffer_->size = from.size;
      to = buffer_->data;
    }
    std::memcpy(to, from.data, from.size);
    size_ = from.size;
    return true;
  }

  /// Copies `size` bytes, at most inline_capacity, from a place where so many can be read: all in a few moves.
  void copy_inline(const std::uint8_t* from, std::size_t size) noexcept {
    clear();
    std::memcpy(inline_, from, 16);
    if (size > 16) std::memcpy(inline_ + 16, from + 16, inline_capacity - 16);
    size_ = size;
  }

  /// Takes `buffer` over.
  void adopt(bp_buffer* buffer) noexcept {
    clear();
    buffer_ = buffer;
    size_ = buffer->size;
  }

  /// Forgets an adopted buffer: it is its former owner's again.
  void disown() noexcept {
    buffer_ = nullptr;
    size_ = 0;
  }

  /// Never with a null pointer, so that nobody need ask.
  bp_bytes view() const noexcept { return {buffer_ != nullptr ? buffer_->data : inline_, size_}; }

  std::size_t size() const noexcept { return size_; }

  void clear() noexcept {
    if (buffer_ != nullptr) free_buffer(std::exchange(buffer_, nullptr));
    size_ = 0;
  }

 private:
  std::size_t size_ = 0;
  bp_buffer* buffer_ = nullptr;
  std::uint8_t inline_[inline_capacity];
};

}  // namespace backplane
