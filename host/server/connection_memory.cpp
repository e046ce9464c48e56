// SPDX-License-Identifier: Apache-2.0
#include "server/connection_memory.hpp"

#include <backplane/backplane.h>

#include <algorithm>

#include "wire/frame.hpp"

namespace backplane::host {
namespace {

std::string limit_text() {
  return "memory limit of the host: " + std::to_string(bp_memory_limit()) + " bytes (memory_limit)";
}

}  // namespace

ConnectionMemory::~ConnectionMemory() { bp_memory_give(input_ + output_); }

bool ConnectionMemory::hold(std::size_t bytes) noexcept {
  const std::size_t before = input_.load(std::memory_order_relaxed);
  if (bytes > before) {
    // Frames of a usual size, as those of management are, come in whatever the others hold. Each connection keeps such
    // a buffer, so the number of connections bounds them.
    const bool usual = bytes <= wire::FrameBuffer::first_size;
    most_reached_ = !usual && bytes + output_.load(std::memory_order_relaxed) + payloads() > most_;
    if (most_reached_) limits_.hit(Limit::connection_memory);
    refused_ = most_reached_ || bp_memory_take(bytes - before, usual ? BP_MEMORY_HELD : 0) != BP_OK;
    if (refused_) return false;
  } else {
    bp_memory_give(before - bytes);
  }
  input_.store(bytes, std::memory_order_relaxed);
  return true;
}

bool ConnectionMemory::grow_output(std::size_t bytes, bool anyway) noexcept {
  const std::size_t before = output_.load(std::memory_order_relaxed);
  most_reached_ = !anyway && bytes + input_.load(std::memory_order_relaxed) + payloads() > most_;
  if (most_reached_) limits_.hit(Limit::connection_memory);
  if (most_reached_ || bp_memory_take(bytes - before, anyway ? BP_MEMORY_HELD : 0) != BP_OK) return false;
  output_.store(bytes, std::memory_order_relaxed);
  return true;
}

void ConnectionMemory::shrink_output(std::size_t bytes) noexcept {
  const std::size_t before = output_.load(std::memory_order_relaxed);
  if (bytes >= before) return;
  bp_memory_give(before - bytes);
  output_.store(bytes, std::memory_order_relaxed);
}

std::string ConnectionMemory::why() const {
  if (!most_reached_) return limit_text();
  return "memory limit of this connection: " + std::to_string(most_) + " bytes (connection_memory)";
}

std::string ConnectionMemory::overloaded() {
  return bp_memory_refused() != 0 ? limit_text()
                                  : "the calls that wait to begin have reached the limit of the host (queue_depth); "
                                    "try again when calls have ended";
}

ServerOptions with_memory_bounds(ServerOptions options) {
  if (options.max_memory == 0) options.max_memory = static_cast<std::size_t>(bp_memory_limit() / 4);
  // A frame and its payload are there at once for a moment, and answers may be as large as payloads.
  options.max_frame = std::min(options.max_frame, std::max(options.max_memory / 2, wire::least_max_frame));
  options.max_output = std::min(options.max_output, options.max_memory / 4);
  // As many as max_output times this: a peer may have many answers to come when the host stops to read from it.
  constexpr std::size_t answer_factor = 16;
  if (options.max_answer_output == 0) options.max_answer_output = options.max_output * answer_factor;
  options.bytes_per_connection = std::min(options.bytes_per_connection, options.max_memory / 4);
  return options;
}

}  // namespace backplane::host
