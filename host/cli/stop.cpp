// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/wait.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::uint64_t default_timeout_ms = 10000;

int run_stop(const Args& args) {
  const Client client(args, args.timeout.value_or(default_timeout_ms) == 0 ? std::nullopt : args.timeout);
  Result result;
  check(bp_host_status(client.context(), result.out()), result, exit_code);
  const Value report = Value::read(result.payload());
  const std::string& pid = report["pid"].text();
  const UniqueFd process = watch_process(report["pid"].number());

  const bp_status status = bp_host_stop(client.context());
  if (status != BP_OK) throw CommandFailure{exit_code(status), status, bp_status_text(status)};
  const std::uint64_t timeout = args.timeout.value_or(default_timeout_ms);
  const Deadline deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout);
  const bool gone = process && wait_for_end(process.get(), deadline);
  if (process && !gone && timeout != 0) {
    throw CommandFailure{
        exit_timeout,
        BP_TIMEOUT,
        cat("the host (pid ", pid, ") was asked to stop and has not ended within ", std::to_string(timeout), " ms"),
        {},
        cat("a handler may be stuck; run kill ", pid, " twice to end the host at once")};
  }
  const char* const outcome = gone ? "stopped" : "stopping";
  write_result(args.json ? cat("{\"outcome\":\"", outcome, "\",\"pid\":", pid, "}\n")
                         : cat(outcome, " the host (pid ", pid, ") on ", printable(client.socket()), "\n"));
  return exit_ok;
}

}  // namespace

const Command stop_command = {
    "stop",
    "ask the host to drain and end, and wait for its end",
    R"(The host accepts no more calls, lets open calls finish for up to five seconds, cancels the rest, and ends.

Example:
  backplane stop

Exit codes: 0 the host has ended, or --timeout 0; 2 usage; 3 no host answers; 4 the host has not ended in time.)",
    {
        {"--timeout", "MS", "how long to wait for the end of the host; default 10000; 0: do not wait", &Args::timeout},
        socket_option,
        json_option,
    },
    run_stop,
};

}  // namespace backplane::host::cli
