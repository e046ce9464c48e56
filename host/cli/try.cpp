// SPDX-License-Identifier: Apache-2.0
//
// `backplane try`: runs this program again, as a process that is a host of its own, and tells what it found.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <chrono>
#include <filesystem>
#include <system_error>

#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/log_lines.hpp"
#include "cli/output.hpp"
#include "cli/this_program.hpp"
#include "cli/try_host.hpp"
#include "support/quiet_child.hpp"
#include "support/signal_name.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::uint64_t default_timeout_ms = 60'000;

/// A directory for the data of the module, which goes at the end.
class DataDir {
 public:
  DataDir() {
    std::error_code error;
    std::string pattern = (std::filesystem::temp_directory_path(error) / "backplane-try-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw CommandFailure{exit_usage, BP_IO,
                           cat("no temporary directory can be made: ", ::strerror(errno), "; set TMPDIR")};
    }
    path_ = pattern;
  }
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;
  ~DataDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// Reads the lines of the other process, and shows each step when it is done.
class Findings {
 public:
  explicit Findings(bool json) : json_(json) {}

  void take(std::string_view bytes) {
    pending_ += bytes;
    for (std::size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n')) {
      line(pending_.substr(0, end));
      pending_.erase(0, end + 1);
    }
  }

  /// The step that has begun and not ended; empty: none.
  const std::string& open() const noexcept { return open_; }
  /// The step in which the host has refused the file; empty: none.
  const std::string& refused() const noexcept { return refused_; }
  bool left() const noexcept { return something_left_; }
  const std::string& steps_json() const noexcept { return steps_; }
  const std::string& left_json() const noexcept { return left_; }

 private:
  // "begin NAME", "done NAME\tMS\tTEXT", "refused NAME\tMS\tTEXT", "left KIND\tTEXT"
  void line(const std::string& text) {
    const std::size_t space = text.find(' ');
    if (space == std::string::npos) return;
    const std::string kind = text.substr(0, space);
    const std::string rest = text.substr(space + 1);
    const std::size_t tab = std::min(rest.find('\t'), rest.size());
    const std::string name = rest.substr(0, tab);
    const std::string after = rest.substr(std::min(tab + 1, rest.size()));
    if (kind == "begin") {
      open_ = name;
    } else if (kind == "left") {
      something_left_ = something_left_ || name != "library";
      left_ += cat(left_.empty() ? "" : ",", "{\"kind\":", cli::json_string(name),
                   ",\"what\":", cli::json_string(after), "}");
      if (!json_) write_out(cat("left: ", one_line(after), "\n"));
    } else {
      const std::size_t second = std::min(after.find('\t'), after.size());
      const std::string ms = after.substr(0, second);
      const std::string words = after.substr(std::min(second + 1, after.size()));
      open_.clear();
      if (kind == "refused") refused_ = name;
      steps_ += cat(steps_.empty() ? "" : ",", "{\"step\":", cli::json_string(name), ",\"ms\":", ms,
                    ",\"ok\":", kind == "done" ? "true" : "false", ",\"what\":", cli::json_string(words), "}");
      if (!json_) write_out(cat(name, ": ", one_line(words), " (", ms, " ms)\n"));
    }
  }

  const bool json_;
  std::string pending_;
  std::string open_;
  std::string steps_;
  std::string left_;
  std::string refused_;
  bool something_left_ = false;  // libraries stay by the rules of the host
};

std::string how_it_ended(const QuietChild::Ended& ended, const Findings& findings, std::uint64_t timeout_ms) {
  if (!findings.refused().empty()) return cat("it is refused in the step \"", findings.refused(), "\"");
  const std::string& step = findings.open();
  const std::string where = step.empty() ? "after its last step" : cat("in the step \"", step, "\"");
  if (!ended.in_time) return cat("it did not return within ", std::to_string(timeout_ms), " ms, ", where);
  if (ended.signal != 0) return cat("the process died of ", signal_name(ended.signal), " ", where);
  return cat("the process ended with exit code ", std::to_string(ended.code), " ", where);
}

