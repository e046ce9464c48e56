// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <csignal>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/wait.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::uint64_t default_timeout_ms = 10000;

/// The process to wait for.
struct Ending {
  std::uint64_t pid = 0;
  UniqueFd process;  // none if it cannot be watched
};

Ending ask(const Args& args) {
  const Client client(args, args.timeout.value_or(default_timeout_ms) == 0 ? std::nullopt : args.timeout);
  Result result;
  check(bp_host_status(client.context(), result.out()), result, exit_code);
  const std::uint64_t pid = Value::read(result.payload())["pid"].number();
  Ending ending{pid, watch_process(pid)};
  const bp_status status = bp_host_stop(client.context());
  if (status != BP_OK) throw CommandFailure{exit_code(status), status, bp_status_text(status)};
  return ending;
}

// A host that stops takes no more connections, and may close one while it is asked.
Ending ask_or_join(const Args& args) try { return ask(args); } catch (const CommandFailure& failure) {
  const bool may_stop = failure.exit == exit_unreachable || failure.status == BP_CLOSED;
  const long pid = may_stop ? stopping_host(socket_of(args)) : 0;
  if (pid <= 0) throw;
  note(cat("the host (pid ", std::to_string(pid), ") is stopping already"));
  const auto number = static_cast<std::uint64_t>(pid);
  return {number, watch_process(number)};
}

int run_stop(const Args& args) {
  const Ending ending = ask_or_join(args);
  const std::string pid = std::to_string(ending.pid);
  const std::uint64_t timeout = args.timeout.value_or(default_timeout_ms);
  const Deadline deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout);
  const bool is_there = ::kill(static_cast<pid_t>(ending.pid), 0) == 0 || errno != ESRCH;
  const bool gone = !is_there || (ending.process && wait_for_end(ending.process.get(), deadline));
  if (ending.process && !gone && timeout != 0) {
    throw CommandFailure{
        exit_timeout,
        BP_TIMEOUT,
        cat("the host (pid ", pid, ") was asked to stop and has not ended within ", std::to_string(timeout), " ms"),
        {},
        cat("a handler may be stuck; run kill ", pid, " twice to end the host at once")};
  }
  const char* const outcome = gone ? "stopped" : "stopping";
  write_result(args.json ? cat("{\"outcome\":\"", outcome, "\",\"pid\":", pid, "}\n")
                         : cat(outcome, " the host (pid ", pid, ") on ", printable(socket_of(args)), "\n"));
  return exit_ok;
}

}  // namespace

const Command stop_command = {
    "stop",
    "ask the host to drain and end, and wait for its end",
    R"(The host accepts no more calls, lets open calls finish for up to five seconds, cancels the rest, and ends. A host that
is stopping already is waited for in the same way.

Example:
  backplane stop

Exit codes: 0 the host has ended, or --timeout 0; 1 the socket lacks the role; 2 usage; 3 no host answers; 4 the host has
not ended in time.)",
    {
        {"--timeout", "MS", "how long to wait for the end of the host; default 10000; 0: do not wait", &Args::timeout},
        socket_option,
        json_option,
    },
    run_stop,
};

}  // namespace backplane::host::cli
