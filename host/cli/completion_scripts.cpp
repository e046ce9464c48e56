// SPDX-License-Identifier: Apache-2.0
//
// The three scripts. Each knows the commands, their options and what completes a value; none knows more than the table.
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.hpp"
#include "cli/completions.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

// "-c" and "--connections" of "-c,--connections".
std::vector<std::string> spellings(const Option& option) {
  std::vector<std::string> out;
  std::string_view rest = option.name;
  for (;;) {
    const std::size_t comma = rest.find(',');
    out.emplace_back(rest.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    rest.remove_prefix(comma + 1);
  }
}

bool is_operand(const Option& option) { return option.name[0] != '-'; }
bool repeats(const Option& option) { return std::holds_alternative<std::vector<std::string> Args::*>(option.target); }

constexpr const char* levels = "trace debug info warn error off";
constexpr const char* formats = "human json";
constexpr const char* languages = "c cpp python typescript rust json";
constexpr const char* kinds = "bash zsh fish names modules";

std::string command_names(const char* between) {
  std::string out;
  for (const Command* command : commands()) out += cat(out.empty() ? "" : between, command->name);
  return out;
}

std::string pages() {
  std::string out;
  for (const std::string& page : page_names()) out += cat(out.empty() ? "" : " ", page);
  return out;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

// In single quotes of a POSIX shell.
std::string sh_quoted(const std::string& text) { return cat("'", replaced(text, "'", R"('\'')"), "'"); }

const Option help_option = {"-h,--help", "", "print the help of this command", &Args::json};

std::vector<Option> with_help(const Command& command) {
  std::vector<Option> out = command.options;
  out.push_back(help_option);
  return out;
}

// ---- bash -----------------------------------------------------------------------------------------

std::string bash_words(Words words) {
  switch (words) {
    case Words::files:
      return "files";
    case Words::directories:
      return "directories";
    case Words::levels:
      return cat("words ", levels);
    case Words::formats:
      return cat("words ", formats);
    case Words::kinds:
      return cat("words ", kinds);
    case Words::languages:
      return cat("words ", languages);
    case Words::commands:
      return cat("words ", command_names(" "));
    case Words::pages:
      return cat("words ", pages());
    case Words::names:
      return "host names";
    case Words::modules:
      return "host modules";
    default:
      return "nothing";
  }
}

// One case of the function that says what an option or an operand of a command takes.
std::string bash_command(const Command& command) {
  std::string options;
  std::string values;
  std::string operands;
  std::size_t place = 0;
  for (const Option& option : with_help(command)) {
    if (is_operand(option)) {
      operands += cat("    ", command.name, ":", repeats(option) ? "[0-9]*" : std::to_string(place), ") echo ",
                      bash_words(words_of(option)), " ;;\n");
      ++place;
      continue;
    }
    std::string names;
    for (const std::string& name : spellings(option)) {
      options += cat(options.empty() ? "" : " ", name);
      names += cat(names.empty() ? "" : "|", command.name, ":", name);
    }
    if (*option.value != 0) values += cat("    ", names, ") echo ", bash_words(words_of(option)), " ;;\n");
  }
  return cat("    ", command.name, ":) echo ", options, " ;;\n", values, operands);
}

constexpr const char* bash_engine = R"sh(
# "command:" has the options of a command, "command:--option" what its value is, "command:0" what its first operand is.
_backplane() {
  local word takes command= place=0 wanted= i
  local cur=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == = ]]; then
      continue
    elif [[ -n $wanted ]]; then
      wanted=
    elif [[ $word == -* ]]; then
      if [[ $word == --socket ]]; then
        wanted=files
      elif [[ -n $command ]]; then
        wanted=$(_backplane_takes "$command:$word")
      fi
    elif [[ -z $command ]]; then
      command=$word
    else
      ((place++))
    fi
  done
  [[ $cur != = ]] || cur=
  if [[ -n $wanted ]]; then
    takes=$wanted
  elif [[ $cur == -* && -n $command ]]; then
    takes="words $(_backplane_takes "$command:")"
  elif [[ $cur == -* ]]; then
    takes='words --help --json --socket --version'
  elif [[ -z $command ]]; then
    takes="words help $_backplane_commands"
  elif [[ $command == help ]]; then
    takes="words $_backplane_commands"
  else
    takes=$(_backplane_takes "$command:$place")
  fi
  case $takes in
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    directories) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'words '*) mapfile -t COMPREPLY < <(compgen -W "${takes#words }" -- "$cur") ;;
    'host '*)
      word=$("${COMP_WORDS[0]}" completions "${takes#host }" 2>/dev/null)
      mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
      ;;
  esac
}
complete -F _backplane backplane
)sh";

