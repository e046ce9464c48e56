// SPDX-License-Identifier: Apache-2.0
//
// The process of trial loads, from inside: without memory, with a stopped process, and what it has of this one.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "children.hpp"
#include "failing.hpp"
#include "modules/trial_helper.hpp"
#include "support/quiet_child.hpp"

using backplane::host::QuietChild;
using backplane::host::TrialHelper;
using failing::Which;

namespace {

using Clock = std::chrono::steady_clock;

bool never() { return false; }

template <class F>
bool comes_true(F condition) {
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

struct Helper : TrialHelper {
  QuietChild::Ended run(const std::vector<std::string>& steps) {
    return TrialHelper::run(program.get(), steps, most, never);
  }
  QuietChild::Ended run_sound() { return run({"try:" + module_file("statics")}); }
  /// The process that forks one for each trial.
  static pid_t process() {
    const std::vector<pid_t> between = children_of(::getpid());
    REQUIRE(between.size() == 1);
    const std::vector<pid_t> found = children_of(between.front());
    REQUIRE(found.size() == 1);
    return found.front();
  }

  static constexpr std::chrono::seconds most{20};
  backplane::host::UniqueFd program = QuietChild::open(TRIAL_PROGRAM);
};

/// More than a socket holds.
std::vector<std::string> many_steps() {
  return std::vector<std::string>(20'000, "open:/nowhere/" + std::string(100, 'x'));
}

}  // namespace

TEST_CASE("after a trial for which memory was short, the next one gets an answer of its own") {
  Helper helper;
  const std::string good = helper.run_sound().output;
  REQUIRE(good.find("\ngood\n") != std::string::npos);
  const std::string aborts = std::string(BP_TEST_BUILD_DIR) + "/tests/trial/modules/throws.so";
  for (const std::string& bad : {std::string("/nowhere/refused.so"), aborts}) {
    bool failed = true;
    for (long nth = 1; failed; ++nth) {
      CAPTURE(bad, nth);
      const std::vector<std::string> steps = {"try:" + bad};
      failing::arm(nth, Which::one);
      try {
        helper.run(steps);
      } catch (const std::bad_alloc&) {
      }
      failed = failing::disarm().failed;
      const QuietChild::Ended next = helper.run_sound();
      CHECK(next.output == good);
      CHECK(next.signal == 0);
    }
  }
}

TEST_CASE("a program is ended without memory for what it has written") {
  const TempDir dir;
  const std::string done = dir / "done";
  const backplane::host::UniqueFd shell = QuietChild::open("/bin/sh");
  const std::string writes = "echo " + std::string(1000, 'x');
  {
    QuietChild child(
        {shell.get(), {"sh", "-c", writes + " >&3; " + writes + " >&2; : > " + done + "; exec sleep 600"}});
    REQUIRE(comes_true([&] { return std::filesystem::exists(done); }));
    failing::arm(1, Which::from_then);
  }
  failing::disarm();
  CHECK(children_of(::getpid()).empty());
}

TEST_CASE("the process between has no descriptor of the application") {
  Helper helper;
  helper.run_sound();
  const std::vector<pid_t> between = children_of(::getpid());
  REQUIRE(between.size() == 1);
  CHECK(comes_true([&] { return entries("/proc/" + std::to_string(between.front()) + "/fd") == 0; }));
}

TEST_CASE("an environment that goes away while it is read ends no host") {
  Helper helper;
  const std::string good = helper.run_sound().output;
  void* const gone = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(gone != MAP_FAILED);
  char some[] = "A=1";
  char* torn[] = {some, static_cast<char*>(gone), nullptr};
  char** const before = ::environ;
  ::environ = torn;
  int error = 0;
  try {
    helper.run_sound();
  } catch (const std::system_error& failure) {  // it would get this environment
    error = failure.code().value();
  }
  ::environ = before;
  CHECK(error == EFAULT);
  CHECK(helper.run_sound().output == good);
  ::munmap(gone, 4096);
}

TEST_CASE("the process is kept as long as the environment stays, and started again when it changes") {
  Helper helper;
  helper.run_sound();
  const pid_t first = helper.process();
  helper.run_sound();
  CHECK(helper.process() == first);
  ::setenv("TRIAL_HELPER_TEST", std::string(10'000, 'x').c_str(), 1);
  helper.run_sound();
  const pid_t second = helper.process();
  CHECK(second != first);
  helper.run_sound();
  CHECK(helper.process() == second);
  ::unsetenv("TRIAL_HELPER_TEST");
}

TEST_CASE("a request that a stopped process does not read is over in time, or when it is canceled") {
  const std::vector<std::string> steps = many_steps();
  Helper helper;
  const std::string good = helper.run_sound().output;
  ::kill(helper.process(), SIGSTOP);
  const auto begin = Clock::now();
  CHECK_FALSE(helper.TrialHelper::run(helper.program.get(), steps, std::chrono::milliseconds(200), never).in_time);
  helper.run_sound();
  ::kill(helper.process(), SIGSTOP);
  const auto soon = Clock::now() + std::chrono::milliseconds(200);
  CHECK(
      helper.TrialHelper::run(helper.program.get(), steps, Helper::most, [&] { return Clock::now() > soon; }).canceled);
  CHECK(Clock::now() - begin < std::chrono::seconds(15));
  CHECK(helper.run_sound().output == good);
}
