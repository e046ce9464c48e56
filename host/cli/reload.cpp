// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/comparison.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/operation.hpp"
#include "cli/output.hpp"
#include "cli/settings_options.hpp"
#include "cli/unload_report.hpp"
#include "support/suggest.hpp"

namespace backplane::host::cli {
namespace {

std::string reloaded(const Value& report) {
  note_warnings(report);
  return cat("reloaded ", report["module"].text(), " ", report["version"].text(), ", generation ",
             report["generation"].text(), ": ", report["names"].joined(), "\n", replaced_words(report["old"]),
             report["compare"].bytes().empty() ? "" : comparison_words(report["compare"]));
}

// Of --compare, which changes nothing.
std::string compared(const Value& report) {
  return cat("compared ", report["module"].text(), " ", report["from"]["version"].text(), " with ",
             report["to"]["version"].text(), "; nothing has changed\n", comparison_words(report));
}

// Those of the generation that runs, with the ones that are given.
ModuleSettings new_settings(const Client& client, const Args& args) {
  Result result;
  check(bp_module_list(client.context(), result.out()), result, exit_code);
  const Value report = Value::read(result.payload());
  ModuleSettings settings;
  for (const Value& module : report["modules"].items()) {
    const bool runs = module["name"].text() == args.name && module["state"].text() == "running";
    if (runs) settings = ModuleSettings::of(module["settings"]);
  }
  return with_given(settings, args);
}

int run_reload(const Args& args) {
  const cbor::Bytes config = args.config ? read_module_config(*args.config) : cbor::Bytes();
  const std::string path = args.file.empty() ? std::string() : absolute_path(args.file);
  with_given({}, args);  // what is wrong needs no host
  OperationRun operation;
  const Client client(args);
  bp_load_options options = {
      .struct_size = sizeof options, .path = path.empty() ? nullptr : path.c_str(), .config = bytes(config)};
  if (gives_settings(args)) new_settings(client, args).add_to(options);
  if (args.old_first) options.flags |= BP_LOAD_OLD_FIRST;
  if (args.strict) options.flags |= BP_LOAD_STRICT;
  if (args.compare) options.flags |= BP_LOAD_COMPARE;
  options.drain_ms = static_cast<std::uint32_t>(args.drain.value_or(0));
  Result result;
  const bp_operation_request request = {
      .struct_size = sizeof request, .kind = BP_OPERATION_RELOAD, .module = str(args.name), .load = &options};
  const bp_status status = operation.run(client, request, args, result);
  if (status == BP_INVALID_ARGUMENT && args.drain && !args.old_first) {
    throw CommandFailure{
        exit_usage, status, result.message(status), {}, "backplane reload " + args.name + " --old-first"};
  }
  if (status == BP_NOT_LOADED) {
    throw CommandFailure{
        exit_error, status, result.message(status), {}, did_you_mean(args.name, known_names(client.context(), true))};
  }
  if (status == BP_LOAD_REFUSED && args.strict && !args.json && !result.detail().empty()) {
    write_err(printable(comparison_words(Value::read(result.detail()))));
    throw CommandFailure{exit_refused, status, result.message(status)};
  }
  check(status, result, load_exit_code);
  show(args, result.payload(), args.compare ? compared : reloaded);
  return exit_ok;
}

}  // namespace

const Command reload_command = {
    "reload",
    "replace a module by a new generation; no call is lost",
    R"(All new calls go to the new generation, from one moment on. The old generation finishes its calls and is then
unloaded. Calls that have not ended after --timeout are reported; the old generation is unloaded when they end.
If the new generation is refused, the old one continues. What is not given stays as it was: the file, the configuration
and the settings.

Examples:
  backplane reload echo                    the same file, after a new build
  backplane reload echo build/echo2.so     another file
  backplane reload echo --config '{"prefix": "# "}'
  backplane reload report --workers 2      the same file, with other settings
  backplane reload kv build/kv.so --strict  only if no caller breaks
  backplane reload gateway --old-first     for a module that owns a port, a device or a lock

With --old-first the old generation ends before the new one starts. New calls wait meanwhile, with their deadlines. If
the new generation is refused, the old file is loaded again. If the old one still has work after --drain, the reload is
undone. If the manifest of the running generation or of the new file says reload=old_first, this is always so. A --drain
is refused in any other reload.

Each reload compares the interface of the new file with that of the running generation and prints the changes, each with
a verdict: compatible, breaks source, breaks callers, or cannot tell. If callers may break, it warns. With --strict it is
refused instead. With --compare nothing else happens; with both, the exit code is 5 if callers may break.

Ctrl-C asks the host to undo the reload, which it can until the new generation runs; the command says which it was. If
this command is killed, the reload goes on; backplane status lists it.

Exit codes: 0 reloaded, even if the old generation still has calls; 1 no such module; 2 usage; 3 no host answers;
4 not reloaded within --timeout, and it goes on; 5 refused, and the old generation continues; 130 canceled by Ctrl-C.)",
    {
        {"MODULE", "", "name of the module; backplane ls lists all modules", &Args::name, true},
        {"FILE", "", "the shared object; default: the file it was loaded from", &Args::file},
        {"--config", "JSON", "new configuration: a JSON object, or @FILE with a JSON object; default: unchanged",
         &Args::config},
        workers_option,
        stack_size_option,
        unload_option,
        {"--old-first", "", "end the old generation before the new one starts; calls wait meanwhile", &Args::old_first},
        {"--strict", "", "refuse the reload if callers of the module may break", &Args::strict},
        {"--compare", "", "only print what the reload would change in the interface", &Args::compare},
        {"--drain", "MS", "with --old-first: how long the old generation may have work; default: 5000", &Args::drain,
         false, UINT32_MAX, 1},
        {"--timeout", "MS",
         "how long to wait for the reload and the calls of the old generation; default: 5000 for the calls",
         &Args::timeout},
        socket_option,
        json_option,
    },
    run_reload,
};

}  // namespace backplane::host::cli