// ---- zsh ------------------------------------------------------------------------------------------

std::string zsh_words(Words words) {
  switch (words) {
    case Words::files:
      return "_files";
    case Words::directories:
      return "_files -/";
    case Words::levels:
      return cat("(", levels, ")");
    case Words::formats:
      return cat("(", formats, ")");
    case Words::kinds:
      return cat("(", kinds, ")");
    case Words::languages:
      return cat("(", languages, ")");
    case Words::commands:
      return "_backplane_commands";
    case Words::pages:
      return cat("(", pages(), ")");
    case Words::names:
      return "_backplane_known names";
    case Words::modules:
      return "_backplane_known modules";
    default:
      return " ";
  }
}

std::string zsh_text(const char* text) {
  std::string out = text;
  for (const char* special : {"\\", "[", "]", ":"}) out = replaced(out, special, cat("\\", special));
  return out;
}

std::string zsh_command(const Command& command) {
  std::string out = cat("_backplane_", command.name, "() {\n  _arguments -s -S");
  std::size_t place = 0;
  for (const Option& option : with_help(command)) {
    std::string spec;
    if (is_operand(option)) {
      const std::string at = repeats(option) ? "*" : std::to_string(++place);
      spec = cat(at, option.required || repeats(option) ? ":" : "::", option.name, ":", zsh_words(words_of(option)));
      out += cat(" \\\n    ", sh_quoted(spec));
      continue;
    }
    const std::vector<std::string> names = spellings(option);
    std::string all;
    for (const std::string& name : names) all += cat(all.empty() ? "" : " ", name);
    for (const std::string& name : names) {
      spec = cat(repeats(option) ? "*" : cat("(", all, ")"), name, "[", zsh_text(option.help), "]");
      if (*option.value != 0) spec += cat(":", option.value, ":", zsh_words(words_of(option)));
      out += cat(" \\\n    ", sh_quoted(spec));
    }
  }
  return out + "\n}\n\n";
}

constexpr const char* zsh_engine = R"sh(_backplane_known() {
  local -a known
  known=(${(f)"$(_call_program known backplane completions ${@[-1]} 2>/dev/null)"})
  compadd "${@[1,-2]}" -a known
}

_backplane() {
  local curcontext=$curcontext state
  local -a line
  _arguments -C \
    '--socket[the socket of the host]:PATH:_files' \
    '--json[print the result as JSON]' \
    '(- *)--version[print the version]' \
    '(- *)'{-h,--help}'[print the commands]' \
    '1:command:_backplane_commands' \
    '*::argument:->arguments' && return
  [[ $state == arguments ]] || return
  curcontext=${curcontext%:*:*}:backplane-$line[1]:
  if [[ $line[1] == help ]]; then
    _arguments '1:command:_backplane_commands'
  elif (( $+functions[_backplane_$line[1]] )); then
    _backplane_$line[1]
  fi
}

if [[ $funcstack[1] == _backplane ]]; then
  _backplane "$@"
else
  compdef _backplane backplane
fi
)sh";

// ---- fish -----------------------------------------------------------------------------------------

std::string fish_quoted(const std::string& text) {
  return cat("'", replaced(replaced(text, "\\", "\\\\"), "'", "\\'"), "'");
}

