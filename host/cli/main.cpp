// SPDX-License-Identifier: Apache-2.0
#include <backplane/backplane.h>
#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/help.hpp"
#include "cli/in_use.hpp"
#include "cli/output.hpp"
#include "cli/parse.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

std::string help() {
  std::string out = cat(help_introduction, "\nCommands:\n");
  for (const Command* command : commands()) {
    std::string name = command->name;
    name.resize(13, ' ');
    out += cat("  ", name, command->summary, "\n");
  }
  return cat(out, "\n", help_ending);
}

const Command& find(const std::string& name) {
  std::vector<std::string> known;
  for (const Command* command : commands()) {
    if (name == command->name) return *command;
    known.emplace_back(command->name);
  }
  const std::string hint = did_you_mean(name, known);
  throw usage(cat("found \"", name, "\", which is not a command", hint.empty() ? "" : "; ", hint),
              "backplane --help lists the commands");
}

// --socket and --json may also come before the command, as in `backplane --socket PATH ls`. This moves the command
// to the front.
std::vector<std::string> command_first(std::vector<std::string> arguments) {
  std::size_t i = 0;
  while (i < arguments.size() && arguments[i].starts_with("--")) {
    const bool takes_value = arguments[i] == "--socket";
    if (!takes_value && arguments[i] != "--json" && !arguments[i].starts_with("--socket=")) break;
    i += takes_value ? 2 : 1;
  }
  if (i > arguments.size()) {
    throw usage("found --socket at the end, expected --socket PATH and then a command",
                "backplane --help lists the commands");
  }
  if (i != 0 && i == arguments.size()) {
    throw usage(cat("found no command after ", arguments[0]), "backplane --help lists the commands");
  }
  if (i < arguments.size()) {
    std::rotate(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
  return arguments;
}

int dispatch(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    if (arguments.size() > 1 && arguments[0] == "help") return dispatch({arguments[1], "--help"});
    write_out(help());
    return exit_ok;
  }
  const bool json = arguments[0] == "--json" && arguments.size() > 1;
  if (const std::string& first = arguments[json ? 1 : 0]; first == "--version" || first == "-V") {
    write_out(version_text(json || (arguments.size() > 1 && arguments[1] == "--json")));
    return exit_ok;
  }
  arguments = command_first(std::move(arguments));
  if (arguments[0].starts_with('-')) {
    throw usage(cat("found the option ", arguments[0], ", expected a command"), "backplane --help lists the commands");
  }
  const Command& command = find(arguments[0]);
  arguments.erase(arguments.begin());
  const std::optional<Args> args = parse(command, std::move(arguments));
  return args ? command.run(*args) : static_cast<int>(exit_ok);
}

// If a standard descriptor is closed, the next open() or socket() gets its number. Text for stderr would then go into
// that file or socket.
void fill_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1 && ::open("/dev/null", O_RDWR) != fd) std::abort();
  }
}

int run(const std::vector<std::string>& arguments) {
  const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  try {
    return dispatch(arguments);
  } catch (const OutputClosed&) {
    return exit_ok;
  } catch (const OutputInterrupted&) {
    return exit_interrupted;
  } catch (const CommandFailure& failure) {
    report(failure, json);
    return failure.exit;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    report({exit_error, BP_EXCEPTION, error.what()}, json);
    return exit_error;
  }
}

int guarded(int argc, char** argv) noexcept {
  try {
    return run({argv + std::min(argc, 1), argv + argc});
  } catch (const std::bad_alloc&) {  // also for the text of another failure
    std::fputs("backplane: out_of_memory: this command has not enough memory\n", stderr);
    return exit_error;
  }
}

}  // namespace
}  // namespace backplane::host::cli

int main(int argc, char** argv) {
  backplane::host::cli::fill_standard_descriptors();
  // With a handler that does nothing, a write to a closed stdout fails with EPIPE, which write_out() handles. SIG_IGN
  // would also do that, but would be inherited by the programs that modules start.
  const auto nothing = [](int) {};
  std::signal(SIGPIPE, nothing);
  std::signal(SIGXFSZ, nothing);  // the same for a file that reaches the limit of its size
  return backplane::host::cli::guarded(argc, argv);
}
