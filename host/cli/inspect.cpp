// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

std::string manifest(const Value& report) {
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](const char* title, const std::string& text) {
    if (!text.empty()) rows.push_back({title, text});
  };
  row("module", report["name"].text());
  row("version", report["version"].text());
  row("summary", report["summary"].text());
  row("abi", report["abi"].text());
  row("unload", report["unload"].text());
  row("reload", report["reload"].text());
  if (const std::uint64_t stack = report["stack_size"].number(); stack != 0) row("stack size", std::to_string(stack));
  row("provides", report["provides"].joined());
  row("offers", report["offers"].joined());
  row("emits", report["emits"].joined());
  row("requires", report["requires"].joined());
  row("calls", report["calls"].joined());
  row("listens", report["listens"].joined());
  row("path", report["path"].text());
  for (const Value& library : report["libraries"].items()) {
    const std::string found = library["found"].text();
    row("library",
        cat(library["name"].text(), found == "missing" ? " (not found)" : cat(" (", library["path"].text(), ")")));
  }
  for (const Value& warning : report["warnings"].items()) row("warning", warning.text());
  row("problem", report["problem"].text());
  std::string cddl = report["cddl"].lines();
  if (!cddl.empty() && !cddl.ends_with('\n')) cddl += '\n';
  return cat(table(rows), cddl.empty() ? "" : "\n", cddl);
}

int run_inspect(const Args& args) {
  Result result;
  check(bp_module_inspect(args.file.c_str(), result.out()), result, load_exit_code);
  show(args, result.payload(), manifest);
  return exit_ok;
}

}  // namespace

const Command inspect_command = {
    "inspect",
    "show the manifest of a module's file, without running its code",
    R"(The manifest lists what the module provides and requires, and its interface in CDDL. The lines "library" list the
libraries that the file needs, and where the dynamic loader finds each. inspect needs no host. If a host of this version
would refuse the file, the line "problem" gives the reason.

Examples:
  backplane inspect build/plugins/kv.so
  backplane inspect build/plugins/kv.so --json

Exit codes: 0 ok; 2 usage; 5 the file cannot be read, or is not a module.)",
    {
        {"FILE", "", "the shared object", &Args::file, true},
        json_option,
    },
    run_inspect,
};

}  // namespace backplane::host::cli