// What follows -a, or the flag that asks for files.
std::string fish_words(Words words) {
  switch (words) {
    case Words::files:
      return "-F";
    case Words::directories:
      return "-f -a '(__fish_complete_directories)'";
    case Words::levels:
      return cat("-f -a ", fish_quoted(levels));
    case Words::formats:
      return cat("-f -a ", fish_quoted(formats));
    case Words::kinds:
      return cat("-f -a ", fish_quoted(kinds));
    case Words::languages:
      return cat("-f -a ", fish_quoted(languages));
    case Words::commands:
      return cat("-f -a ", fish_quoted(command_names(" ")));
    case Words::pages:
      return cat("-f -a ", fish_quoted(pages()));
    case Words::names:
      return "-f -a '(backplane completions names 2>/dev/null)'";
    case Words::modules:
      return "-f -a '(backplane completions modules 2>/dev/null)'";
    default:
      return "-f";
  }
}

std::string fish_command(const Command& command) {
  const std::string when = cat(" -n '__fish_seen_subcommand_from ", command.name, "'");
  std::string out = cat("complete -c backplane -n __fish_use_subcommand -f -a ", command.name, " -d ",
                        fish_quoted(command.summary), "\n");
  std::size_t operands = 0;
  for (const Option& option : with_help(command)) {
    if (is_operand(option)) {
      if (words_of(option) != Words::none) {
        out +=
            cat("complete -c backplane -n '__fish_seen_subcommand_from ", command.name, "; and __backplane_operand ",
                repeats(option) ? "-ge " : "-eq ", std::to_string(operands), "' ", fish_words(words_of(option)), "\n");
      }
      ++operands;
      continue;
    }
    std::string names;
    for (const std::string& name : spellings(option)) {
      names += name.starts_with("--") ? cat(" -l ", name.substr(2)) : cat(" -s ", name.substr(1));
    }
    out += cat("complete -c backplane", when, names, " -d ", fish_quoted(option.help),
               *option.value != 0 ? cat(" -r ", fish_words(words_of(option))) : "", "\n");
  }
  return out;
}

}  // namespace

std::string bash_completions() {
  std::string cases;
  for (const Command* command : commands()) cases += bash_command(*command);
  return cat("# bash completions of backplane, made by: backplane completions bash\n_backplane_commands='",
             command_names(" "), "'\n\n_backplane_takes() {\n  case $1 in\n", cases, "  esac\n}\n", bash_engine);
}

std::string zsh_completions() {
  std::string functions;
  std::string names;
  for (const Command* command : commands()) {
    functions += zsh_command(*command);
    names += cat("    ", sh_quoted(cat(command->name, ":", zsh_text(command->summary))), "\n");
  }
  return cat("#compdef backplane\n# zsh completions of backplane, made by: backplane completions zsh\n\n",
             "_backplane_commands() {\n  local -a all\n  all=(\n    'help:print the help of a command'\n", names,
             "  )\n  _describe command all\n}\n\n", functions, zsh_engine);
}

std::string fish_completions() {
  std::string out =
      "# fish completions of backplane, made by: backplane completions fish\n"
      "function __backplane_operand -d 'whether so many operands stand before the cursor'\n"
      "  set -l words (commandline -opc)\n"
      "  test (count (string match -v -- '-*' $words[3..-1])) $argv\n"
      "end\n"
      "complete -c backplane -f\n"
      "complete -c backplane -n __fish_use_subcommand -l version -d 'print the version'\n"
      "complete -c backplane -n __fish_use_subcommand -l socket -r -F -d 'the socket of the host'\n"
      "complete -c backplane -n __fish_use_subcommand -f -a help -d 'print the help of a command'\n";
  for (const Command* command : commands()) out += fish_command(*command);
  return out + cat("complete -c backplane -n '__fish_seen_subcommand_from help' -f -a ",
                   fish_quoted(command_names(" ")), "\n");
}

}  // namespace backplane::host::cli
