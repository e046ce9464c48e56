// SPDX-License-Identifier: Apache-2.0
//
// Parses arguments from the descriptions in command.hpp. Only this unit includes CLI11.
#include "cli/parse.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

// "--connections" of "-c,--connections".
std::string long_name(const Option& option) {
  const std::string name = option.name;
  return name.substr(name.find(',') + 1);
}

std::uint64_t number(const Option& option, const std::string& given) {
  std::uint64_t v = 0;
  const char* const end = given.data() + given.size();
  const auto [last, error] = std::from_chars(given.data(), end, v);
  if (error != std::errc() || last != end || v < option.min || v > option.max) {
    throw usage(cat(long_name(option), ": found \"", given, "\", expected a whole number ",
                    option.max == UINT64_MAX
                        ? cat("of ", std::to_string(option.min), " or more")
                        : cat("from ", std::to_string(option.min), " to ", std::to_string(option.max))));
  }
  return v;
}

double fraction(const Option& option, const std::string& given) {
  double v = 0;
  const char* const end = given.data() + given.size();
  const auto [last, error] = std::from_chars(given.data(), end, v);
  // !(v > 0 …) instead of v <= 0 …, to refuse NaN as well.
  if (error != std::errc() || last != end || !(v > 0 && v <= static_cast<double>(option.max))) {
    throw usage(cat(long_name(option), ": found \"", given, "\", expected a number above 0, at most ",
                    std::to_string(option.max), ", such as 2 or 0.5"));
  }
  return v;
}

struct AddOption {
  CLI::App& app;
  const Option& option;
  Args& args;

  CLI::Option* operator()(bool Args::*member) const { return app.add_flag(option.name, args.*member, option.help); }
  CLI::Option* operator()(std::string Args::*member) const {
    return app.add_option(option.name, args.*member, option.help);
  }
  CLI::Option* operator()(std::optional<std::string> Args::*member) const {
    return app.add_option_function<std::string>(
        option.name, [this_args = &args, member](const std::string& v) { this_args->*member = v; }, option.help);
  }
  CLI::Option* operator()(std::optional<std::uint64_t> Args::*member) const {
    return app.add_option_function<std::string>(
        option.name,
        [this_args = &args, member, spec = &option](const std::string& v) { this_args->*member = number(*spec, v); },
        option.help);
  }
  CLI::Option* operator()(std::optional<double> Args::*member) const {
    return app.add_option_function<std::string>(
        option.name,
        [this_args = &args, member, spec = &option](const std::string& v) { this_args->*member = fraction(*spec, v); },
        option.help);
  }
  CLI::Option* operator()(std::vector<std::string> Args::*member) const {
    CLI::Option* const added = app.add_option(option.name, args.*member, option.help);
    return option.name[0] == '-' ? added->allow_extra_args(false) : added;
  }
};

// Replaces CLI11's messages for common mistakes, because they do not say what to do.
std::string explain(const Command& command, const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ArgumentMismatch)) {
    const std::string text = error.what();  // begins with the option's name and a colon
    for (const Option& option : command.options) {
      const std::string name = long_name(option);
      if (*option.value != 0 && text.starts_with(cat(name, ":"))) {
        const std::size_t found = app.get_option(name)->count();
        if (found > 1) {
          const std::string times = found == 2 ? "twice" : cat(std::to_string(found), " times");
          return cat(name, ": found ", times, ", expected once; leave ", found == 2 ? "one" : "all but one", " out");
        }
        return cat(name, " needs a value: ", name, " ", option.value);
      }
    }
  }
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError)) return error.what();
  const std::vector<std::string> extras = app.remaining();
  if (extras.empty()) return error.what();
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) known.push_back(option->get_name());
  std::string text = extras[0].starts_with('-') && extras[0].size() > 1
                         ? cat("found ", extras[0], ", which is not an option of backplane ", command.name)
                         : cat("found one operand too many: \"", extras[0], "\"");
  if (extras[0].size() > 1 && extras[0][0] == '-' && extras[0][1] >= '0' && extras[0][1] <= '9') {
    text += "; put -- before an operand that begins with -";
  }
  if (extras[0].starts_with("--")) {
    const std::string hint = did_you_mean(extras[0].substr(0, extras[0].find('=')), known);
    if (!hint.empty()) text += cat("; ", hint);
  }
  return text;
}

}  // namespace

std::optional<Args> parse(const Command& command, std::vector<std::string> arguments) {
  Args args;
  CLI::App app(command.summary, cat("backplane ", command.name));
  app.footer(command.more);
  app.get_formatter()->column_width(28);
  app.get_formatter()->label("Positionals", "Operands");
  app.set_help_flag("-h,--help", "print this text");
  for (const Option& option : command.options) {
    CLI::Option* const added = std::visit(AddOption{app, option, args}, option.target);
    if (option.required) added->required();
    if (*option.value != 0) added->type_name(option.value);
    if (option.name[0] != '-') added->type_name("");
  }
  std::reverse(arguments.begin(), arguments.end());  // CLI11 expects them in reverse order
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    write_out(app.help());
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw usage(explain(command, app, error), cat("backplane ", command.name, " --help lists operands and options"));
  }
  return args;
}

}  // namespace backplane::host::cli
