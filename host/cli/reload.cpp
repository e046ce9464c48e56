// SPDX-License-Identifier: Apache-2.0
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/suggest.hpp"
#include "cli/unload_report.hpp"

namespace backplane::host::cli {
namespace {

std::string reloaded(const Value& report) {
  note_warnings(report);
  return cat("reloaded ", report["module"].text(), " ", report["version"].text(), ", generation ",
             report["generation"].text(), ": ", report["names"].joined(), "\n", replaced_words(report["old"]));
}

int run_reload(const Args& args) {
  const cbor::Bytes config = args.config ? read_module_config(*args.config) : cbor::Bytes();
  const std::string path = args.file.empty() ? std::string() : absolute_path(args.file);
  const Client client(args);
  const bp_load_options options = {
      .struct_size = sizeof options, .path = path.empty() ? nullptr : path.c_str(), .config = bytes(config)};
  Result result;
  const bp_status status = bp_module_reload(client.context(), str(args.name), &options, timeout_ms(args), result.out());
  if (status == BP_NOT_LOADED) {
    throw CommandFailure{
        exit_error, status, result.message(status), {}, did_you_mean(args.name, known_names(client.context(), true))};
  }
  check(status, result, load_exit_code);
  show(args, result.payload(), reloaded);
  return exit_ok;
}

}  // namespace

const Command reload_command = {
    "reload",
    "put a new generation in a module's place; no call is lost",
    R"(The new generation takes all new calls from one moment to the next; the old one ends what it has begun and is
unloaded: at once, or when calls that have not ended after --timeout do. If the new one is refused, the old one goes on.

Examples:
  backplane reload echo                    the same file, built anew
  backplane reload echo build/echo2.so     another file
  backplane reload echo --config '{"prefix": "# "}'

Exit codes: 0 reloaded, also if the old one still has calls; 1 no such module; 2 usage; 3 no host answers; 4 timeout; 5 refused, the old one goes on.)",
    {
        {"MODULE", "", "its name, as backplane ls shows it", &Args::name, true},
        {"FILE", "", "the shared object; default: the path it was loaded from", &Args::file},
        {"--config", "JSON", "its configuration: a JSON object, or @FILE with one; default: that of before",
         &Args::config},
        {"--timeout", "MS", "how long the old one's calls may take to end; default 5000", &Args::timeout},
        socket_option,
        json_option,
    },
    run_reload,
};

}  // namespace backplane::host::cli
