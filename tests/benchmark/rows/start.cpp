// SPDX-License-Identifier: Apache-2.0
//
// How long `backplane run` takes from the start of its process to its first answer.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "../embedded.hpp"
#include "../row.hpp"

extern char** environ;

namespace bench {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

class FreshDirectory {
 public:
  FreshDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "backplane-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error(pattern + ": " + std::strerror(errno));
    path_ = pattern;
  }
  FreshDirectory(const FreshDirectory&) = delete;
  FreshDirectory& operator=(const FreshDirectory&) = delete;
  ~FreshDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// `backplane run`, until this goes.
class RunningHost {
 public:
  explicit RunningHost(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {BENCH_EXECUTABLE, "run"});
    std::vector<char*> argv;
    for (std::string& each : arguments) argv.push_back(each.data());
    argv.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(std::string("no pipe: ") + std::strerror(errno));
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    const int error = ::posix_spawn(&pid_, BENCH_EXECUTABLE, &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    said_ = ends[0];
    if (error != 0) {
      ::close(said_);
      throw std::runtime_error(std::string(BENCH_EXECUTABLE ": ") + std::strerror(error));
    }
  }
  RunningHost(const RunningHost&) = delete;
  RunningHost& operator=(const RunningHost&) = delete;
  ~RunningHost() {
    ::kill(pid_, SIGTERM);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    ::close(said_);
  }

  void wait_until_ready() {
    std::string text;
    while (text.find(": ready on ") == std::string::npos) {
      char part[512];
      const ssize_t got = ::read(said_, part, sizeof part);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw std::runtime_error("backplane run ended before it was ready: " + text);
      text.append(part, static_cast<std::size_t>(got));
    }
  }

 private:
  pid_t pid_ = 0;
  int said_ = -1;
};

void expect_an_answer(const std::string& socket) {
  bp_connect_options options{};
  options.struct_size = sizeof options;
  options.socket_path = socket.c_str();
  bp_context context{};
  Result why;
  expect_ok(bp_context_connect(&options, &context, &why), "bp_context_connect", why);
  const std::uint8_t word[] = {'p', 'i', 'n', 'g'};
  Result result;
  const bp_status status = bp_call_sync(context, BP_STR("echo.raw"), {word, sizeof word}, 0, &result);
  bp_context_destroy(context);
  expect_ok(status, "echo.raw", result);
  if (result.payload.size != sizeof word || std::memcmp(result.payload.data, word, sizeof word) != 0) {
    throw std::runtime_error("echo.raw answered something else than it was sent");
  }
}

double started() {
  const FreshDirectory directory;
  const std::string socket = directory / "socket";
  std::vector<std::string> arguments{"--socket", socket, "--data-dir", directory / "data"};
  for (const char* const module : {"echo", "timer", "kv", "session", "generator"}) {
    arguments.insert(arguments.end(), {"--module", BENCH_PLUGIN_DIR "/" + std::string(module) + ".so"});
  }
  const auto begin = std::chrono::steady_clock::now();
  RunningHost host(arguments);
  host.wait_until_ready();
  expect_an_answer(socket);
  return Milliseconds(std::chrono::steady_clock::now() - begin).count();
}

Figure start(Effort effort) {
  const int starts = effort == Effort::smoke ? 1 : effort == Effort::quick ? 21 : 101;
  std::vector<double> took;
  for (int i = 0; i < starts; ++i) took.push_back(started());
  const auto middle = took.begin() + starts / 2;
  std::nth_element(took.begin(), middle, took.end());
  return {*middle, {}};
}

constexpr Row rows[] = {
    {"life.start",
     "ms",
     "backplane run with echo, timer, kv, session and generator, and a fresh data directory: from the start of its "
     "process to its first answer",
     "",
     {Reach::Of::value, Reach::Side::at_most, 30},
     start},
};

}  // namespace

std::span<const Row> start_rows() { return rows; }

}  // namespace bench
