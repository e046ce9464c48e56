// SPDX-License-Identifier: Apache-2.0
#include "server/output_buffer.hpp"

#include <backplane/base.h>
#include <sys/socket.h>

#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <cerrno>

namespace backplane::host {
namespace {

/// A buffer larger than this is freed when it is empty.
constexpr std::size_t keep = std::size_t{1} << 20;

}  // namespace

std::size_t OutputBuffer::size_of(const wire::Reply& reply) noexcept {
  return reply.payload.size() + reply.message.size() + reply.detail.size() + wire::frame_overhead;
}

wire::Reply OutputBuffer::fitting(const wire::Reply& reply, std::string& message) const {
  if (!cbor::valid_utf8(reply.message)) {
    message = cbor::escaped(reply.message, cbor::Escape::lines);  // it may name a file
    wire::Reply valid = reply;
    valid.message = message;
    if (size_of(valid) <= max_frame_) return valid;
  }
  const std::size_t size = size_of(reply);
  if (size <= max_frame_) return reply;
  message = "the answer needs a frame of " + std::to_string(size) + " bytes, but this connection allows at most " +
            std::to_string(max_frame_) + "; answer in parts, or write a file";
  return {reply.id, BP_NOT_SUPPORTED, {}, message, {}};
}

void OutputBuffer::add_answers(wire::Bytes& frames) {
  owes_answer_ = true;
  if (bytes_.empty()) {
    bytes_.swap(frames);
  } else {
    bytes_.insert(bytes_.end(), frames.begin(), frames.end());
  }
}

bool OutputBuffer::holds_answer(std::size_t size) noexcept {
  return memory_.hold_output(std::max(bytes_.capacity(), bytes_.size() + size), waiting());
}

bool OutputBuffer::holds_event(std::size_t size) noexcept {
  return memory_.hold_output(bytes_.size() + size, waiting());
}

int OutputBuffer::send(int socket) noexcept {
  while (sent_ != bytes_.size()) {
    const ssize_t size = ::send(socket, bytes_.data() + sent_, bytes_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0) {
      sent_ += static_cast<std::size_t>(size);
      taken_ += static_cast<std::size_t>(size);
      continue;
    }
    if (errno == EINTR) continue;
    const int error = errno;
    // Erase the sent bytes only when they are the larger part, so that each byte is moved at most once on average.
    if (sent_ > bytes_.size() / 2) {
      border_ = next_border() - sent_;
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(sent_));
      sent_ = 0;
    }
    return error == EWOULDBLOCK ? EAGAIN : error;
  }
  clear(bytes_);
  memory_.shrink_output(bytes_.capacity());
  sent_ = border_ = 0;
  owes_answer_ = false;
  return 0;
}

void OutputBuffer::drop_whole_frames() { bytes_.resize(next_border()); }

void OutputBuffer::close() noexcept {
  wire::Bytes().swap(bytes_);
  sent_ = border_ = 0;
  memory_.shrink_output(0);
}

void OutputBuffer::clear(wire::Bytes& bytes) noexcept {
  if (bytes.capacity() > keep) {
    wire::Bytes().swap(bytes);
  } else {
    bytes.clear();
  }
}

/// Where the first frame begins of which nothing is sent, or the end of the output.
std::size_t OutputBuffer::next_border() noexcept {
  while (border_ < sent_) border_ += wire::frame_size(bytes_, border_);
  return border_;
}

}  // namespace backplane::host
