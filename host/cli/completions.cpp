// SPDX-License-Identifier: Apache-2.0
//
// `backplane completions`: scripts for shells, made of the table of commands, and the words that they ask for.
#include "cli/completions.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::uint64_t patience_ms = 500;  // somebody waits at the prompt

std::string lines_of(const std::vector<std::string>& words) {
  std::string out;
  // A name is text of a module: it must not reach the shell as anything but a word.
  for (const std::string& word : words) {
    const bool is_plain = std::all_of(word.begin(), word.end(), [](unsigned char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
             c == '-';
    });
    if (is_plain) out += word + '\n';
  }
  return out;
}

// Nothing, if no host answers.
std::string known_lines(const Args& args, bool modules) {
  try {
    Args bounded = args;
    bounded.timeout = patience_ms;
    end_at_timeout(bounded);
    const Client client(args, patience_ms);
    std::vector<std::string> words = known_names(client.context(), modules);
    std::sort(words.begin(), words.end());
    return lines_of(words);
  } catch (const CommandFailure&) {
    return {};
  }
}

int run_completions(const Args& args) {
  const std::string& kind = args.name;
  if (kind == "bash") {
    write_result(bash_completions());
  } else if (kind == "zsh") {
    write_result(zsh_completions());
  } else if (kind == "fish") {
    write_result(fish_completions());
  } else if (kind == "names" || kind == "modules") {
    write_result(known_lines(args, kind == "modules"));
  } else {
    throw usage(cat("found \"", one_line(kind), "\", expected bash, zsh, fish, names or modules"),
                "backplane completions --help says what they are");
  }
  return exit_ok;
}

}  // namespace

Words words_of(const Option& option) {
  const bool is_operand = option.name[0] != '-';
  const std::string_view name = is_operand ? option.name : option.value;
  if (name == "FILE" || name == "PATH" || name == "SOURCE") return Words::files;
  if (name == "DIR") return Words::directories;
  if (name == "LEVEL") return Words::levels;
  if (name == "FORMAT") return Words::formats;
  if (name == "KIND") return Words::kinds;
  if (name == "COMMAND") return Words::commands;
  if (name == "LANG") return Words::languages;
  if (name == "PAGE") return Words::pages;
  if (is_operand && name == "NAME") return Words::names;
  if (name == "MODULE") return Words::modules;
  return Words::none;
}

const Command completions_command = {
    "completions",
    "print what a shell needs to complete these commands",
    R"(Packages install the scripts. Without a package, a line in the start file of the shell does the same.

KIND is one of these:
  bash, zsh, fish  the script for this shell
  names, modules   the wire names, or the modules, of the running host, one per line. The scripts ask for them.
                   Nothing is printed if no host answers

Examples:
  backplane completions bash > ~/.local/share/bash-completion/completions/backplane
  backplane completions zsh > ~/.zfunc/_backplane
  backplane completions fish > ~/.config/fish/completions/backplane.fish

Exit codes: 0 ok; 2 usage.)",
    {
        {"KIND", "", "bash, zsh, fish, names or modules", &Args::name, true},
        socket_option,
    },
    run_completions,
};

}  // namespace backplane::host::cli
