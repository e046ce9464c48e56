// SPDX-License-Identifier: Apache-2.0
//
// What a command is. Each has a file of its own that defines one Command; commands.cpp lists them, and
// parse.cpp makes the argument parser and the help from the descriptions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace backplane::host::cli {

/// What the user gave. One struct for all commands; each reads the members that its options name.
struct Args {
  bool json = false;
  std::optional<std::string> socket;
  std::optional<std::uint64_t> timeout;  // ms

  std::string name;                 // a wire name or a module
  std::string file;                 // of a module
  std::string input;                // call, bench: JSON, @FILE or -
  std::vector<std::string> values;  // events: patterns

  bool raw = false;                    // call, bench
  bool cddl = false;                   // ls
  std::optional<std::uint64_t> count;  // events, bench

  bool redis = false;  // bench, as are the following
  std::optional<std::uint64_t> connections;
  std::optional<std::uint64_t> in_flight;
  std::optional<double> seconds;

  std::vector<std::string> modules;  // run, as are the following
  std::vector<std::string> module_dirs;
  std::optional<std::string> data_dir;
  std::optional<std::string> config;  // run: the file; load, reload: JSON or @FILE
  std::optional<std::string> log_level;
  bool check_config = false;
};

/// One option ("--timeout", or "-c,--connections"), or one operand ("NAME") if `name` has no dash.
struct Option {
  const char* name;
  const char* value;  ///< what the help calls its value; "" for flags and operands
  const char* help;
  using Target = std::variant<bool Args::*, std::string Args::*, std::optional<std::string> Args::*,
                              std::optional<std::uint64_t> Args::*, std::optional<double> Args::*,
                              std::vector<std::string> Args::*>;
  Target target;
  bool required = false;
  std::uint64_t max = UINT32_MAX;  ///< of a number
  std::uint64_t min = 0;           ///< of a whole number; one with a fraction has to be above 0
};

struct Command {
  const char* name;
  const char* summary;
  const char* more;  ///< the end of the help: notes, examples, exit codes
  std::vector<Option> options;
  /// Returns the exit code, or throws CommandFailure.
  int (*run)(const Args&);
};

/// All commands, in the order of the help.
std::span<const Command* const> commands();

extern const Command run_command, call_command, ls_command, load_command, unload_command, reload_command,
    events_command, inspect_command, status_command, stop_command, bench_command;

// Options that several commands have.
inline const Option socket_option = {"--socket", "PATH", "the host's socket; else $BACKPLANE_SOCKET, else the default",
                                     &Args::socket};
inline const Option json_option = {"--json", "", "JSON on stdout, and errors as JSON on stderr", &Args::json};

}  // namespace backplane::host::cli
