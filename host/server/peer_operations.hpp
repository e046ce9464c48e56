// SPDX-License-Identifier: Apache-2.0
//
// Module operations that a peer asks for. Includes Asio, so only files of this room may include it.
#pragma once

#include <backplane/backplane.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/peer.hpp"
#include "wire/frame.hpp"

namespace backplane::host {

class Connection;

/// An operation that the process `peer` asks for. A copy: its frame is gone when it begins.
class AskedOperation {
 public:
  /// `frame`: what is to be loaded: a Load, Reload or Begin.
  template <class Frame>
  AskedOperation(const Peer& peer, std::uint32_t kind, std::string_view module, const Frame& frame)
      : kind_(kind),
        module_(module),
        path_(wire::as_text(frame.path)),
        config_(frame.config.begin(), frame.config.end()),
        flags_(frame.flags),
        stack_size_(frame.stack_size),
        workers_(frame.workers),
        drain_ms_(frame.drain_ms),
        requester_(words_of(peer)) {}

  std::uint32_t kind() const noexcept { return kind_; }
  wire::View path() const noexcept { return wire::as_bytes(path_); }
  bp_status begin(bp_context context, bp_operation* out, bp_result* result) const;

 private:
  std::uint32_t kind_;
  std::string module_;
  std::string path_;
  wire::Bytes config_;
  std::uint32_t flags_;
  std::uint64_t stack_size_;
  std::uint32_t workers_;
  std::uint32_t drain_ms_;
  std::string requester_;
};

/// Answers a frame with how an operation stands. A job of the ControlThread.
class OperationAnswer {
 public:
  /// `drain`: an operation that has not begun to drain is waited for again, for so long each time.
  OperationAnswer(std::shared_ptr<Connection> peer, std::uint64_t frame, std::uint64_t operation,
                  std::optional<std::chrono::milliseconds> drain)
      : peer_(std::move(peer)), frame_(frame), operation_(operation), drain_(drain) {}

  std::uint64_t operation() const noexcept { return operation_; }
  void operator()(bool run) const;

 private:
  std::shared_ptr<Connection> peer_;
  std::uint64_t frame_;
  std::uint64_t operation_;
  std::optional<std::chrono::milliseconds> drain_;
};

}  // namespace backplane::host
