// SPDX-License-Identifier: Apache-2.0
//
// scripts/gdb_fibers.py, by gdb itself, on this process and on a core of it.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "fixture.hpp"
#include "temp_dir.hpp"

using namespace host_test;

namespace {

/// Two runs of weaver.weave and one of weaver.park, suspended.
class Suspended {
 public:
  Suspended() {
    begin("weaver.weave", "3");
    begin("weaver.park", "");
    begin("weaver.weave", "0");
  }
  Suspended(const Suspended&) = delete;
  Suspended& operator=(const Suspended&) = delete;
  ~Suspended() {
    for (std::size_t i = 0; i < begun_; ++i) {
      CHECK(bp_cancel(context_.native, requests_[i]) == BP_OK);
      CHECK(replies_[i].wait().back() == "canceled");
    }
  }

 private:
  void begin(std::string_view name, std::string_view depth) {
    REQUIRE(context_.submit(name, replies_[begun_], depth, 0, &requests_[begun_]) == BP_OK);
    // A part is told of on the thread's own stack: when the handler that gave it has suspended.
    REQUIRE(replies_[begun_++].wait_for(1).size() == 1);
  }

  Context context_;
  Loaded module_{context_, "weaver"};
  Replies replies_[3];
  bp_request requests_[3] = {};
  std::size_t begun_ = 0;
};

/// What gdb says. Not through a pipe: this process stands still while gdb fills it.
std::string gdb(std::vector<std::string> target, const std::vector<std::string>& commands) {
  const TempDir dir;
  const std::string file = dir / "said";
  std::vector<std::string> words = {"gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off"};
  words.insert(words.end(), target.begin(), target.end());
  for (const std::string& command : commands) words.insert(words.end(), {"-ex", command});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // Where only parents may look into a process, this one lets anybody.
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  const pid_t child = ::vfork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int out = ::open(file.c_str(), O_CREAT | O_WRONLY, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::close(STDIN_FILENO);
    ::execvp("gdb", arguments.data());
    ::_exit(127);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  std::ifstream stream(file);
  std::ostringstream said;
  said << stream.rdbuf();
  INFO(said.str());
  INFO("127: there is no gdb; scripts/setup installs it");
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  return said.str();
}

const std::string script = BP_TEST_SOURCE_DIR "/scripts/gdb_fibers.py";

std::vector<std::string> this_process() { return {"-p", std::to_string(::getpid()), "-x", script}; }

/// The table's rows, without what differs from machine to machine: the bytes in use.
Seen rows(const std::string& said) {
  Seen found;
  std::istringstream stream(said);
  const std::regex row(R"(^[ *]\s*(\d+|-)\s+(\d+)\s+(weaver\.\w+)\s+(\w+)\s+(\d+)\s+(\d+) (.*)$)");
  for (std::string line; std::getline(stream, line);) {
    std::smatch parts;
    if (!std::regex_match(line, parts, row)) continue;
    CHECK(std::stoul(parts[6]) > 0);
    CHECK(std::stoul(parts[6]) < std::stoul(parts[5]));
    found.push_back(parts[3].str() + " " + parts[4].str() + " " + parts[5].str() + ": " + parts[7].str());
  }
  std::sort(found.begin(), found.end());
  return found;
}

const Seen all_rows = {
    "weaver.park handler 262144: park_handler",
    "weaver.weave 1 32768: warp_goes_deeper < warp_entry",
    "weaver.weave 1 32768: warp_goes_deeper < warp_goes_deeper < warp_goes_deeper",
    "weaver.weave 2 65536: weft_waits < weft_entry",
    "weaver.weave 2 65536: weft_waits < weft_entry",
    "weaver.weave handler 262144: handler_switches < weave_handler",
    "weaver.weave handler 262144: handler_switches < weave_handler",
};

/// The functions of each backtrace that has a title, the host's left out: "weaver.weave, fiber 2: f < g".
Seen backtraces(const std::string& said) {
  Seen found;
  std::istringstream stream(said);
  const std::regex title(R"(^Fiber \d+ \((.*), run \d+\):$)");
  const std::regex frame(R"(^#(\d+)\s+(?:0x[0-9a-f]+ in )?([\w:~<>]+|\?\?)(?: |\().*$)");
  const std::regex of_module("^(weft|warp|handler|weave|park)_.*");
  for (std::string line; std::getline(stream, line);) {
    std::smatch parts;
    if (std::regex_match(line, parts, title)) found.push_back(parts[1].str() + ":");
    if (found.empty() || !std::regex_match(line, parts, frame)) continue;
    CHECK(parts[1].str() != "0");  // the thread's own frame
    if (std::regex_match(parts[2].str(), of_module)) found.back() += " " + parts[2].str();
  }
  std::sort(found.begin(), found.end());
  return found;
}

const Seen all_backtraces = {
    "weaver.park, handler: park_handler",
    "weaver.weave, fiber 1: warp_goes_deeper warp_entry",
    "weaver.weave, fiber 1: warp_goes_deeper warp_goes_deeper warp_goes_deeper warp_goes_deeper warp_entry",
    "weaver.weave, fiber 2: weft_waits weft_entry",
    "weaver.weave, fiber 2: weft_waits weft_entry",
    "weaver.weave, handler: handler_switches weave_handler",
    "weaver.weave, handler: handler_switches weave_handler",
};

bool has(const std::string& said, const std::string& what) {
  INFO("in: " << said);
  CHECK(said.find(what) != std::string::npos);
  return said.find(what) != std::string::npos;
}

std::string part(const std::string& said, const std::string& after, const std::string& before) {
  const std::size_t begin = said.find("\n" + after);
  REQUIRE(begin != std::string::npos);
  const std::size_t from = begin + 1 + after.size();
  const std::size_t end = before.empty() ? said.size() : said.find("\n" + before, from - 1);
  REQUIRE(end != std::string::npos);
  return said.substr(from, end + 1 - from);
}

}  // namespace

TEST_CASE("gdb lists the suspended fibers of a process, and shows the frames of each") {
  const Suspended suspended;
  const std::string said = gdb(this_process(), {"info fibers", "fiber apply all bt"});
  INFO(said);
  CHECK(rows(said) == all_rows);
  CHECK(backtraces(said) == all_backtraces);
}

TEST_CASE("gdb looks into one fiber, and back at the thread") {
  const Suspended suspended;
  const std::string said = gdb(
      this_process(), {"info fibers park", "fiber", "echo before\\n", "bt", "echo fiber\\n", "fiber 1", "fiber", "bt 1",
                       "fiber apply 1-2 7 bt -1", "frame", "echo off\\n", "fiber off", "bt", "echo end\\n", "fiber"});
  INFO(said);
  CHECK(rows(said) == Seen{all_rows[0]});
  has(said, "No fiber is selected.");
  has(said, "is selected.\n");
  CHECK(backtraces(part(said, "fiber\n", "off\n")).size() == 3);
  // The thread's own frames are as they were, and the fiber's others are not among them.
  const std::string before = part(said, "before\n", "fiber\n");
  CHECK(before.find("#0 ") == 0);
  CHECK(before.find(" main (") != std::string::npos);
  CHECK(part(said, "off\n", "end\n") == before);
  has(part(said, "end\n", ""), "No fiber is selected.");
}

// What a sanitizer maps is too much for a core.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("gdb shows the fibers of a core") {
  const TempDir dir;
  const std::string core = dir / "core";
  {
    const Suspended suspended;
    gdb(this_process(), {"fiber gcore " + core});
    const std::string said = gdb({std::filesystem::read_symlink("/proc/self/exe"), core, "-x", script},
                                 {"info fibers", "fiber apply all bt", "fiber 2", "bt 1"});
    INFO(said);
    CHECK(rows(said) == all_rows);
    CHECK(backtraces(said) == all_backtraces);
  }
}
#endif

