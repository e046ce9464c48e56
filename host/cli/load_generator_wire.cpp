// SPDX-License-Identifier: Apache-2.0
//
// Writes requests and reads answers in Backplane's frames (FrameWire) and in the protocol of Redis (RespWire).
#include "cli/load_generator_wire.hpp"

#include <backplane/backplane.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "wire/frame_quick.hpp"

namespace backplane::host::cli {
namespace {

void store_be32(std::uint8_t* at, std::uint32_t v) noexcept {
  const std::uint32_t swapped = __builtin_bswap32(v);
  std::memcpy(at, &swapped, sizeof swapped);
}

std::uint32_t load_be32(const std::uint8_t* at) noexcept {
  std::uint32_t v = 0;
  std::memcpy(&v, at, sizeof v);
  return __builtin_bswap32(v);
}

/// Size of an ECHO command before its argument. The rest of the command equals the expected answer.
constexpr std::ptrdiff_t echo_head = sizeof("*2\r\n$4\r\nECHO\r\n") - 1;

CommandFailure no_reply(std::string what) {
  return {
      exit_unreachable, BP_PROTOCOL, std::move(what), {}, "use --redis for servers that speak RESP, and only for them"};
}

}  // namespace

// Ids start at a value that CBOR encodes in four bytes, so that all requests and all answers have equal lengths.
FrameWire::FrameWire(std::uint64_t method, cbor::View payload, bool echoes, std::uint32_t in_flight)
    : slot_bits_(static_cast<std::uint32_t>(std::bit_width(in_flight - 1))), round_(0x10000u >> slot_bits_) {
  free_.reserve(in_flight);
  for (std::uint32_t i = in_flight; i > 0; --i) free_.push_back(i - 1);
  wire::Call call;
  call.id = std::numeric_limits<std::uint32_t>::max();  // reserves four bytes for the id
  call.target.method = method;
  call.payload = payload;
  call.flags = BP_SUBMIT_NO_STALE;
  wire::encode(request_, call);
  if (echoes) wire::quick_encode_ok(expected_, call.id, payload);
}

std::uint32_t FrameWire::write(std::uint8_t* to) noexcept {
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  std::memcpy(to, request_.data(), request_.size());
  store_be32(to + id_at, round_++ << slot_bits_ | slot);
  return slot;
}

Answer FrameWire::read(cbor::View in) {
  constexpr std::size_t behind_id = id_at + sizeof(std::uint32_t);
  const std::size_t size = expected_.size();
  if (size == 0 || in.size() < size || std::memcmp(in.data(), expected_.data(), id_at) != 0 ||
      std::memcmp(in.data() + behind_id, expected_.data() + behind_id, size - behind_id) != 0) {
    return read_any(in);
  }
  Answer out;
  out.size = size;
  out.echoed = true;
  out.slot = slot_of(load_be32(in.data() + id_at));
  free_.push_back(out.slot);
  return out;
}

Answer FrameWire::read_any(cbor::View in) {
  if (in.size() < wire::header_size) return {};
  const std::size_t length = load_be32(in.data());
  if (in.size() - wire::header_size < length) {
    if (length > wire::default_max_frame)
      throw no_reply(cat("found a frame of ", std::to_string(length), " bytes, expected at most ",
                         std::to_string(wire::default_max_frame)));
    return {};
  }
  const cbor::View body = in.subspan(wire::header_size, length);
  Answer out;
  wire::Reply ok;
  if (wire::quick_decode(body, ok)) {
    out.payload = ok.payload;
    out.slot = slot_of(ok.id);
  } else {
    out = read_slowly(body);
  }
  out.size = wire::header_size + length;
  if (out.terminal) free_.push_back(out.slot);
  return out;
}

Answer FrameWire::read_slowly(cbor::View body) {
  try {
    const wire::Frame frame = wire::decode(body);
    if (const auto* error = std::get_if<wire::Error>(&frame)) {
      throw CommandFailure{exit_unreachable, error->status, cat("the host closed the connection: ", error->message)};
    }
    const auto* reply = std::get_if<wire::Reply>(&frame);
    if (reply == nullptr) throw no_reply(cat("found a frame of type ", wire::name(frame), ", expected a reply"));
    Answer out;
    out.terminal = wire::is_terminal(reply->status);
    out.slot = slot_of(reply->id);
    out.status = reply->status;
    out.payload = reply->payload;
    out.message = wire::as_bytes(reply->message);
    return out;
  } catch (const wire::ProtocolError& error) {
    throw no_reply(cat("found ", error.what(), ", expected a reply"));
  }
}

RespWire::RespWire(cbor::View payload, std::uint32_t in_flight) : in_flight_(in_flight) {
  const std::string begin = cat("*2\r\n$4\r\nECHO\r\n$", std::to_string(payload.size()), "\r\n");
  request_.assign(begin.begin(), begin.end());
  request_.insert(request_.end(), payload.begin(), payload.end());
  request_.push_back('\r');
  request_.push_back('\n');
  expected_.assign(request_.begin() + echo_head, request_.end());
}

std::uint32_t RespWire::write(std::uint8_t* to) noexcept {
  std::memcpy(to, request_.data(), request_.size());
  return std::exchange(next_, after(next_));
}

Answer RespWire::read(cbor::View in) {
  if (in.size() < expected_.size() || std::memcmp(in.data(), expected_.data(), expected_.size()) != 0) {
    return read_any(in);
  }
  Answer out;
  out.size = expected_.size();
  out.echoed = true;
  out.slot = std::exchange(oldest_, after(oldest_));
  return out;
}

Answer RespWire::read_any(cbor::View in) {
  if (in.empty()) return {};
  const auto* const newline =
      static_cast<const std::uint8_t*>(std::memchr(in.data(), '\n', std::min<std::size_t>(in.size(), 4096)));
  if (in[0] != '$' && in[0] != '-') {
    throw no_reply(cat("found the byte ", std::to_string(in[0]), ", expected a RESP reply, which begins with $ or -"));
  }
  if (newline == nullptr) {
    if (in.size() >= 4096) throw no_reply("found 4096 bytes without a line end, expected a line of RESP");
    return {};
  }
  const auto line = static_cast<std::size_t>(newline - in.data()) + 1;
  Answer out;
  if (in[0] == '-') {
    out.size = line;
    out.status = BP_ERROR;
    out.message = in.subspan(1, line >= 3 ? line - 3 : 0);
  } else {
    std::size_t size = 0;
    for (std::size_t i = 1; i + 2 < line; ++i) {
      if (in[i] < '0' || in[i] > '9' || size > wire::default_max_frame) {
        throw no_reply("found no valid length after $, expected a RESP bulk string");
      }
      size = size * 10 + (in[i] - '0');
    }
    if (in.size() - line < size + 2) return {};
    out.size = line + size + 2;
    out.payload = in.subspan(line, size);
  }
  out.slot = std::exchange(oldest_, after(oldest_));
  return out;
}

}  // namespace backplane::host::cli
