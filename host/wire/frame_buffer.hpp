// SPDX-License-Identifier: Apache-2.0
//
// Splits a stream of bytes into frames. One read may bring many frames, or a part of one.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "wire/frame.hpp"

namespace backplane::host::wire {

/// Counts the memory of a FrameBuffer, and may refuse more.
class MemoryHolder {
 public:
  /// The buffer will have `bytes` from now on. Returns false to refuse; less than before is never refused.
  virtual bool hold(std::size_t bytes) noexcept = 0;

 protected:
  ~MemoryHolder() = default;
};

/// Its memory grows with the bytes received, never with the length that a peer announces: it doubles, but never has
/// much more than the frame needs. Memory that no byte has reached is not touched.
class FrameBuffer {
 public:
  /// `holder` may be null; otherwise it must outlive this.
  explicit FrameBuffer(std::size_t max_frame, MemoryHolder* holder = nullptr)
      : max_frame_(max_frame), holder_(holder) {}
  FrameBuffer(FrameBuffer&& other) noexcept
      : memory_(std::move(other.memory_)),
        capacity_(std::exchange(other.capacity_, 0)),
        begin_(std::exchange(other.begin_, 0)),
        end_(std::exchange(other.end_, 0)),
        max_frame_(other.max_frame_),
        holder_(std::exchange(other.holder_, nullptr)) {}
  FrameBuffer& operator=(FrameBuffer&&) = delete;
  ~FrameBuffer() {
    if (holder_ != nullptr) holder_->hold(0);
  }

  void set_max_frame(std::size_t max_frame) noexcept { max_frame_ = max_frame; }

  /// Room for the next read. Invalidates all frames from next(). Throws std::bad_alloc, also if the holder refuses;
  /// then nothing has changed.
  std::span<std::uint8_t> room() {
    compact();
    if (capacity_ - end_ < min_read) grow();
    return {memory_.get() + end_, capacity_ - end_};
  }
  /// `size` bytes have been read into room().
  void filled(std::size_t size) noexcept { end_ += size; }

  /// Sets `body` to the CBOR of the next frame. Returns false if no whole frame has arrived. Throws ProtocolError if a
  /// frame is too large.
  bool next(View& body) {
    if (end_ - begin_ < header_size) return false;
    const std::size_t length = announced();
    if (length > max_frame_) {
      throw FrameTooLarge("a frame of " + std::to_string(length) + " bytes; expected at most " +
                          std::to_string(max_frame_));
    }
    if (end_ - begin_ - header_size < length) return false;
    body = View(memory_.get(), end_).subspan(begin_ + header_size, length);
    begin_ += header_size + length;
    return true;
  }

  static constexpr std::size_t first_size = std::size_t{16} << 10;

 private:
  static constexpr std::size_t min_read = std::size_t{4} << 10;
  static constexpr std::size_t keep = std::size_t{1} << 20;  ///< a larger buffer is freed when it is empty

  struct Free {
    void operator()(std::uint8_t* memory) const noexcept { std::free(memory); }
  };

  /// The length of the frame at begin_, whose header must be there.
  std::size_t announced() const noexcept {
    std::size_t length = 0;
    for (std::size_t i = 0; i < header_size; ++i) length = length << 8 | memory_.get()[begin_ + i];
    return length;
  }

  void compact() noexcept {
    if (begin_ == end_) {
      begin_ = end_ = 0;
      if (capacity_ <= keep) return;
      memory_.reset();
      capacity_ = 0;
      if (holder_ != nullptr) holder_->hold(0);
    } else if (begin_ != 0 && capacity_ - end_ < min_read) {
      std::memmove(memory_.get(), memory_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
  }

  // realloc moves large blocks without copying them, and sets nothing to zero.
  void grow() {
    std::size_t size = std::max(capacity_ * 2, first_size);
    if (end_ - begin_ >= header_size) {
      const std::size_t frame = std::min(announced(), max_frame_) + begin_ + header_size + min_read;
      size = std::clamp(frame, end_ + min_read, std::max(size, end_ + min_read));
    }
    if (holder_ != nullptr && !holder_->hold(size)) throw std::bad_alloc();
    auto* const memory = static_cast<std::uint8_t*>(std::realloc(memory_.get(), size));
    if (memory == nullptr) {
      if (holder_ != nullptr) holder_->hold(capacity_);
      throw std::bad_alloc();
    }
    static_cast<void>(memory_.release());
    memory_.reset(memory);
    capacity_ = size;
  }

  std::unique_ptr<std::uint8_t[], Free> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  ///< begin of the bytes that next() has not returned
  std::size_t end_ = 0;    ///< end of the bytes received
  std::size_t max_frame_;
  MemoryHolder* holder_;
};

}  // namespace backplane::host::wire