TEST_CASE("gdb says of a handler that runs which thread shows it") {
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  ::setenv("BP_TEST_WEDGE", ("handler " + std::to_string(ends[0])).c_str(), 1);
  {
    const Context context;
    const Loaded wedge(context, "wedge");
    Replies replies;
    REQUIRE(context.submit("wedge.hold", replies) == BP_OK);
    const std::regex row(R"(\n  +-    1 wedge\.hold +handler +262144 +\d+ runs in thread \d+\n)");
    CHECK(eventually([&] { return std::regex_search(gdb(this_process(), {"info fibers"}), row); }));
    has(gdb(this_process(), {"fiber 1", "echo end\\n"}), "there is no fiber 1; no fiber is suspended");
    CHECK(::write(ends[1], "", 1) == 1);
    CHECK(replies.wait() == Seen{"ok"});
  }
  ::unsetenv("BP_TEST_WEDGE");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("gdb is told that there are no fibers, and what is wrong with a command") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  CHECK(context.call("sleeper.sleep", "1") == "ok:1");  // whose stack is kept for the next
  has(gdb(this_process(), {"info fibers"}), "No fibers: no handler is suspended.");
  const Suspended suspended;
  const std::string said = gdb(this_process(), {"info fibers -most", "info fibers no_such", "fiber 8", "fiber x",
                                                "fiber all", "fiber apply bt", "fiber apply 7-9 bt", "echo end\\n"});
  has(said, "found '-most'; expected -all");
  has(said, "No fibers of a wire name that contains 'no_such'");
  has(said, "there is no fiber 8; expected 1 to 7");
  has(said, "found 'x'; expected the number of a fiber");
  has(said, "found 'all'; expected one fiber's number");
  has(said, "found 'fiber apply bt'; expected fibers and a command");
  has(said, "there is no fiber 7-9; expected 1 to 7");
  has(gdb({"-x", script}, {"info fibers", "echo end\\n"}), "found neither a process nor a core file");
  has(gdb({"-x", script, "/bin/true"}, {"starti", "info fibers", "kill"}), "found no symbol backplane_stack_chunks");
}
