// SPDX-License-Identifier: Apache-2.0
//
// The load generator behind `backplane bench`. It uses one thread, and its own cost must not show in the results.
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/failure.hpp"
#include "support/histogram.hpp"

namespace backplane::host::cli {

/// What to send, where, and how much.
struct Load {
  std::string socket;
  bool redis = false;        ///< send ECHO commands of Redis (RESP) instead of calls
  std::uint64_t method = 0;  ///< id of the wire name
  cbor::Bytes payload;
  bool echoes = false;  ///< each answer must repeat the payload of its call
  std::uint32_t connections = 1;
  std::uint32_t in_flight = 1;            ///< calls in flight on each connection
  std::uint64_t calls = 0;                ///< on all connections together
  std::optional<std::uint64_t> until_ns;  ///< begin no call after this time
  std::uint64_t silence_ns = 0;           ///< fail if no answer arrives for this time
};

struct LoadReport {
  std::uint64_t calls = 0;   ///< calls with an answer
  std::uint64_t errors = 0;  ///< answers with a status other than BP_OK
  std::uint64_t wrong = 0;   ///< answers with other bytes than their calls
  bp_status status = BP_OK;  ///< of the first error
  std::string message;
  std::uint64_t ns = 0;  ///< from the first call to the last answer
  Distribution latency;  ///< ns, from before the write that sends a call until after the read that brings its answer
  bool interrupted = false;
  std::uint64_t open = 0;                 ///< calls without an answer at the end
  std::uint64_t elapsed_ns = 0;           ///< from the first call to the end, which may be long after the last answer
  std::optional<CommandFailure> failure;  ///< what ended the run early
};

/// "1 call", "2 calls".
std::string counted(std::uint64_t number, const char* thing);

/// Sends calls and measures until all are answered or an ending signal arrives. If the connection breaks, no answer
/// arrives, or an answer is malformed, the report has the failure. Throws CommandFailure if it cannot connect.
LoadReport generate(const Load& load);

}  // namespace backplane::host::cli
