// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::cli {
namespace {

std::string duration(std::uint64_t ms) {
  const std::uint64_t s = ms / 1000;
  if (s < 60) return cat(std::to_string(s), ".", std::to_string(ms % 1000 / 100), " s");
  if (s < 3600) return cat(std::to_string(s / 60), " min ", std::to_string(s % 60), " s");
  return cat(std::to_string(s / 3600), " h ", std::to_string(s / 60 % 60), " min");
}

std::string words(const Value& report) {
  const Value& workers = report["workers"];
  std::string out = table({
      {"version", cat(report["version"].text(), " (ABI ", report["abi"].text(), ")")},
      {"pid", report["pid"].text()},
      {"uptime", duration(report["uptime_ms"].number())},
      {"modules", report["modules"].text()},
      {"workers", cat(workers["threads"].text(), workers["threads"].number() == 1 ? " thread, " : " threads, ",
                      workers["running"].text(), " running, ", workers["queued"].text(), " queued")},
  });
  std::vector<std::vector<std::string>> rows = {{"CONTEXT", "STATE", "QUEUED", "RUNNING", "ACCEPTED", "REPLIED",
                                                 "ERRORS", "REFUSED", "LISTENERS", "EVENTS", "TOKENS OPEN"}};
  for (const Value& context : report["contexts"].items()) {
    rows.push_back({context["id"].text(), context["state"].text(), context["queued"].text(), context["running"].text(),
                    context["accepted"].text(), context["replied"].text(), context["errors"].text(),
                    context["refused"].text(), context["listeners"].text(), context["events"]["emitted"].text(),
                    context["tokens"]["open"].text()});
  }
  return rows.size() == 1 ? out : cat(out, "\n", table(rows));
}

int run_status(const Args& args) {
  const Client client(args);
  Result result;
  check(bp_host_status(client.context(), result.out()), result, exit_code);
  show(args, result.payload(), words);
  return exit_ok;
}

}  // namespace

const Command status_command = {
    "status",     "show how the host is doing: version, uptime, calls so far",
    R"(Examples:
  backplane status
  backplane status --json | jq .contexts[0].errors

Exit codes: 0 ok; 2 usage; 3 no host answers.)", {socket_option, json_option},
    run_status,
};

}  // namespace backplane::cli
