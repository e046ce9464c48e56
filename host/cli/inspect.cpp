// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/comparison.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "support/suggest.hpp"

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
  row("interface", report["interface_hash"].text());
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

// A file if there is one of this name, or the name is that of a path.
bool is_file(const std::string& name) {
  std::error_code ignored;
  return name.find('/') != std::string::npos || std::filesystem::exists(name, ignored);
}

// The report of the file or the loaded module that --against names; `result` keeps it.
Value old_module(const Args& args, Result& result) {
  const std::string& old = *args.against;
  if (is_file(old)) {
    check(bp_module_inspect(old.c_str(), result.out()), result, load_exit_code);
    return Value::read(result.payload());
  }
  end_at_timeout(args);
  const Client client(args);
  check(bp_module_list(client.context(), result.out()), result, exit_code);
  const Value report = Value::read(result.payload());
  for (const Value& module : report["modules"].items()) {
    if (module["name"].text() != old || module["state"].text() != "running") continue;
    if (module["interface_hash"].text().empty() || !module["left_out"].items().empty()) {
      throw CommandFailure{exit_error,
                           BP_NOT_SUPPORTED,
                           cat("the host does not list the whole interface of \"", old, "\""),
                           {},
                           cat("compare with its file: ", module["path"].text())};
    }
    return module;
  }
  throw CommandFailure{exit_error,
                       BP_NOT_LOADED,
                       cat("no module \"", old, "\" runs, and there is no such file"),
                       {},
                       did_you_mean(old, known_names(client.context(), true))};
}

std::string compared(const Value& report) {
  return cat(report["module"].text(), " ", report["to"]["version"].text(), " against ",
             report["from"]["version"].text(), "\n", comparison_words(report));
}

int compare_with(const Args& args, const Value& next) {
  Result result;
  const Value old = old_module(args, result);
  if (old["name"].text() != next["name"].text()) {
    throw usage(cat("found the modules \"", next["name"].text(), "\" and \"", old["name"].text(),
                    "\", expected two files of one module"));
  }
  const cbor::Bytes report = compare_modules(old, next);
  show(args, report, compared);
  return args.strict && may_break(Value::read(report)) ? exit_refused : exit_ok;
}

int run_inspect(const Args& args) {
  Result result;
  check(bp_module_inspect(args.file.c_str(), result.out()), result, load_exit_code);
  if (args.against) return compare_with(args, Value::read(result.payload()));
  if (args.strict)
    throw usage("found --strict without --against, expected both", "backplane inspect NEW --against OLD --strict");
  show(args, result.payload(), manifest);
  return exit_ok;
}

}  // namespace

const Command inspect_command = {
    "inspect",
    "show the manifest of a module's file, without running its code",
    R"(The manifest lists what the module provides and requires, and its interface in CDDL. The lines "library" list the
libraries that the file needs, and where the dynamic loader finds each. inspect needs no host, except to compare with
a module that runs. If a host of this version
would refuse the file, the line "problem" gives the reason.

With --against, inspect compares the interface with that of another file, or of a module that runs, and prints the
changes, each with a verdict: compatible, breaks source, breaks callers, or cannot tell.

Examples:
  backplane inspect build/plugins/kv.so
  backplane inspect build/plugins/kv.so --json
  backplane inspect build/plugins/kv.so --against old/kv.so
  backplane inspect build/plugins/kv.so --against kv --strict   as a step of a build: 5 if callers may break

Exit codes: 0 ok; 1 no such module; 2 usage; 3 no host answers; 4 no answer within --timeout; 5 a file cannot be read, is
not a module, or has CDDL that cannot be read, or callers may break with --strict.)",
    {
        {"FILE", "", "the shared object", &Args::file, true},
        {"--against", "OLD", "compare with this file, or with the loaded module of this name", &Args::against},
        {"--strict", "", "with --against: exit code 5 if callers of the module may break", &Args::strict},
        look_timeout_option,
        socket_option,
        json_option,
    },
    run_inspect,
};

}  // namespace backplane::host::cli
