// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string_view>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/operation.hpp"
#include "cli/output.hpp"
#include "cli/status_text.hpp"
#include "cli/unload_report.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

// The count with the kind in the singular or plural: "1 request", "2 requests".
std::string counted_kind(const Value& reason) {
  std::string kind = reason["kind"].text();
  if (reason["count"].number() == 1 && (kind == "requests" || kind == "tokens" || kind == "instances")) kind.pop_back();
  return cat(reason["count"].text(), " ", kind);
}

std::string reasons_words(const Value& report) {
  std::string out;
  for (const Value& reason : report["reasons"].items()) {
    out += cat("  ", counted_kind(reason), ": ", reason["what"].text(), "\n");
  }
  return out;
}

// Reasons that cannot pass before the host's process ends.
bool lasting(const Value& reason) {
  const std::string& kind = reason["kind"].text();
  return kind == "unload_never" || kind == "unique_symbols" || kind == "no_delete";
}

// Reasons that pass by themselves when running calls end.
bool of_calls(const Value& reason) {
  const std::string& kind = reason["kind"].text();
  return kind == "requests" || kind == "tokens";
}

}  // namespace

std::string unload_words(const Value& report) {
  const std::string which = cat(report["module"].text(), ", generation ", report["generation"].text());
  if (report["outcome"].text() != "pinned") return cat("unloaded ", which, ": ", report["outcome"].text(), "\n");
  return cat("withdrawn ", which, ": its names are removed, but its object stays mapped because of\n",
             reasons_words(report));
}

std::string replaced_words(const Value& report) {
  if (report["outcome"].text() != "pinned") return unload_words(report);
  const std::string which = cat(report["module"].text(), ", generation ", report["generation"].text(), ": ");
  const std::vector<Value>& reasons = report["reasons"].items();
  const bool calls = std::all_of(reasons.begin(), reasons.end(), of_calls);
  if (!calls) return cat(which, "replaced, but its object stays mapped because of\n", reasons_words(report));
  std::string all;
  std::uint64_t count = 0;
  for (const Value& reason : reasons) {
    const std::uint64_t n = reason["count"].number();
    const bool requests = reason["kind"].text() == "requests";
    all += cat(all.empty() ? "" : " and ", std::to_string(n), requests ? " request" : " host function call",
               n == 1 ? "" : "s");
    count += n;
  }
  return cat(which, "still has ", all, "; it is unloaded when ", count == 1 ? "that call ends" : "those calls end",
             "\n");
}

namespace {

bool goes_on(const Value& status, std::uint64_t operation) {
  const std::vector<Value>& all = status["operations"].items();
  return operation != 0 && std::any_of(all.begin(), all.end(), [operation](const Value& each) {
           return each["id"].number() == operation && each["state"].text() != "ended";
         });
}

// The calls of a module that have not ended, and whose they are: "kv.get (2 calls); the oldest is …"; empty: it has
// none.
std::string calls_of(const Value& status, const std::string& module) {
  const std::string prefix = module + ".";
  std::string names;
  for (const Value& each : status["names"].items()) {
    const std::uint64_t count = each["in_flight"].number();
    if (count == 0 || !each["name"].text().starts_with(prefix)) continue;
    names += cat(names.empty() ? "" : ", ", each["name"].text(), " (", std::to_string(count),
                 count == 1 ? " call)" : " calls)");
  }
  std::string oldest;
  for (const Value& context : status["contexts"].items()) {
    const Value& call = context["oldest_call"];
    // Another module's handler that keeps the request thread keeps the instances of this one, too.
    const bool holds = call["name"].text().starts_with(prefix) || call["state"].text() == "running";
    if (holds) oldest += cat(oldest.empty() ? "" : "; ", oldest_call_text(call));
  }
  return cat(names, names.empty() || oldest.empty() ? "" : "; ", oldest.empty() ? "" : "the oldest call is ", oldest);
}

// What an operator does next. `status`: of the host, after the report.
std::string next_step(const Args& args, const Value& report, const Value& status, std::uint64_t operation) {
  const std::vector<Value>& reasons = report["reasons"].items();
  if (goes_on(status, operation)) {
    const std::string calls = calls_of(status, args.name);
    const std::string id = std::to_string(operation);
    return cat("operation ", id, " goes on", calls.empty() ? "" : cat(", and waits for ", calls),
               ". It unloads the module when ", calls.empty() ? "what the report names has ended" : "they have ended",
               ": wait (backplane status shows it), or take the unload back with: backplane cancel ", id);
  }
  if (std::any_of(reasons.begin(), reasons.end(), lasting)) return "the object stays mapped until the host ends";
  const auto all_are = [&reasons](std::string_view kind) {
    return std::all_of(reasons.begin(), reasons.end(),
                       [kind](const Value& each) { return each["kind"].text() == kind; });
  };
  const std::string again = cat("run again: backplane unload ", args.name);
  if (all_are("thread")) {
    return cat("when that has ended, the host unmaps it by itself, within a minute; to have it sooner, ", again);
  }
  return cat("when that has ended, ", again,
             all_are("tls_destructors") ? ". The host tries it again itself when one of its own threads ends" : "");
}

CommandFailure pinned(const Args& args, const Client& client, const Result& result, std::uint64_t operation) {
  const Value report = Value::read(result.detail());
  std::string message = result.message(BP_PINNED);
  if (!args.json) {  // stdout already has the report with the reasons
    message = cat("the names of \"", args.name,
                  "\" are removed, but its object is still mapped; the report on stdout has the reasons");
  }
  Result shown;
  const bool asked = bp_host_status(client.context(), shown.out()) == BP_OK;
  const Value status = asked ? Value::read(shown.payload()) : Value();
  return {exit_error, BP_PINNED, message, {}, next_step(args, report, status, operation)};
}

int run_unload(const Args& args) {
  OperationRun operation;
  const Client client(args);
  const bp_operation_request request = {
      .struct_size = sizeof request, .kind = BP_OPERATION_UNLOAD, .module = str(args.name)};
  Result result;
  const bp_status status = operation.run(client, request, args, result);
  if (status == BP_PINNED) {
    show(args, result.detail(), unload_words);
    throw pinned(args, client, result, operation.id());
  }
  if (status == BP_NOT_LOADED) {
    throw CommandFailure{
        exit_error, status, result.message(status), {}, did_you_mean(args.name, known_names(client.context(), true))};
  }
  check(status, result, exit_code);
  show(args, result.payload(), unload_words);
  return exit_ok;
}

}  // namespace

const Command unload_command = {
    "unload",
    "remove a module from the running host",
    R"(unload removes the module's names, lets running calls end, unmaps the object, and checks the result:
  gone      the object is unmapped
  pinned    the names are removed, but the object is still mapped; the report has every reason, and the hint says
            what to do. While calls of the module run, it names them and their clients.

Examples:
  backplane unload kv
  backplane unload kv --timeout 30000

Ctrl-C asks the host to give the module its names back, which it can until the last call has ended; the command says
which it was. If this command is killed, the unload goes on; backplane status lists it.

Exit codes: 0 gone; 1 pinned, or no such module; 2 usage; 3 no host answers; 4 it has not begun within --timeout, and
goes on; 130 canceled by Ctrl-C.)",
    {
        {"MODULE", "", "name of the module; backplane ls lists all modules", &Args::name, true},
        {"--timeout", "MS", "how long running calls may take to end; default 5000", &Args::timeout},
        socket_option,
        json_option,
    },
    run_unload,
};

}  // namespace backplane::host::cli
