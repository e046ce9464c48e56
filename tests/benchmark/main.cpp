// SPDX-License-Identifier: Apache-2.0
//
// backplane-bench: what it costs, against what the machine can do. scripts/bench builds and runs it.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "report.hpp"

namespace {

constexpr const char* help = R"(Measures Backplane against the floor of the machine it runs on, and prints a table.

usage: backplane-bench [--quick] [--row NAME]... [--json | --list]

  --quick     fewer rounds: all rows in under two minutes
  --row NAME  this row, or all whose name begins with NAME and a dot; may be given several times
  --json      the rows as an array of objects, and nothing else, to stdout
  --list      the rows' names and what they measure; runs none
  --smoke     each row for a moment, to see that it runs; the figures mean nothing
  -h, --help  this text

A row's floor is measured in the same run, in turns with the row: take the ratio, not the figure. Both are medians
of many rounds, or of many samples where a row is a latency; that has lines for p99 and p99.9 too. Each row runs in a
process of its own. The table goes to stdout, all else to stderr.

Exit code: 0 if every row was measured and its answers were right, whether what is to be reached is reached or not;
1 if one was not; 2 for wrong arguments; 130 after Ctrl-C, with the rows measured so far.

In the table: floor is what the machine can do, ratio the value divided by it, reach what is to be reached, and met
whether it is.
)";

constexpr const char* legend =
    "floor: what the machine can do, measured in turns with the row. ratio: value / floor. reach: what is to be\n"
    "reached. met: whether it is. Rows .p99 and .p999 are the tail of the one above. --list says what each measures.\n";

struct Options {
  bench::Effort effort = bench::Effort::full;
  bool json = false;
  bool list = false;
  bool help = false;
  std::vector<std::string> rows;
};

int refuse(const std::string& why) {
  std::fprintf(stderr, "backplane-bench: %s\n", why.c_str());
  return 2;
}

/// Nothing if the arguments are wrong, which has been said then.
std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--json") {
      options.json = true;
    } else if (argument == "--quick") {
      options.effort = bench::Effort::quick;
    } else if (argument == "--smoke") {
      options.effort = bench::Effort::smoke;
    } else if (argument == "--list") {
      options.list = true;
    } else if (argument == "--help" || argument == "-h") {
      options.help = true;
    } else if (argument == "--row" && i + 1 < argc) {
      options.rows.emplace_back(argv[++i]);
    } else if (argument.starts_with("--row=")) {
      options.rows.push_back(argument.substr(std::strlen("--row=")));
    } else {
      refuse(argument == "--row" ? "--row needs a name; --list shows them"
                                 : "unknown argument '" + argument + "'; expected what --help lists");
      return std::nullopt;
    }
  }
  return options;
}

bool wanted(const bench::Row& row, const std::vector<std::string>& names) {
  if (names.empty()) return true;
  for (const std::string& name : names) {
    if (bench::belongs(row, name)) return true;
  }
  return false;
}

/// The name that no row has, if there is one.
std::optional<std::string> unknown(const std::vector<bench::Row>& rows, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    bool found = false;
    for (const bench::Row& row : rows) found = found || bench::belongs(row, name);
    if (!found) return name;
  }
  return std::nullopt;
}

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

std::vector<bench::Outcome> run(const std::vector<bench::Row>& rows, const Options& options) {
  std::vector<bench::Outcome> outcomes;
  for (const bench::Row& row : rows) {
    if (!wanted(row, options.rows)) continue;
    std::fprintf(stderr, "bench: %s\n", row.name);
    bench::Outcome outcome = bench::run_apart(row, options.effort);
    if (interrupted != 0) break;  // with the row that was being measured
    outcomes.push_back(std::move(outcome));
    if (!outcomes.back().error.empty()) {
      std::fprintf(stderr, "bench: %s failed: %s\n", row.name, outcomes.back().error.c_str());
    }
  }
  return outcomes;
}

/// The exit code.
int print(const std::vector<bench::Outcome>& outcomes, bool json) {
  std::size_t failed = 0;
  std::size_t met = 0;
  std::size_t with_a_target = 0;
  std::string missed;
  for (const bench::Outcome& each : outcomes) {
    failed += !each.error.empty();
    met += each.met().value_or(false);
    with_a_target += each.met().has_value();
    if (!each.met().value_or(true)) missed += (missed.empty() ? "; missed: " : ", ") + std::string(each.row.name);
  }
  if (json) {
    std::fputs(bench::json(outcomes).c_str(), stdout);
  } else {
    std::printf("%s\n\n%s\n%s", bench::machine().c_str(), bench::markdown(outcomes).c_str(), legend);
  }
  std::fflush(stdout);
  std::fprintf(stderr, "bench: %zu of %zu reach what they are to, %zu failed%s\n", met, with_a_target, failed,
               missed.c_str());
  if (interrupted != 0) {
    std::fputs("bench: interrupted; what had been measured is shown\n", stderr);
    return 130;
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const auto options = parse(argc, argv);
  if (!options) return 2;
  if (options->help) return std::fputs(help, stdout) < 0 ? 1 : 0;
  const std::vector<bench::Row> rows = bench::all_rows();
  if (const auto name = unknown(rows, options->rows)) {
    return refuse("there is no row '" + *name + "', nor a group of that name; expected one that --list shows");
  }
  if (options->list && options->json) return refuse("--list and --json do not go together; expected one of them");
  std::signal(SIGINT, on_interrupt);
  if (options->list) {
    for (const bench::Row& row : rows) {
      if (!wanted(row, options->rows)) continue;
      std::printf("%-24s %s\n", row.name, row.what);
      for (std::size_t i = 0; row.quantiles && i < std::size(bench::tails); ++i) {
        std::printf("%-24s %s\n", (row.name + std::string(bench::tails[i])).c_str(), i == 0 ? "its p99" : "its p99.9");
      }
    }
    return 0;
  }
  return print(run(rows, *options), options->json);
} catch (const std::exception& error) {
  std::fprintf(stderr, "backplane-bench: %s\n", error.what());
  return 1;
}
