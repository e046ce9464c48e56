// SPDX-License-Identifier: Apache-2.0
//
// The two protocols of the load generator. Both copy a prepared request and read answers in place, so that both cost
// the generator the same small time.
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace backplane::host::cli {

/// One answer, possibly incomplete. The views point into the bytes that were read.
struct Answer {
  std::size_t size = 0;    ///< size in bytes; 0: it has not arrived completely
  bool terminal = true;    ///< it ends a call
  std::uint32_t slot = 0;  ///< slot of its call
  bp_status status = BP_OK;
  bool echoed = false;  ///< the answer is OK and repeats the payload of its call; `payload` is then empty
  cbor::View payload;
  cbor::View message;  ///< if status is not BP_OK
};

/// The calls of one connection to a Backplane host. A call's id has its slot in the low bits and a growing number in
/// the high bits.
class FrameWire {
 public:
  /// `echoes`: expect answers that repeat the payload, and recognise them by one comparison of bytes.
  FrameWire(std::uint64_t method, cbor::View payload, bool echoes, std::uint32_t in_flight);

  std::size_t request_size() const noexcept { return request_.size(); }
  /// Writes request_size() bytes and returns the slot of the call. At most `in_flight` calls may be open.
  std::uint32_t write(std::uint8_t* to) noexcept;
  /// Reads one answer from the beginning of `in`. Throws CommandFailure if it is malformed.
  Answer read(cbor::View in);

 private:
  static constexpr std::size_t id_at = 7;  // after the length (4 bytes) and the heads of array, type and id

  std::uint32_t slot_of(std::uint64_t id) const noexcept {
    return static_cast<std::uint32_t>(id) & ((1u << slot_bits_) - 1);
  }
  Answer read_any(cbor::View in);
  Answer read_slowly(cbor::View body);

  std::vector<std::uint32_t> free_;
  cbor::Bytes request_;
  cbor::Bytes expected_;  // the expected answer, except for its id; empty if `echoes` is false
  std::uint32_t slot_bits_ = 0;
  std::uint32_t round_ = 0;
};

/// ECHO commands of one connection to a server that speaks RESP, as Redis does. Answers arrive in order.
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
  std::uint32_t next_ = 0;    // slot of the next call
  std::uint32_t oldest_ = 0;  // slot of the oldest open call
};

}  // namespace backplane::host::cli
