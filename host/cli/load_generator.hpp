// SPDX-License-Identifier: Apache-2.0
//
// The load generator: one thread, and what it costs itself must not show in what it measures.
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/failure.hpp"
#include "support/histogram.hpp"

namespace backplane::host::cli {

/// What is to be sent, where to, and how much of it.
struct Load {
  std::string socket;
  bool redis = false;        ///< RESP's ECHO, in the place of calls
  std::uint64_t method = 0;  ///< of the wire name
  cbor::Bytes payload;
  bool echoes = false;  ///< the payload of each reply must be that of its call
  std::uint32_t connections = 1;
  std::uint32_t in_flight = 1;  ///< of each connection
  std::uint64_t calls = 0;      ///< of all; no more are begun once `until_ns` have passed
  std::optional<std::uint64_t> until_ns;
  std::uint64_t silence_ns = 0;  ///< without any reply for so long, it fails
};

struct LoadReport {
  std::uint64_t calls = 0;   ///< answered
  std::uint64_t errors = 0;  ///< of these: with another status than BP_OK
  std::uint64_t wrong = 0;   ///< of these: with other bytes than were sent
  bp_status status = BP_OK;  ///< of the first error
  std::string message;
  std::uint64_t ns = 0;  ///< from the first call to the last answer
  Distribution latency;  ///< ns, from before the write that sent a call to after the read that brought its answer
  bool interrupted = false;
  std::uint64_t open = 0;                 ///< calls without an answer when it ended
  std::uint64_t elapsed_ns = 0;           ///< from the first call to the end, which may be long after the last answer
  std::optional<CommandFailure> failure;  ///< what ended it before its time
};

/// "1 call", "2 calls".
std::string counted(std::uint64_t number, const char* thing);

/// Sends and measures until all is answered, or an ending signal comes. If the server is lost, falls silent or answers
/// nonsense on the way, the report has the failure. Throws CommandFailure if the server cannot be reached.
LoadReport generate(const Load& load);

}  // namespace backplane::host::cli
