// SPDX-License-Identifier: Apache-2.0
//
// Splits a stream of bytes into frames. One read may bring many frames, or a part of one.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "wire/frame.hpp"

namespace backplane::host::wire {

/// Its memory grows with the bytes received, never with the length that a peer announces.
class FrameBuffer {
 public:
  explicit FrameBuffer(std::size_t max_frame) : max_frame_(max_frame) {}

  void set_max_frame(std::size_t max_frame) noexcept { max_frame_ = max_frame; }

  /// Room for the next read. Invalidates all frames from next().
  std::span<std::uint8_t> room() {
    compact();
    if (memory_.size() - end_ < min_read) memory_.resize(std::max(memory_.size() * 2, first_size));
    return std::span(memory_).subspan(end_);
  }
  /// `size` bytes have been read into room().
  void filled(std::size_t size) noexcept { end_ += size; }

  /// Sets `body` to the CBOR of the next frame. Returns false if no whole frame has arrived. Throws ProtocolError if a
  /// frame is too large.
  bool next(View& body) {
    if (end_ - begin_ < header_size) return false;
    std::size_t length = 0;
    for (std::size_t i = 0; i < header_size; ++i) length = length << 8 | memory_[begin_ + i];
    if (length > max_frame_) {
      throw ProtocolError("a frame of " + std::to_string(length) + " bytes; expected at most " +
                          std::to_string(max_frame_));
    }
    if (end_ - begin_ - header_size < length) return false;
    body = View(memory_).subspan(begin_ + header_size, length);
    begin_ += header_size + length;
    return true;
  }

 private:
  static constexpr std::size_t first_size = std::size_t{16} << 10;
  static constexpr std::size_t min_read = std::size_t{4} << 10;
  static constexpr std::size_t keep = std::size_t{1} << 20;  ///< a larger buffer is freed when it is empty

  void compact() {
    if (begin_ == end_) {
      begin_ = end_ = 0;
      if (memory_.size() > keep) Bytes().swap(memory_);
    } else if (begin_ != 0 && memory_.size() - end_ < min_read) {
      std::memmove(memory_.data(), memory_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
  }

  Bytes memory_;
  std::size_t begin_ = 0;  ///< begin of the bytes that next() has not returned
  std::size_t end_ = 0;    ///< end of the bytes received
  std::size_t max_frame_;
};

}  // namespace backplane::host::wire
