// SPDX-License-Identifier: Apache-2.0
//
// The frames between an application and a host; docs/protocol.md says what they mean. A frame is four
// bytes of length, big-endian, and one CBOR array that begins with the frame's type.
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <variant>

namespace backplane::host::wire {

using cbor::Bytes;
using cbor::View;

inline constexpr std::uint64_t protocol_version = 1;
inline constexpr std::string_view protocol_name = "backplane";
inline constexpr std::size_t header_size = 4;
inline constexpr std::size_t default_max_frame = std::size_t{64} << 20;
/// A peer that names less in its hello is sent as much all the same.
inline constexpr std::size_t least_max_frame = 4096;
/// What a frame takes besides its payload, name, message and detail, at most.
inline constexpr std::size_t frame_overhead = 64;
/// Before its hello a peer has no business with larger frames.
inline constexpr std::size_t max_hello = 1024;

// The views in what follows point into the frame that was decoded.

struct Hello {
  std::uint64_t protocol = protocol_version;
  std::string_view version;  ///< of the sender's library
  std::uint64_t pid = 0;
  std::uint64_t max_frame = default_max_frame;  ///< what the sender takes
};
/// What a call is for: on the wire, an unsigned int or text.
struct Target {
  std::uint64_t method = 0;  ///< if not 0; else
  std::string_view name;
};
struct Call {
  std::uint64_t id = 0;
  Target target;
  View payload;
  std::uint64_t timeout_ms = 0;
  std::uint32_t flags = 0;  ///< BP_SUBMIT_…
};
struct Cancel {
  std::uint64_t id = 0;
};
struct Resolve {
  std::uint64_t id = 0;
  std::string_view name;
};
struct Listen {
  std::uint64_t id = 0;
  std::uint64_t listener = 0;  ///< the sender's choice; its events carry it
  std::string_view pattern;
};
struct Unlisten {
  std::uint64_t id = 0;
  std::uint64_t listener = 0;
};
struct Load {
  std::uint64_t id = 0;
  View path;  ///< bytes, as file names are
  View config;
};
struct Unload {
  std::uint64_t id = 0;
  std::string_view module;
  std::uint64_t timeout_ms = 0;
};
struct Reload {
  std::uint64_t id = 0;
  std::string_view module;
  View path;    ///< empty: that of before
  View config;  ///< empty: that of before
  std::uint64_t timeout_ms = 0;
};
struct List {
  std::uint64_t id = 0;
};
struct Status {
  std::uint64_t id = 0;
};
struct Stop {
  std::uint64_t id = 0;
};
struct Reply {
  std::uint64_t id = 0;
  bp_status status = BP_OK;  ///< terminal unless BP_STALE or BP_PARTIAL
  View payload;
  std::string_view message;
  View detail;
};
struct Event {
  std::uint64_t listener = 0;
  std::uint32_t flags = 0;  ///< BP_EVENT_…
  std::string_view name;
  View payload;
};
/// The last frame before its sender closes the connection.
struct Error {
  bp_status status = BP_PROTOCOL;
  std::string_view message;
};

/// Any frame.
using Frame = std::variant<Hello, Call, Cancel, Resolve, Listen, Unlisten, Load, Unload, Reload, List, Status, Stop,
                           Reply, Event, Error>;

/// The peer sent what the protocol does not allow; what() says what, and what was expected.
struct ProtocolError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Reads a frame without its length. Throws ProtocolError.
Frame decode(View body);

/// "call" for a Call: for messages.
const char* name(const Frame& frame) noexcept;

// Each appends a whole frame with its length. Throws std::bad_alloc, leaving `out` as it was.
void encode(Bytes& out, const Hello& frame);
void encode(Bytes& out, const Call& frame);
void encode(Bytes& out, const Cancel& frame);
void encode(Bytes& out, const Resolve& frame);
void encode(Bytes& out, const Listen& frame);
void encode(Bytes& out, const Unlisten& frame);
void encode(Bytes& out, const Load& frame);
void encode(Bytes& out, const Unload& frame);
void encode(Bytes& out, const Reload& frame);
void encode(Bytes& out, const List& frame);
void encode(Bytes& out, const Status& frame);
void encode(Bytes& out, const Stop& frame);
void encode(Bytes& out, const Reply& frame);
void encode(Bytes& out, const Event& frame);
void encode(Bytes& out, const Error& frame);

/// The bytes of text, such as a file's name, that need not be UTF-8.
inline View as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(View bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline bool is_terminal(bp_status status) noexcept { return status != BP_STALE && status != BP_PARTIAL; }

}  // namespace backplane::host::wire
