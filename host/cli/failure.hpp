// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>

#include <string>

namespace backplane::host::cli {

/// The exit codes of every command.
enum Exit : int {
  exit_ok = 0,
  exit_error = 1,        ///< the module or the host answered an error
  exit_usage = 2,        ///< wrong arguments, JSON that does not parse, a wrong configuration
  exit_unreachable = 3,  ///< no host answers on the socket
  exit_timeout = 4,
  exit_refused = 5,         ///< the host refused a module
  exit_not_responding = 6,  ///< a host answers, but a thread of it makes no progress
  exit_interrupted = 130,   ///< Ctrl-C: 128 + SIGINT, as in shells
};

/// Why a command ends early. Commands throw it; report() shows it to the user.
struct CommandFailure {
  int exit = exit_error;
  bp_status status = BP_OK;  ///< from the library; BP_OK if the command itself found the fault
  std::string message;
  cbor::Bytes detail = {};  ///< one CBOR item, or empty
  std::string hint = {};    ///< what to do, if the message does not say it
};

/// A failure for wrong arguments or a wrong configuration.
CommandFailure usage(std::string message, std::string hint = {});

/// The exit code for a status, for example of an answer to a call.
int exit_code(bp_status status);

/// The exit code for a status of a load: every fault of the module counts as refused.
int load_exit_code(bp_status status);

/// Writes a failure to stderr: as text, or as one line of JSON
/// {"error": {"exit", "code", "message", "status"?, "detail"?, "hint"?}}.
void report(const CommandFailure& failure, bool json);

}  // namespace backplane::host::cli
