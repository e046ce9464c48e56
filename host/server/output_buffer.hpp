// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/connection_memory.hpp"
#include "wire/frame.hpp"

namespace backplane::host {

/// The frames that wait for the socket of a connection. The connection's mutex guards it.
class OutputBuffer {
 public:
  explicit OutputBuffer(ConnectionMemory& memory) noexcept : memory_(memory) {}

  /// The largest frame that the peer takes.
  std::uint64_t max_frame() const noexcept { return max_frame_; }
  void set_max_frame(std::uint64_t size) noexcept { max_frame_ = size; }
  /// The reply, if it fits into a frame; otherwise an error in its place. In a message that is not UTF-8, which a C
  /// module may return, each byte beyond ASCII becomes '?'. `message` stores the new text.
  wire::Reply fitting(const wire::Reply& reply, std::string& message) const;

  /// What a reply takes at most.
  static std::size_t size_of(const wire::Reply& reply) noexcept;

  /// Appends a frame. Throws std::bad_alloc.
  template <class Frame>
  void add(const Frame& frame) {
    wire::encode(bytes_, frame);
  }
  /// The same for one that somebody waits for: see owes_answer().
  void add_answer(const wire::Reply& reply) { add_awaited(reply); }
  template <class Frame>
  void add_awaited(const Frame& frame) {
    add(frame);
    owes_answer_ = true;
  }
  /// Appends encoded replies. They may get the memory of this buffer in exchange.
  void add_answers(wire::Bytes& frames);

  /// Whether the connection's memory has room for this much more; then it is counted.
  bool holds_answer(std::size_t size) noexcept;
  bool holds_event(std::size_t size) noexcept;

  bool empty() const noexcept { return bytes_.empty(); }
  /// Bytes that are not sent yet.
  std::size_t waiting() const noexcept { return bytes_.size() - sent_; }
  /// Whether an answer or a call has come into it since it was last empty.
  bool owes_answer() const noexcept { return owes_answer_; }
  /// The bytes that the socket has taken in all.
  std::uint64_t taken() const noexcept { return taken_; }

  /// Sends as much as the socket takes without waiting. Returns 0 if all is sent, EAGAIN if the socket is full, or
  /// another errno if the connection is broken.
  int send(int socket) noexcept;
  /// Drops the frames of which nothing is sent.
  void drop_whole_frames();
  /// Drops everything and frees the memory.
  void close() noexcept;

  /// Empties `bytes`, and frees their memory if it is much.
  static void clear(wire::Bytes& bytes) noexcept;

 private:
  std::size_t next_border() noexcept;

  ConnectionMemory& memory_;
  wire::Bytes bytes_;  ///< from sent_ on, not sent yet
  std::size_t sent_ = 0;
  std::size_t border_ = 0;  ///< a frame begins here; none begins from here to sent_
  std::uint64_t taken_ = 0;
  bool owes_answer_ = false;
  std::uint64_t max_frame_ = wire::default_max_frame;
};

}  // namespace backplane::host