int run_try(const Args& args) {
  if (::getenv(try_host_variable) != nullptr) return run_try_host(args);
  if (args.config) read_module_config(*args.config);  // a fault of the arguments is no fault of the module
  const DataDir temporary;
  const std::string data = args.data_dir ? absolute_path(*args.data_dir) : temporary.path();
  const std::string self = this_program();
  const UniqueFd file = QuietChild::open(self);
  const std::uint64_t timeout_ms = args.timeout.value_or(default_timeout_ms);
  QuietChild::Program program{file.get(), {"backplane", "try", args.file, "--data-dir", data}};
  if (args.config) program.arguments.insert(program.arguments.end(), {"--config", *args.config});
  if (args.no_trial) program.arguments.push_back("--no-trial");
  Findings findings(args.json);
  program.on_output = [&findings](std::string_view bytes) { findings.take(bytes); };
  ::setenv(try_host_variable, "1", 1);
  QuietChild::Ended ended;
  try {
    ended = QuietChild::run(program, std::chrono::milliseconds(timeout_ms), [] { return false; });
  } catch (const std::system_error& error) {
    throw CommandFailure{exit_usage, BP_IO, cat("the process for the trial cannot be started: ", error.what())};
  }
  const bool failed = !ended.in_time || ended.signal != 0 || ended.code != 0;
  const std::string fault = failed ? how_it_ended(ended, findings, timeout_ms) : std::string();
  const std::string errors = without_repeats(ended.errors);
  const char* const verdict = failed ? "failed" : findings.left() ? "left" : "well";
  if (args.json) {
    write_result(cat("{\"verdict\":\"", verdict, "\",\"steps\":[", findings.steps_json(), "],\"left\":[",
                     findings.left_json(), "],\"fault\":", fault.empty() ? "null" : cli::json_string(fault),
                     ",\"stderr\":", cli::json_string(errors), "}\n"));
  } else {
    if (!errors.empty()) write_err(cat("--- what it wrote to stderr\n", printable(errors), "---\n"));
    if (!fault.empty()) write_result(cat("FAILED: ", fault, "\n"));
    if (!failed) write_result(findings.left() ? "it works, but leaves something behind\n" : "all is well\n");
  }
  return failed ? exit_refused : findings.left() ? exit_error : exit_ok;
}

}  // namespace

const Command try_command = {
    "try",
    "load, reload and unload a module in a process of its own, and tell what happens and what is left",
    R"(try needs no host, and disturbs none. A process of its own becomes a host, and does with the file what an operator
may do: a trial load, init and an instance; a second generation beside the first, and the end of the first; unload;
load again; and the end of the process. It calls no handler. Each step is a line with its time.

Then it tells what is left: mapped objects, threads, descriptors, actions of signals, and memory that grows with each
load. A crash is told with the step and the line about it. The last line of stdout is the verdict. Nothing can tell what
a file does that is only called later.

Examples:
  backplane try build/plugins/kv.so
  backplane try ./echo.so --config '{"prefix": "> "}' --json

Exit codes: 0 all is well; 1 it works, but leaves something behind; 2 usage, or the other process cannot be started; 5
the file is refused, crashes, ends the process, or does not return within --timeout.)",
    {
        {"FILE", "", "the shared object", &Args::file, true},
        {"--config", "JSON", "the module's configuration: a JSON object, or @FILE with a JSON object", &Args::config},
        {"--timeout", "MS", "how long all of it may take; default 60000", &Args::timeout},
        {"--no-trial", "", "leave the trial load out, so that a crash in a constructor is told in full",
         &Args::no_trial},
        {"--data-dir", "DIR", "where the module keeps its data; default: a directory that is removed at the end",
         &Args::data_dir},
        json_option,
    },
    run_try,
};

}  // namespace backplane::host::cli
