// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/comparison.hpp"
#include "cli/failure.hpp"
#include "cli/operation.hpp"
#include "cli/output.hpp"
#include "cli/unload_report.hpp"

namespace backplane::host::cli {
namespace {

using Clock = std::chrono::steady_clock;

int reconfigure_exit_code(bp_status status) {
  if (status == BP_INVALID_ARGUMENT) return exit_usage;
  return status == BP_NOT_SUPPORTED ? static_cast<int>(exit_error) : load_exit_code(status);
}

bool is_empty(const Value& difference) {
  return difference["changes"].items().empty() && difference["keys"].items().empty();
}

std::string difference_words(const Value& difference) {
  if (is_empty(difference)) return "nothing has changed\n";
  std::string out;
  for (const Value& each : difference["changes"].items()) {
    const bool unload = each["kind"].text() == "unload";
    out += cat(each["kind"].text(), " ", each["module"].text(), unload ? "" : cat(" from ", each["path"].text()), ": ",
               each["why"].text(), "\n");
  }
  for (const Value& each : difference["keys"].items()) {
    out += cat(each["key"].text(), ": from ", each["from"].text(), " to ", each["to"].text(), "\n");
  }
  return out;
}

std::string made_words(const Value& result) {
  std::string out;
  for (const Value& each : result["changes"].items()) {
    const Value& report = each["report"];
    note_warnings(report);
    if (each["kind"].text() == "unload") {
      out += unload_words(report);
      continue;
    }
    out += cat(each["kind"].text(), "ed ", report["module"].text(), " ", report["version"].text(), ", generation ",
               report["generation"].text(), "\n");
    if (each["kind"].text() != "reload") continue;
    out += replaced_words(report["old"]);
    if (!report["compare"]["changes"].items().empty()) out += comparison_words(report["compare"]);
  }
  return out;
}

// What is left of --timeout, at least 1 ms.
Args with_rest(const Args& args, Clock::time_point began) {
  Args rest = args;
  if (!args.timeout) return rest;
  const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
  const std::uint64_t gone = std::min(*args.timeout, static_cast<std::uint64_t>(spent));
  rest.timeout = std::max<std::uint64_t>(*args.timeout - gone, 1);
  return rest;
}

[[noreturn]] void fail(bp_status status, const Result& result) {
  std::string message = result.message(status);
  const bool told = message.find("nothing has changed") != std::string::npos;
  if (status != BP_TIMEOUT && status != BP_UNREACHABLE && !told) message += "; nothing has changed";
  throw CommandFailure{reconfigure_exit_code(status), status, std::move(message)};
}

int run_reconfigure(const Args& args) {
  const Clock::time_point began = Clock::now();
  OperationRun operation;
  const Client client(args);
  Result answer;
  const std::uint32_t flags = args.dry_run ? BP_RECONFIGURE_DRY_RUN : 0;
  const bp_status asked =
      operation.ask([&] { return bp_host_reconfigure(client.context(), flags, timeout_ms(args), answer.out()); }, args);
  if (asked != BP_OK && !answer.detail().empty() && !args.json) {  // all that it found, beside what it refuses
    write_result(printable(difference_words(Value::read(answer.detail()))));
    throw CommandFailure{reconfigure_exit_code(asked), asked, answer.message(asked)};
  }
  check(asked, answer, reconfigure_exit_code);
  const Value difference = Value::read(answer.payload());
  for (const Value& warning : difference["warnings"].items()) note(cat("warning: ", warning.text()));
  if (!args.json) write_result(printable(difference_words(difference)));
  const bp_operation id = {difference["operation"].number()};
  Result result;
  if (id.id != 0) {
    const bp_status status = operation.wait(client, id, with_rest(args, began), result);
    if (status != BP_OK) fail(status, result);
    // The host applies the keys after the modules, and answers one after another.
    Result shown;
    if (!difference["keys"].items().empty()) {
      bp_host_reconfigure(client.context(), BP_RECONFIGURE_SHOW, timeout_ms(with_rest(args, began)), shown.out());
    }
    // A host without memory makes the changes, and cannot report them.
    if (!args.json && !result.payload().empty()) write_result(printable(made_words(Value::read(result.payload()))));
  }
  if (args.json) {
    write_result(cat("{\"difference\":", payload_json(answer.payload(), false).text, ",\"result\":",
                     id.id == 0 || result.payload().empty() ? "null" : payload_json(result.payload(), false).text,
                     "}\n"));
  }
  return exit_ok;
}

}  // namespace

const Command reconfigure_command = {
    "reconfigure",
    "have the running host read its configuration file again, and act on the difference",
    R"(The host reads the file that backplane run was given, and prints the difference. It loads, unloads and reloads the
modules whose table in the file appeared, went or changed, and those whose own file has other contents than what runs.
The other keys: log_level changes at once; all others take effect only when the host starts, so a change of them is
refused, and the difference is printed all the same. All or nothing: if anything is refused, nothing has changed. SIGHUP
does the same, and the log has the answer.

A module that was loaded by hand, with backplane load, stays as it is. One that was unloaded by hand, and that the file
has, is loaded again.

Examples:
  backplane reconfigure --dry-run
  backplane reconfigure

Ctrl-C asks the host to undo it, which it can until the new modules run. If this command is killed, it goes on.

Exit codes: 0 done, or nothing has changed; 1 the host has no configuration file; 2 usage, a wrong configuration, or a
key that needs a restart; 3 no host answers; 4 not committed within --timeout, and it goes on; 5 a module was refused; 130
canceled by Ctrl-C.)",
    {
        {"--dry-run", "", "print the difference, and change nothing", &Args::dry_run},
        {"--timeout", "MS", "how long to wait for it and for the calls of old generations; default: 5000 for the calls",
         &Args::timeout},
        socket_option,
        json_option,
    },
    run_reconfigure,
};

}  // namespace backplane::host::cli
