// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "server/limit_counts.hpp"
#include "server/server.hpp"
#include "wire/frame_buffer.hpp"

namespace backplane::host {

/// The memory that one connection holds: its input buffer, the payloads of its open calls, and its output. It counts
/// the buffers against the host's limit; the payloads are counted there anyway.
class ConnectionMemory final : public wire::MemoryHolder {
 public:
  /// `most`: what the connection may hold, in bytes. `limits` gets the hits.
  ConnectionMemory(std::size_t most, LimitCounts& limits) noexcept : most_(most), limits_(limits) {}
  ConnectionMemory(const ConnectionMemory&) = delete;
  ConnectionMemory& operator=(const ConnectionMemory&) = delete;
  ~ConnectionMemory();

  /// The input buffer. One thread at a time.
  bool hold(std::size_t bytes) noexcept override;

  /// Whether the output may have `bytes`; then they are counted. A peer that reads, so that at most waiting_anyway
  /// bytes are `waiting`, gets its answers whatever the others hold. One thread at a time, also with the next three.
  bool hold_output(std::size_t bytes, std::size_t waiting) noexcept {
    return bytes <= output_.load(std::memory_order_relaxed) || grow_output(bytes, waiting <= waiting_anyway);
  }
  /// The output has only `bytes` now.
  void shrink_output(std::size_t bytes) noexcept;
  void add_payload(std::size_t size) noexcept { payloads_.store(payloads() + size, std::memory_order_relaxed); }
  void drop_payload(std::size_t size) noexcept { payloads_.store(payloads() - size, std::memory_order_relaxed); }
  /// The total size of the payloads of open calls. Any thread.
  std::size_t payloads() const noexcept { return payloads_.load(std::memory_order_relaxed); }

  /// Whether the last hold() was refused.
  bool refused() const noexcept { return refused_; }
  /// Why the last hold() or hold_output() was refused.
  std::string why() const;
  /// Why bp_submit() has just returned BP_OVERLOADED.
  static std::string overloaded();

  static constexpr std::size_t waiting_anyway = std::size_t{64} << 10;

 private:
  bool grow_output(std::size_t bytes, bool anyway) noexcept;

  const std::size_t most_;
  LimitCounts& limits_;
  std::atomic<bool> most_reached_{false};
  std::atomic<bool> refused_{false};
  std::atomic<std::size_t> input_{0};
  std::atomic<std::size_t> output_{0};
  std::atomic<std::size_t> payloads_{0};
};

/// The options with their default for max_memory, and with the other bounds lowered to fit into it.
ServerOptions with_memory_bounds(ServerOptions options);

}  // namespace backplane::host
