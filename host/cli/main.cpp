// SPDX-License-Identifier: Apache-2.0
#include <backplane/backplane.h>
#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/parse.hpp"
#include "cli/suggest.hpp"

namespace backplane::host::cli {
namespace {

constexpr const char* introduction = R"(backplane: run a plugin host, and talk to a running one.

Begin like this:
  backplane run &                          serve the modules that come with Backplane
  backplane ls                             what they offer, by wire name
  backplane call echo.shout '{"text":"hi"}'
  backplane load ./mine.so                 add a module while the host runs
  backplane reload mine                    put its new build in its place; no call is lost
  backplane stop

Commands:
)";

constexpr const char* ending = R"(
backplane COMMAND --help has an example of each. Host and commands meet on a Unix socket: --socket PATH,
else $BACKPLANE_SOCKET, else $XDG_RUNTIME_DIR/backplane/backplane.sock, else one in the temporary directory.
Results go to stdout, all else to stderr. Exit codes: 0 ok, 1 the module or the host answered an error,
2 usage, 3 no host answers, 4 timeout, 5 a module was refused.
)";

std::string help() {
  std::string out = introduction;
  for (const Command* command : commands()) {
    std::string name = command->name;
    name.resize(10, ' ');
    out += cat("  ", name, command->summary, "\n");
  }
  return out + ending;
}

std::string version(bool json) {
  const std::uint32_t number = bp_abi_version();
  const std::string abi = cat(std::to_string(number >> 16), ".", std::to_string(number & 0xffff));
  if (json) return cat("{\"version\":", cli::quoted(bp_version()), ",\"abi\":", cli::quoted(abi), "}\n");
  return cat("backplane ", bp_version(), " (ABI ", abi, ")\n");
}

const Command& find(const std::string& name) {
  std::vector<std::string> known;
  for (const Command* command : commands()) {
    if (name == command->name) return *command;
    known.emplace_back(command->name);
  }
  const std::string hint = did_you_mean(name, known);
  throw usage(cat("there is no command \"", name, "\"", hint.empty() ? "" : "; ", hint),
              "backplane --help lists the commands");
}

// Options may stand before the command too: `backplane --socket PATH ls`.
std::vector<std::string> command_first(std::vector<std::string> arguments) {
  std::size_t i = 0;
  while (i < arguments.size() && arguments[i].starts_with("--")) {
    const bool takes_value = arguments[i] == "--socket";
    if (!takes_value && arguments[i] != "--json" && !arguments[i].starts_with("--socket=")) break;
    i += takes_value ? 2 : 1;
  }
  if (i > arguments.size()) {
    throw usage("--socket needs a PATH, then a command", "backplane --help lists the commands");
  }
  if (i != 0 && i == arguments.size()) {
    throw usage(cat("found no command behind ", arguments[0]), "backplane --help lists the commands");
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
    write_out(version(json || (arguments.size() > 1 && arguments[1] == "--json")));
    return exit_ok;
  }
  arguments = command_first(std::move(arguments));
  if (arguments[0].starts_with('-')) {
    throw usage(cat("found the option ", arguments[0], " where a command was expected"),
                "backplane --help lists the commands");
  }
  const Command& command = find(arguments[0]);
  arguments.erase(arguments.begin());
  const std::optional<Args> args = parse(command, std::move(arguments));
  return args ? command.run(*args) : static_cast<int>(exit_ok);
}

// A standard descriptor that is closed would go to the next file or socket that is opened, and what is
// written to stderr into that.
void fill_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) == -1 && ::open("/dev/null", O_RDWR) != fd) std::abort();
  }
}

int guarded(const std::vector<std::string>& arguments) {
  const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  try {
    return dispatch(arguments);
  } catch (const OutputClosed&) {
    return exit_ok;
  } catch (const CommandFailure& failure) {
    report(failure, json);
    return failure.exit;
  } catch (const std::exception& error) {
    report({exit_error, BP_EXCEPTION, error.what()}, json);
    return exit_error;
  }
}

}  // namespace
}  // namespace backplane::host::cli

int main(int argc, char** argv) {
  backplane::host::cli::fill_standard_descriptors();
  // A reader of stdout that leaves is told by the write that fails.
  std::signal(SIGPIPE, SIG_IGN);
  return backplane::host::cli::guarded({argv + std::min(argc, 1), argv + argc});
}
