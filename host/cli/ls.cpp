// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

void add_rows(Rows& rows, const Value& module) {
  const auto row = [&](const std::string& name, const char* kind) {
    rows.push_back({name, kind, module["name"].text(), module["version"].text(), module["generation"].text(),
                    module["state"].text()});
  };
  for (const Value& name : module["names"].items()) {
    row(name["name"].text(), name["blocking"].truth() ? "call, blocking"
                             : name["static"].truth() ? "call, static"
                                                      : "call");
  }
  for (const Value& name : module["functions"].items()) row(name.text(), "host function");
  for (const Value& name : module["events"].items()) row(name.text(), "event");
  if (module["names"].items().empty() && module["functions"].items().empty() && module["events"].items().empty()) {
    row("-", "-");
  }
}

std::string overview(const Value& report) {
  Rows rows = {{"NAME", "KIND", "MODULE", "VERSION", "GENERATION", "STATE"}};
  for (const Value& module : report["modules"].items()) add_rows(rows, module);
  if (rows.size() == 1) note("no module is loaded; load one with backplane load FILE");
  return table(rows);
}

std::string details(const Value& module, bool cddl_only) {
  const std::string cddl = module["cddl"].lines();
  if (cddl_only) return cddl.empty() || cddl.ends_with('\n') ? cddl : cddl + '\n';
  Rows rows = {{"module", module["name"].text()},           {"version", module["version"].text()},
               {"generation", module["generation"].text()}, {"state", module["state"].text()},
               {"unload", module["unload"].text()},         {"path", module["path"].text()},
               {"summary", module["summary"].text()}};
  if (module["reload"].text() == "old_first") rows.push_back({"reload", "old_first"});
  for (const char* const key : {"workers", "stack_size"}) {
    if (const Value& value = module["settings"][key]; value.number() != 0) rows.push_back({key, value.text()});
  }
  for (const char* const key : {"calls", "listens"}) {
    if (const std::string names = module[key].joined(); !names.empty()) rows.push_back({key, names});
  }
  if (const std::string& hash = module["interface_hash"].text(); !hash.empty()) rows.push_back({"interface", hash});
  for (const Value& warning : module["warnings"].items()) rows.push_back({"warning", warning.text()});
  const bool running = module["state"].text() == "running";
  Rows names = {{"NAME", "KIND", "STATE"}};
  Rows all;
  add_rows(all, module);
  for (const auto& row : all)
    names.push_back({row[0], row[1], row[0] == "-" ? "-" : running ? "running" : "withdrawn"});
  return cat(table(rows), "\n", table(names), cddl.empty() ? "" : "\n", details(module, true));
}

int run_ls(const Args& args) {
  end_at_timeout(args);
  const Client client(args);
  Result result;
  check(bp_module_list(client.context(), result.out()), result, exit_code);
  if (args.name.empty()) {
    if (args.cddl) throw usage("found --cddl without MODULE, expected both", "backplane ls MODULE --cddl");
    show(args, result.payload(), overview);
    return exit_ok;
  }
  const Value report = Value::read(result.payload());
  std::vector<std::string> known;
  const Value* found = nullptr;
  for (const Value& module : report["modules"].items()) {
    // If several generations exist, take the running one, else the newest.
    if (module["name"].text() == args.name && (found == nullptr || (*found)["state"].text() != "running"))
      found = &module;
    known.push_back(module["name"].text());
  }
  if (found != nullptr) {
    write_result(args.json ? payload_json(found->bytes(), false).text + '\n' : printable(details(*found, args.cddl)));
    return exit_ok;
  }
  throw CommandFailure{
      exit_error, BP_NOT_LOADED, cat("no module \"", args.name, "\" is loaded"), {}, did_you_mean(args.name, known)};
}

}  // namespace

const Command ls_command = {
    "ls",
    "list the loaded modules, their wire names and events",
    R"(With MODULE, ls shows the details of this module and its interface in CDDL (RFC 8610).

Examples:
  backplane ls
  backplane ls kv
  backplane ls kv --cddl > kv.cddl
  backplane ls --json | jq -r '.modules[].name'

Exit codes: 0 ok; 1 no such module, or the socket lacks the role; 2 usage; 3 no host answers; 4 no answer within
--timeout.)",
    {
        {"MODULE", "", "show only this module, with its interface", &Args::name},
        {"--cddl", "", "with MODULE: print only its CDDL", &Args::cddl},
        look_timeout_option,
        socket_option,
        json_option,
    },
    run_ls,
};

}  // namespace backplane::host::cli
