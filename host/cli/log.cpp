// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/log_options.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

std::string lines_state(const Value& report) {
  const Value& dropped = report["dropped"];
  if (dropped.number() == 0) return {};
  return cat(dropped.text(), dropped.number() == 1 ? " line was" : " lines were",
             " dropped, because stderr took none\n");
}

std::string words(const Value& report) {
  std::vector<std::vector<std::string>> rows = {{"all", report["level"].text()}};
  for (const Value& each : report["modules"].items()) rows.push_back({each["module"].text(), each["level"].text()});
  return cat(table(rows), lines_state(report));
}

// Parts of the host that write lines, and are no module.
bool is_part_of_host(const std::string& name) {
  constexpr std::string_view parts[] = {"event", "fibers", "host", "log", "modules", "run", "server", "watchdog"};
  return std::find(std::begin(parts), std::end(parts), name) != std::end(parts);
}

int run_log(const Args& args) {
  const int level = args.log_level ? log_level(*args.log_level, "LEVEL") : static_cast<int>(BP_LOG_KEEP);
  end_at_timeout(args);
  const Client client(args);
  Result result;
  check(bp_log_set(client.context(), str(args.name), level, result.out()), result, exit_code);
  if (level == BP_LOG_KEEP || args.json) {
    show(args, result.payload(), words);
  } else {
    const Value report = Value::read(result.payload());
    write_result(
        cat(args.name.empty() ? "all" : args.name, ": ", *args.log_level, ", was ", report["was"].text(), "\n"));
  }
  if (!args.name.empty() && !is_part_of_host(args.name)) {
    const std::vector<std::string> known = known_names(client.context(), true);
    if (std::find(known.begin(), known.end(), args.name) == known.end()) {
      note(cat("no module \"", args.name, "\" is loaded; the level holds when one comes"));
    }
  }
  return exit_ok;
}

}  // namespace

const Command log_command = {
    "log",
    "show or change what the running host writes to its log",
    R"(Without LEVEL, log shows the level of all lines, and the levels of modules that have one of their own.
With LEVEL alone, it sets the level of all, and no module has a level of its own any more. With MODULE, it sets the level
of this module. The parts of the host that write lines have names too: event, fibers, host, modules, run, server,
watchdog. A level that was set while the host runs is gone when the host ends.

At debug, each call that ends with an error is a line with module, name, status and call id.

Examples:
  backplane log
  backplane log debug kv
  backplane log info

Exit codes: 0 ok; 1 the host refuses it; 2 usage; 3 no host answers; 4 no answer within --timeout.)",
    {
        {"LEVEL", "", "trace, debug, info, warn, error or off; without it: show the levels", &Args::log_level},
        {"MODULE", "", "a module, or a part of the host; without it: all", &Args::name},
        look_timeout_option,
        socket_option,
        json_option,
    },
    run_log,
};

}  // namespace backplane::host::cli
