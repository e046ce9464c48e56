// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>

#include <string>

namespace backplane::host::cli {

/// The exit codes of every command.
enum Exit : int {
  exit_ok = 0,
  exit_error = 1,        ///< the module, or the host, answered an error
  exit_usage = 2,        ///< arguments, JSON that does not parse, a wrong configuration
  exit_unreachable = 3,  ///< nobody answers on the socket
  exit_timeout = 4,
  exit_refused = 5,        ///< a module was not loaded
  exit_interrupted = 130,  ///< Ctrl-C, as shells count it
};

/// Why a command ends early. Thrown by commands, told to the user by report().
struct CommandFailure {
  int exit = exit_error;
  bp_status status = BP_OK;  ///< what the library said; BP_OK: the command itself found the fault
  std::string message;
  cbor::Bytes detail = {};  ///< one CBOR item, or empty
  std::string hint = {};    ///< what to do, if the message does not say
};

/// What is wrong with the arguments or the configuration.
CommandFailure usage(std::string message, std::string hint = {});

/// The exit code for a status: of an answer to a call, say.
int exit_code(bp_status status);

/// The same for commands that load: whatever speaks against the module counts as refused.
int load_exit_code(bp_status status);

/// Writes a failure to stderr, for people or, if `json`, as one line
/// {"error": {"exit", "code", "message", "status"?, "detail"?, "hint"?}}.
void report(const CommandFailure& failure, bool json);

}  // namespace backplane::host::cli
