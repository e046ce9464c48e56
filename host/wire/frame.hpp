// SPDX-License-Identifier: Apache-2.0
//
// The frames between an application and a host; docs/protocol.md describes their meaning. A frame is four bytes of
// length, big-endian, and one CBOR array that begins with the frame's type.
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
/// The oldest version that this side speaks as well.
inline constexpr std::uint64_t oldest_protocol = 1;
inline constexpr std::string_view protocol_name = "backplane";
inline constexpr std::size_t header_size = 4;
inline constexpr std::size_t default_max_frame = std::size_t{64} << 20;
/// Peers must accept frames of this size, even if their hello has a smaller maximum.
inline constexpr std::size_t least_max_frame = 4096;
/// The maximum size of a frame without its payload, name, message and detail.
inline constexpr std::size_t frame_overhead = 64;
/// The maximum size of a frame before the peer's hello.
inline constexpr std::size_t max_hello = 1024;

// The views in these structs point into the decoded frame.

/// What a side can do beyond the first version of the protocol. On the wire it is an array of texts.
struct Features {
  bool credit = false;       ///< credit frames
  bool parts = false;        ///< requests in parts
  bool lossless = false;     ///< listeners that emitters wait for, and heard frames
  bool log = false;          ///< log frames
  bool operations = false;   ///< begin, wait and undo frames
  bool reconfigure = false;  ///< reconfigure frames
  bool settings = false;     ///< settings of a module in load, reload and begin frames
  bool compare = false;      ///< comparison of interfaces: flags 8 and 16 of these frames
  bool provide = false;      ///< host functions: provide, withdraw and answer frames
  bool expect = false;       ///< expect frames
};
struct Hello {
  std::uint64_t protocol = protocol_version;  ///< the newest version that the sender speaks
  std::string_view version;                   ///< version of the sender's library
  std::uint64_t pid = 0;
  std::uint64_t max_frame = default_max_frame;  ///< the largest frame that the sender accepts
  std::uint64_t oldest = 0;                     ///< the oldest version that the sender speaks; 0: `protocol`
  Features features;
  std::uint64_t window_bytes = 0;  ///< of the parts of a request that the sender takes; 0: 1 MiB
  std::uint32_t window_parts = 0;  ///< 0: 1024
};
/// The target of a call. On the wire it is an unsigned int or text.
struct Target {
  std::uint64_t method = 0;  ///< a method id; 0: use `name`
  std::string_view name;
};
struct Call {
  std::uint64_t id = 0;
  Target target;
  View payload;
  std::uint64_t timeout_ms = 0;
  std::uint32_t flags = 0;         ///< BP_SUBMIT_…
  std::uint64_t window_bytes = 0;  ///< as in bp_submission; 0: the receiver's default
  std::uint32_t window_parts = 0;
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
  std::uint64_t listener = 0;  ///< an id chosen by the sender; its events carry it
  std::string_view pattern;
  std::uint32_t flags = 0;  ///< BP_LISTEN_LOSSLESS or 0
};
struct Unlisten {
  std::uint64_t id = 0;
  std::uint64_t listener = 0;
};
struct Load {
  std::uint64_t id = 0;
  View path;  ///< bytes, because file names need not be UTF-8
  View config;
  std::uint32_t flags = 0;       ///< BP_LOAD_…; if the host has `settings`, as the next three
  std::uint64_t stack_size = 0;  ///< as in bp_load_options
  std::uint32_t workers = 0;     ///< as in bp_load_options
  std::uint32_t drain_ms = 0;    ///< as in bp_load_options
};
struct Unload {
  std::uint64_t id = 0;
  std::string_view module;
  std::uint64_t timeout_ms = 0;
};
struct Reload {
  std::uint64_t id = 0;
  std::string_view module;
  View path;    ///< empty: unchanged
  View config;  ///< empty: unchanged
  std::uint64_t timeout_ms = 0;
  std::uint32_t flags = 0;       ///< BP_LOAD_…; if the host has `settings`, as the next three
  std::uint64_t stack_size = 0;  ///< as in bp_load_options
  std::uint32_t workers = 0;     ///< as in bp_load_options
  std::uint32_t drain_ms = 0;    ///< as in bp_load_options
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
/// Changes or shows the level of the host's log.
struct Log {
  std::uint64_t id = 0;
  std::string_view module;  ///< empty: of all
  std::string_view level;   ///< empty: unchanged
};
/// Begins a module operation. The answer has its id.
struct Begin {
  std::uint64_t id = 0;
  std::uint32_t kind = 0;  ///< BP_OPERATION_…
  std::string_view module;
  View path;
  View config;
  std::uint32_t flags = 0;       ///< BP_LOAD_…; if the host has `settings`, as the next three
  std::uint64_t stack_size = 0;  ///< as in bp_load_options
  std::uint32_t workers = 0;     ///< as in bp_load_options
  std::uint32_t drain_ms = 0;    ///< as in bp_load_options
};
/// Is answered when a module operation has ended, or at the timeout.
struct Wait {
  std::uint64_t id = 0;
  std::uint64_t operation = 0;
  std::uint64_t timeout_ms = 0;  ///< 0: answered at once
};
/// Asks for the end of a module operation.
struct Undo {
  std::uint64_t id = 0;
  std::uint64_t operation = 0;
};
/// Asks the host to read its configuration file again.
struct Reconfigure {
  std::uint64_t id = 0;
  std::uint32_t flags = 0;  ///< BP_RECONFIGURE_…
};
/// The sender is done with so many bytes of the parts of a call: partial replies, or parts of a request.
struct Credit {
  std::uint64_t id = 0;  ///< of the call
  std::uint64_t bytes = 0;
};
/// A further part of a request.
struct Part {
  std::uint64_t id = 0;  ///< of the call
  View payload;
  std::uint32_t flags = 0;  ///< BP_PART_…
};
/// The sender is done with so many bytes of the lossless events of a listener.
struct Heard {
  std::uint64_t listener = 0;
  std::uint64_t bytes = 0;
};
/// Asks whether a program that was built for this interface of a module may use it.
struct Expect {
  std::uint64_t id = 0;
  std::string_view module;
  std::string_view hash;
  std::string_view cddl;  ///< empty: only the hash is known
};
/// The application answers calls of that name.
struct Provide {
  std::uint64_t id = 0;
  std::uint64_t kind = 0;  ///< 0: a host function; 1: a wire name
  std::string_view name;
  std::uint32_t flags = 0;
  std::uint64_t window_bytes = 0;
  std::uint32_t window_parts = 0;
};
struct Withdraw {
  std::uint64_t id = 0;
  std::string_view name;
};
/// A call of what the application provides.
struct Ask {
  std::uint64_t token = 0;  ///< names the answer
  std::string_view name;
  View payload;
  std::uint64_t timeout_ms = 0;  ///< 0: none
  std::uint32_t flags = 0;       ///< 0
};
struct Answer {
  std::uint64_t token = 0;
  bp_status status = BP_OK;  ///< terminal
  View payload;
  std::string_view message;
  View detail;
};
/// Nobody waits for the answer any more.
struct Unask {
  std::uint64_t token = 0;
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
                           Credit, Part, Heard, Log, Begin, Wait, Undo, Reconfigure, Expect, Provide, Withdraw, Ask,
                           Answer, Unask, Reply, Event, Error>;

/// The peer violated the protocol. what() begins with what it sent, for example "a call frame with …; expected …".
struct ProtocolError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A frame is larger than its receiver allows.
struct FrameTooLarge : ProtocolError {
  using ProtocolError::ProtocolError;
};

/// Reads a frame without its length. Throws ProtocolError.
Frame decode(View body);

/// The name of the frame's type for messages, for example "call".
const char* name(const Frame& frame) noexcept;
/// "a call frame", "an event frame".
std::string a_frame(std::string_view name);
inline std::string a_frame(const Frame& frame) { return a_frame(name(frame)); }

// Each function appends a whole frame with its length. Throws std::bad_alloc and leaves `out` unchanged.
void encode(Bytes& out, const Hello& frame);
void encode(Bytes& out, const Call& frame);
void encode(Bytes& out, const Cancel& frame);
void encode(Bytes& out, const Resolve& frame);
void encode(Bytes& out, const Listen& frame);
void encode(Bytes& out, const Unlisten& frame);
void encode(Bytes& out, const Heard& frame);
void encode(Bytes& out, const Load& frame);
void encode(Bytes& out, const Unload& frame);
void encode(Bytes& out, const Reload& frame);
void encode(Bytes& out, const List& frame);
void encode(Bytes& out, const Status& frame);
void encode(Bytes& out, const Stop& frame);
void encode(Bytes& out, const Credit& frame);
void encode(Bytes& out, const Part& frame);
void encode(Bytes& out, const Log& frame);
void encode(Bytes& out, const Begin& frame);
void encode(Bytes& out, const Wait& frame);
void encode(Bytes& out, const Undo& frame);
void encode(Bytes& out, const Reconfigure& frame);
void encode(Bytes& out, const Expect& frame);
void encode(Bytes& out, const Provide& frame);
void encode(Bytes& out, const Withdraw& frame);
void encode(Bytes& out, const Ask& frame);
void encode(Bytes& out, const Answer& frame);
void encode(Bytes& out, const Unask& frame);
void encode(Bytes& out, const Reply& frame);
void encode(Bytes& out, const Event& frame);
void encode(Bytes& out, const Error& frame);

/// The size of the frame, with its length, that begins at `at`.
inline std::size_t frame_size(View bytes, std::size_t at) noexcept {
  std::size_t length = 0;
  for (std::size_t i = 0; i < header_size; ++i) length = length << 8 | bytes[at + i];
  return header_size + length;
}

/// Converts text that need not be UTF-8, such as a file name, to bytes.
inline View as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(View bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline bool is_terminal(bp_status status) noexcept { return status != BP_STALE && status != BP_PARTIAL; }

}  // namespace backplane::host::wire
