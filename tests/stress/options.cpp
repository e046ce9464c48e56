// SPDX-License-Identifier: Apache-2.0
//
// The one unit that contains CLI11.
#include "options.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>

namespace stress {
namespace {

constexpr const char* what_it_is = R"(Hammers a Backplane host with everything at once, at random, and then counts.

Several threads submit calls of every kind and size to four contexts, cancel them, complete tokens rightly and
wrongly, add and remove listeners and host functions, load, reload and unload modules, and end contexts in
every way, all in the midst of it. At the end each accepted call must have had exactly one terminal reply, each
event that was taken must have been delivered, and each token answered or failed.)";

constexpr const char* what_it_prints = R"(
Progress goes to stderr, the counts to stdout; the last line there is
  stress: N requests, 0 lost, 0 twice
Exit code: 0 if all that must hold does, 1 if not (then each thing that does not is printed, and the command
that does the same again), 2 for wrong arguments. Ctrl-C ends it early, with the counts.

The seed fixes the order of each thread's operations, not how those of different threads fall together: to see a
failure again, run it a few times. --operations fixes their number too.

Examples:
  backplane-stress --seconds 60
  backplane-stress --seed 7 --threads 2 --operations 5000)";

}  // namespace

std::optional<Options> parse(int argc, char** argv, int& exit_code) {
  Options options;
  options.seed = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) % 1'000'000;
  options.modules = STRESS_MODULE_DIR;
  CLI::App app(what_it_is, "backplane-stress");
  app.footer(what_it_prints);
  app.get_formatter()->column_width(24);
  app.set_help_flag("-h,--help", "this text");
  auto* const seconds = app.add_option("--seconds", options.seconds, "how long to hammer; default 10")->type_name("N");
  app.add_option("--operations", options.operations, "in the stead of a time: how many operations each thread does")
      ->type_name("N")
      ->excludes(seconds);
  app.add_option("--seed", options.seed, "of the order of operations; default: from the clock")->type_name("S");
  app.add_option("--threads", options.threads, "how many threads do operations, 1 to 64; default 4")
      ->type_name("T")
      ->check(CLI::Range(1, 64));
  app.add_option("--modules", options.modules, "the directory of the stress modules; default: where they were built")
      ->type_name("DIR");
  seconds->check(CLI::Range(0.0, 1e6));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    exit_code = 0;
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    std::cerr << "backplane-stress: " << error.what() << "; backplane-stress --help shows what it takes\n";
    exit_code = 2;
    return std::nullopt;
  }
  return options;
}

}  // namespace stress
