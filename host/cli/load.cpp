// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/operation.hpp"
#include "cli/output.hpp"
#include "cli/settings_options.hpp"

namespace backplane::host::cli {
namespace {

std::string loaded(const Value& report) {
  note_warnings(report);
  return cat("loaded ", report["module"].text(), " ", report["version"].text(), ", generation ",
             report["generation"].text(), ": ", report["names"].joined(), "\n");
}

int run_load(const Args& args) {
  const cbor::Bytes config = args.config ? read_module_config(*args.config) : cbor::Bytes();
  const std::string path = absolute_path(args.file);
  bp_load_options options = {.struct_size = sizeof options, .path = path.c_str(), .config = bytes(config)};
  if (gives_settings(args)) with_given({}, args).add_to(options);
  OperationRun operation;
  const Client client(args);
  const bp_operation_request request = {
      .struct_size = sizeof request, .kind = BP_OPERATION_LOAD, .module = str(""), .load = &options};
  Result result;
  check(operation.run(client, request, args, result), result, load_exit_code);
  show(args, result.payload(), loaded);
  return exit_ok;
}

}  // namespace

const Command load_command = {
    "load",
    "load a module into the running host",
    R"(load adds all wire names of the module, or none. The host reads the file once, under its absolute path. You may
then replace the file; backplane reload loads the new one.

Examples:
  backplane load build/plugins/kv.so
  backplane load ./echo.so --config '{"prefix": "> "}'
  backplane load ./echo.so --config @echo.json
  backplane load ./report.so --workers 2

Ctrl-C asks the host to undo the load. If this command is killed, the load goes on; backplane status lists it.

Exit codes: 0 loaded; 1 the host takes no such operation, or the socket lacks the role; 2 usage, or a configuration that
is not a JSON object; 3 no host answers; 4 not loaded within --timeout, and it goes on; 5 refused; 130 canceled by
Ctrl-C.)",
    {
        {"FILE", "", "the shared object", &Args::file, true},
        {"--config", "JSON", "the module's configuration: a JSON object, or @FILE with a JSON object", &Args::config},
        workers_option,
        stack_size_option,
        unload_option,
        {"--timeout", "MS", "how long to wait for the load; default: as long as it takes", &Args::timeout},
        socket_option,
        json_option,
    },
    run_load,
};

}  // namespace backplane::host::cli
