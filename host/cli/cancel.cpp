// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/operation.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::uint32_t default_timeout_ms = 10'000;

int run_cancel(const Args& args) {
  const bp_operation operation = {args.operation.value_or(0)};
  if (operation.id == 0) throw usage("found the operation 0; expected an id, as backplane status shows it");
  OperationRun run;
  const Client client(args);
  Result said;
  check(bp_operation_cancel(client.context(), operation, said.out()), said, exit_code);
  const std::string what = said.message(BP_OK);
  if (!args.json) note(one_line(what));
  Args wait = args;
  wait.timeout = args.timeout.value_or(default_timeout_ms);
  Result result;
  const bp_status status = run.wait(client, operation, wait, result);
  if (status == BP_TIMEOUT) check(status, result, exit_code);
  const std::string id = std::to_string(operation.id);
  const char* const outcome = status == BP_CANCELED ? "undone" : status == BP_OK ? "committed" : "ended";
  const std::string state = status == BP_OK ? cat("operation ", id, " was not undone: what it was asked for is done")
                                            : result.message(status);
  write_result(args.json ? cat("{\"operation\":", id, ",\"outcome\":\"", outcome,
                               "\",\"message\":", cli::json_string(state), "}\n")
                         : cat(outcome, ": ", one_line(state), "\n"));
  return exit_ok;
}

}  // namespace

const Command cancel_command = {
    "cancel",
    "ask for the end of a module operation, and say whether it could be undone",
    R"(An operation is a load, unload or reload that somebody has asked for. backplane status lists those that go on. cancel
undoes what is not committed yet:
  load, reload   until the new generation runs
  unload         until the last call has ended; the module's names answer again
A reload whose new generation runs is committed. Then the old generation goes on draining, and nobody waits for it.
While a module's code hangs, the end is told when the code returns, or after load_timeout_ms.

Examples:
  backplane cancel 12

Exit codes: 0 undone or committed, as the output says; 1 no such operation, or it has ended; 2 usage; 3 no host answers;
4 it has not ended within --timeout.)",
    {
        {"ID", "", "the id of the operation; backplane status lists them", &Args::operation, true, UINT64_MAX >> 1, 1},
        {"--timeout", "MS", "how long to wait for its end; default 10000", &Args::timeout},
        socket_option,
        json_option,
    },
    run_cancel,
};

}  // namespace backplane::host::cli
