// SPDX-License-Identifier: Apache-2.0
//
// The two protocols that the load generator speaks. Each writes a request by copying one made before and reads a
// reply where it lies, so that both cost the generator the same: next to nothing.
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace backplane::host::cli {

/// One reply, or the lack of it. The views point into the bytes that were read.
struct Answer {
  std::size_t size = 0;    ///< bytes it takes; 0: not all of it is there yet
  bool terminal = true;    ///< it ends a call
  std::uint32_t slot = 0;  ///< of the call it is for
  bp_status status = BP_OK;
  bool echoed = false;  ///< it is known to be OK and to carry what was sent; `payload` is empty then
  cbor::View payload;
  cbor::View message;  ///< if status is not BP_OK
};

/// Calls of one connection to a Backplane host. A call's id carries its slot, and what stands above the slot grows.
class FrameWire {
 public:
  /// `echoes`: answers are expected to carry what is sent, and those that do are recognised at a glance.
  FrameWire(std::uint64_t method, cbor::View payload, bool echoes, std::uint32_t in_flight);

  std::size_t request_size() const noexcept { return request_.size(); }
  /// Writes request_size() bytes; returns the call's slot. No more may be open than there are slots.
  std::uint32_t write(std::uint8_t* to) noexcept;
  /// Reads the reply that the bytes begin with. Throws CommandFailure for what is none.
  Answer read(cbor::View in);

 private:
  static constexpr std::size_t id_at = 7;  // behind length, array, type and the id's own head

  std::uint32_t slot_of(std::uint64_t id) const noexcept {
    return static_cast<std::uint32_t>(id) & ((1u << slot_bits_) - 1);
  }
  Answer read_any(cbor::View in);
  Answer read_slowly(cbor::View body);

  std::vector<std::uint32_t> free_;
  cbor::Bytes request_;
  cbor::Bytes expected_;  // but for its id; empty if it is not known
  std::uint32_t slot_bits_ = 0;
  std::uint32_t round_ = 0;
};

/// ECHO commands of one connection to a server that speaks RESP, as Redis does. Replies come in order.
class RespWire {
 public:
  RespWire(cbor::View payload, std::uint32_t in_flight);

  std::size_t request_size() const noexcept { return request_.size(); }
  std::uint32_t write(std::uint8_t* to) noexcept;
  Answer read(cbor::View in);

 private:
  std::uint32_t after(std::uint32_t slot) const noexcept { return slot + 1 == in_flight_ ? 0 : slot + 1; }

  Answer read_any(cbor::View in);

  cbor::Bytes request_;
  cbor::Bytes expected_;
  const std::uint32_t in_flight_;
  std::uint32_t next_ = 0;    // to be sent
  std::uint32_t oldest_ = 0;  // to be answered
};

}  // namespace backplane::host::cli
