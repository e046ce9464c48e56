// SPDX-License-Identifier: Apache-2.0
//
// The table of commands. To add a command: define its Command in a new file, declare it in command.hpp, list it
// here, add the file to CMakeLists.txt, and describe the command in docs/cli.md.
#include "cli/command.hpp"

namespace backplane::host::cli {

std::span<const Command* const> commands() {
  static constexpr const Command* table[] = {
      &run_command,         &call_command,        &ls_command,     &load_command,   &unload_command,  &reload_command,
      &reconfigure_command, &save_command,        &cancel_command, &events_command, &provide_command, &inspect_command,
      &status_command,      &log_command,         &ping_command,   &stop_command,   &bench_command,   &bindgen_command,
      &try_command,         &completions_command, &man_command,
  };
  return table;
}

}  // namespace backplane::host::cli
