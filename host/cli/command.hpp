// SPDX-License-Identifier: Apache-2.0
//
// What a command is. Each command has its own file, which defines one Command. commands.cpp lists them.
// parse.cpp makes the argument parser and the help text from these descriptions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace backplane::host::cli {

/// Of bench alone.
struct BenchArgs {
  bool redis = false;
  std::optional<std::uint64_t> connections;
  std::optional<std::uint64_t> in_flight;
  std::optional<double> seconds;
};

/// The settings of a module, of load and reload.
struct SettingsArgs {
  std::optional<std::string> unload;
  std::optional<std::uint64_t> workers;
  std::optional<std::uint64_t> drain;
  bool old_first = false;
  std::optional<std::uint64_t> stack_size;
};

/// The comparison of interfaces, of inspect and reload.
struct CompareArgs {
  std::optional<std::string> against;  // inspect: a file or a module
  bool compare = false;
  bool strict = false;
};

/// Of run alone.
struct RunArgs {
  std::optional<std::string> module_cache;
};

/// Of bindgen alone.
struct BindgenArgs {
  std::string language;
  std::optional<std::string> output;
  bool check_generated = false;
  std::optional<std::string> interface_name;  // of a .cddl file
  std::optional<std::string> interface_version;
  std::optional<std::string> interface_summary;
};

/// Of provide alone.
struct ProvideArgs {
  std::vector<std::string> functions;
  std::string exec;
};

/// The parsed arguments. One struct for all commands; each command reads the members that its options name.
struct Args : BenchArgs, SettingsArgs, CompareArgs, RunArgs, BindgenArgs, ProvideArgs {
  bool json = false;
  std::optional<std::string> socket;
  std::optional<std::uint64_t> timeout;  // ms

  std::string name;                  // a wire name or a module
  std::string file;                  // a module's file
  std::string input;                 // call, bench: JSON, @FILE or -
  std::optional<std::string> parts;  // call: a file, or -
  std::vector<std::string> values;   // events: patterns; bindgen: files

  bool raw = false;                        // call, bench
  bool cddl = false;                       // ls
  bool lossless = false;                   // events
  std::optional<std::uint64_t> count;      // events, bench
  std::optional<std::uint64_t> operation;  // cancel

  // run:
  std::vector<std::string> modules;  // also bindgen
  std::vector<std::string> module_dirs;
  std::optional<std::string> data_dir;
  std::optional<std::string> config;     // run: the file; load, reload: JSON or @FILE
  std::optional<std::string> log_level;  // also log
  std::optional<std::string> log_format;
  bool check_config = false;
  bool print_config = false;
  bool no_trial = false;

  bool dry_run = false;  // reconfigure, save
  bool yes = false;      // save
};

/// One option ("--timeout", or "-c,--connections"), or one operand ("NAME") if `name` has no dash.
struct Option {
  const char* name;
  const char* value;  ///< the name of its value in the help; "" for flags and operands
  const char* help;
  using Target = std::variant<bool Args::*, std::string Args::*, std::optional<std::string> Args::*,
                              std::optional<std::uint64_t> Args::*, std::optional<double> Args::*,
                              std::vector<std::string> Args::*>;
  Target target;
  bool required = false;
  std::uint64_t max = UINT32_MAX;  ///< the largest number allowed
  std::uint64_t min = 0;           ///< the smallest whole number allowed; a number with a fraction must be above 0
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
    events_command, inspect_command, status_command, log_command, stop_command, bench_command, cancel_command,
    bindgen_command, ping_command, provide_command, reconfigure_command, save_command, try_command, completions_command,
    man_command;

// Options that several commands have.
inline const Option socket_option = {"--socket", "PATH",
                                     "the host's socket; default $BACKPLANE_SOCKET, else as backplane --help describes",
                                     &Args::socket};
inline const Option json_option = {"--json", "", "print the result as JSON on stdout, and an error as JSON on stderr",
                                   &Args::json};

}  // namespace backplane::host::cli
