// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace backplane::host::cli {

/// What completes the value of an option, or an operand.
enum class Words {
  none,
  files,
  directories,
  levels,   ///< of the log
  formats,  ///< of the log
  kinds,    ///< what `completions` takes
  commands,
  pages,      ///< of the manual
  names,      ///< wire names that the running host knows
  modules,    ///< the modules that it has
  languages,  ///< of bindings
};

struct Option;
/// What completes the value of an option, or the operand.
Words words_of(const Option& option);

/// The script that teaches a shell to complete backplane's commands. They are made of the table of commands.
std::string bash_completions();
std::string zsh_completions();
std::string fish_completions();

}  // namespace backplane::host::cli
