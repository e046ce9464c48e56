// SPDX-License-Identifier: Apache-2.0
//
// A host in a process of its own, which a test may kill and start again.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "temp_dir.hpp"

using namespace std::chrono_literals;

inline constexpr auto long_enough = 20s;

inline std::string module_file(const std::string& name) {
  const bool bundled = std::set<std::string>{"kv", "session", "echo", "timer"}.contains(name);
  return std::string(BP_TEST_BUILD_DIR) + (bundled ? "/plugins/" : "/tests/modules/") + name + ".so";
}

/// Waits until something holds; false after long_enough.
template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + long_enough;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// `backplane run` in a process of its own.
class HostProcess {
 public:
  HostProcess() { start(); }
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;
  ~HostProcess() { kill(); }

  void start(const std::vector<std::string>& modules = {"kv", "session", "echo", "timer", "streams", "desk"}) {
    std::vector<std::string> words = {BP_TEST_BUILD_DIR "/bin/backplane",
                                      "run",
                                      "--socket",
                                      socket(),
                                      "--data-dir",
                                      dir_ / "data",
                                      "--no-trial",
                                      "--log-level",
                                      "off"};
    for (const std::string& module : modules) {
      words.push_back("--module");
      words.push_back(module_file(module));
    }
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string log = dir_ / "log";
    std::filesystem::remove(log);  // the one of an earlier process
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(out, 2);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    REQUIRE(eventually([&] {
      std::ifstream file(log);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      return text.find("ready on") != std::string::npos;
    }));
  }
  /// As kill -9 does.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void signal(int number) const { ::kill(pid_, number); }
  std::string socket() const { return dir_ / "host.sock"; }

 private:
  TempDir dir_;
  pid_t pid_ = 0;
};
