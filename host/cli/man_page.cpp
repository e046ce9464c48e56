// SPDX-License-Identifier: Apache-2.0
//
// `backplane man`: manual pages in the language of man(7), made of the table of commands.
#include <backplane/backplane.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

// Text as it stands: nothing of it is a request or an escape of man(7). A hyphen is what can be typed.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string roff_line(std::string_view line) {
  const bool is_request = line.starts_with('.') || line.starts_with('\'');
  return cat(is_request ? "\\&" : "", roff(line), "\n");
}

std::string heading(std::string_view name) { return cat(".SH ", name, "\n"); }

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return text;
}

std::string title(const std::string& name, std::string_view summary) {
  return cat(".\\\" Made by: backplane man\n.TH ", upper(roff(name)), " 1 \"\" \"Backplane ", BP_VERSION_STRING,
             "\" \"Backplane Manual\"\n", heading("NAME"), roff(name), " \\- ", roff_line(summary));
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// The text of a help: lines that are indented stand as they are, others are filled. An empty line begins a paragraph.
// "Examples:" and "Exit codes: …" begin sections.
std::string body(std::string_view text) {
  std::string out;
  bool is_verbatim = false;
  const auto end_verbatim = [&] {
    if (is_verbatim) out += ".fi\n";
    is_verbatim = false;
  };
  bool begins = false;
  for (std::string_view line : lines_of(text)) {
    if (line.empty()) {
      end_verbatim();
      begins = true;
      continue;
    }
    if (line.starts_with("  ")) {
      if (!is_verbatim) out += ".nf\n";
      is_verbatim = true;
      out += roff_line(line);
      continue;
    }
    end_verbatim();
    constexpr std::string_view exit_codes = "Exit codes: ";
    if (line == "Examples:" || line == "Example:") {
      out += heading("EXAMPLES");
    } else if (line.starts_with(exit_codes)) {
      out += cat(heading("EXIT STATUS"), roff_line(line.substr(exit_codes.size())));
    } else {
      out += cat(begins ? ".PP\n" : "", roff_line(line));
    }
    begins = false;
  }
  end_verbatim();
  return out;
}

bool is_operand(const Option& option) { return option.name[0] != '-'; }

std::string synopsis(const Command& command) {
  std::string out = cat(heading("SYNOPSIS"), "\\fBbackplane ", roff(command.name), "\\fR");
  for (const Option& option : command.options) {
    if (!is_operand(option)) continue;
    const bool repeats = std::holds_alternative<std::vector<std::string> Args::*>(option.target);
    const std::string name = cat("\\fI", roff(option.name), "\\fR", repeats ? "..." : "");
    out += option.required ? cat(" ", name) : cat(" [", name, "]");
  }
  return out + " [\\fIOPTIONS\\fR]\n";
}

std::string item(const Option& option) {
  std::string names;
  std::string_view rest = option.name;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    names += cat(names.empty() ? "" : ", ", is_operand(option) ? "\\fI" : "\\fB", roff(rest.substr(0, comma)), "\\fR");
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  if (*option.value != 0) names += cat(" \\fI", roff(option.value), "\\fR");
  return cat(".TP\n", names, "\n", roff_line(option.help));
}

std::string items(const Command& command, bool operands) {
  std::string out;
  for (const Option& option : command.options) {
    if (is_operand(option) == operands) out += item(option);
  }
  return out;
}

std::string page_name(const Command& command) { return cat("backplane-", command.name); }

std::string page(const Command& command) {
  const std::string operands = items(command, true);
  return cat(title(page_name(command), command.summary), synopsis(command), heading("DESCRIPTION"), roff("backplane "),
             roff_line(cat(command.name, ": ", command.summary, ".")), operands.empty() ? "" : heading("OPERANDS"),
             operands, heading("OPTIONS"), items(command, false), heading("NOTES"), body(command.more),
             heading("SEE ALSO"), "\\fBbackplane\\fR(1)\n");
}

std::string overview() {
  std::string all;
  std::string pages;
  for (const Command* command : commands()) {
    all += cat(".TP\n\\fB", roff(command->name), "\\fR\n", roff_line(command->summary));
    pages += cat(pages.empty() ? "" : ",\n", "\\fB", roff(page_name(*command)), "\\fR(1)");
  }
  return cat(title("backplane", "run a plugin host, or talk to a running host"), heading("SYNOPSIS"),
             "\\fBbackplane\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.br\n\\fBbackplane \\-\\-version\\fR\n",
             heading("DESCRIPTION"), body(help_introduction), heading("COMMANDS"), all, heading("NOTES"),
             body(help_ending), heading("SEE ALSO"), pages, "\n");
}

int run_man(const Args& args) {
  const std::vector<std::string> known = page_names();
  if (args.name.empty()) {
    std::string all;
    for (const std::string& each : known) all += each + '\n';
    write_result(all);
    return exit_ok;
  }
  if (args.name == "backplane") {
    write_result(overview());
    return exit_ok;
  }
  for (const Command* command : commands()) {
    if (args.name != command->name && args.name != page_name(*command)) continue;
    write_result(page(*command));
    return exit_ok;
  }
  const std::string hint = did_you_mean(args.name, known);
  throw usage(cat("found \"", one_line(args.name), "\", which is not a page", hint.empty() ? "" : "; ", hint),
              "backplane man lists the pages");
}

}  // namespace

std::vector<std::string> page_names() {
  std::vector<std::string> out = {"backplane"};
  for (const Command* command : commands()) out.push_back(page_name(*command));
  return out;
}

const Command man_command = {
    "man",
    "print a manual page of these commands",
    R"(Packages install the pages. Without PAGE, man lists them, one per line.

Examples:
  backplane man
  backplane man backplane-run | man -l -

Exit codes: 0 ok; 2 usage.)",
    {
        {"PAGE", "", "the page, such as backplane-run; or a command", &Args::name},
    },
    run_man,
};

}  // namespace backplane::host::cli
