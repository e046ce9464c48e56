// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

std::string duration(std::uint64_t ms) {
  const std::uint64_t s = ms / 1000;
  if (s < 60) return cat(std::to_string(s), ".", std::to_string(ms % 1000 / 100), " s");
  if (s < 3600) return cat(std::to_string(s / 60), " min ", std::to_string(s % 60), " s");
  return cat(std::to_string(s / 3600), " h ", std::to_string(s / 60 % 60), " min");
}

std::string span(const Value& spans, const char* which) {
  if (spans["measured"].number() == 0) return "-";
  const std::uint64_t n = spans[which].number();
  const auto one_digit = [n](std::uint64_t unit) {
    return cat(std::to_string(n / unit), ".", std::to_string(n % unit * 10 / unit));
  };
  if (n < 1'000) return cat(std::to_string(n), " ns");
  if (n < 1'000'000) return cat(one_digit(1'000), " us");
  if (n < 1'000'000'000) return cat(one_digit(1'000'000), " ms");
  return cat(one_digit(1'000'000'000), " s");
}

// What became of the calls of each wire name, those first that have held their threads longest.
std::string blame(const Value& report) {
  std::vector<const Value*> names;
  for (const Value& name : report["names"].items()) names.push_back(&name);
  std::stable_sort(names.begin(), names.end(), [](const Value* a, const Value* b) {
    return (*a)["run_ns"]["total"].number() > (*b)["run_ns"]["total"].number();
  });
  std::vector<std::vector<std::string>> rows = {{"NAME", "CALLS", "ERRORS", "IN FLIGHT", "REFUSED", "WAIT P50", "P99",
                                                 "RUN P50", "P99", "MAX", "TOTAL", "BYTES IN", "OUT"}};
  for (const Value* const each : names) {
    const Value& name = *each;
    rows.push_back({name["name"].text(), name["calls"].text(), name["errors"].text(), name["in_flight"].text(),
                    name["refused"].text(), span(name["wait_ns"], "p50"), span(name["wait_ns"], "p99"),
                    span(name["run_ns"], "p50"), span(name["run_ns"], "p99"), span(name["run_ns"], "max"),
                    span(name["run_ns"], "total"), name["bytes_in"].text(), name["bytes_out"].text()});
  }
  return rows.size() == 1 ? std::string() : table(rows);
}

std::string size(const Value& bytes) {
  const std::uint64_t kib = bytes.number() / 1024;
  const auto one_digit = [kib](std::uint64_t unit) {
    return cat(std::to_string(kib / unit), ".", std::to_string(kib % unit * 10 / unit));
  };
  constexpr std::uint64_t mib = 1024, gib = 1024 * mib;
  if (kib < 10 * mib) return cat(std::to_string(kib), " KiB");
  return kib < gib ? cat(one_digit(mib), " MiB") : cat(one_digit(gib), " GiB");
}

// The memory that handlers and fibers run on, and how near the deepest of them came to the end of its stack.
std::string stack_table(const Value& report) {
  std::vector<std::vector<std::string>> rows = {{"STACKS OF", "IN USE", "MAPPED", "RESIDENT", "DEEPEST USE", ""}};
  for (const Value& stacks : report["stacks"].items()) {
    const std::uint64_t whole = std::max<std::uint64_t>(stacks["size"].number(), 1);  // another host may say anything
    const std::uint64_t percent = stacks["high_water"].number() * 100 / whole;
    rows.push_back({size(stacks["size"]), stacks["used"].text(), stacks["mapped"].text(), size(stacks["resident"]),
                    size(stacks["high_water"]), cat(std::to_string(percent), " %")});
  }
  return rows.size() == 1 ? std::string() : table(rows);
}

// Where a cancellation was swallowed there is a bug in a module; which one stands in the log.
std::string swallowed_lines(const Value& report) {
  std::string out;
  for (const Value& context : report["contexts"].items()) {
    const Value& count = context["fibers"]["swallowed"];
    if (count.number() == 0) continue;
    out += cat("context ", context["id"].text(), ": ", count.text(), count.number() == 1 ? " fiber" : " fibers",
               " swallowed the cancellation when destroyed; the host's log names the module\n");
  }
  return out;
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
                                                 "ERRORS", "REFUSED", "LISTENERS", "EVENTS", "TOKENS OPEN", "FIBERS"}};
  for (const Value& context : report["contexts"].items()) {
    rows.push_back({context["id"].text(), context["state"].text(), context["queued"].text(), context["running"].text(),
                    context["accepted"].text(), context["replied"].text(), context["errors"].text(),
                    context["refused"].text(), context["listeners"].text(), context["events"]["emitted"].text(),
                    context["tokens"]["open"].text(), context["fibers"]["alive"].text()});
  }
  if (rows.size() > 1) out = cat(out, "\n", table(rows), swallowed_lines(report));
  const std::string stacks = stack_table(report);
  if (!stacks.empty()) out = cat(out, "\n", stacks);
  const std::string names = blame(report);
  return names.empty() ? out : cat(out, "\n", names);
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
    "status",
    "show how the host is doing: uptime, contexts, and who takes the time",
    R"(For each wire name that was called: calls, errors, calls in flight, requests refused before a handler
began; how long they waited for their turn (one in 32 is measured; -: none was), and for how long the handler
held its thread (good to 3 %);
payload bytes. Those that took most time come first.
FIBERS: those that handlers have made by hand and that are alive now.
Handlers and fibers run on stacks of fixed sizes: how many are in use (also those of handlers that rest between two
requests), the memory that they cost, and how much of its stack the deepest use since the start has taken. Near 100 %,
give more: for handlers by fiber_stack_size in the configuration file of backplane run, for fibers in the module
(bp_fiber_desc.stack_size). An overflow ends the process.

Examples:
  backplane status
  backplane status --json | jq .contexts[0].errors
  backplane status --json | jq '.names | max_by(.run_ns.p99)'

Exit codes: 0 ok; 2 usage; 3 no host answers.)",
    {socket_option, json_option},
    run_status,
};

}  // namespace backplane::host::cli
