// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "support/log.hpp"
#include "support/log_writer.hpp"

using namespace backplane::host;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 20'000ms;

/// A log that writes into a pipe. The log is leaked, as it has a thread.
struct Piped {
  Piped() {
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    log = new LogWriter(ends[1]);
  }
  Piped(const Piped&) = delete;
  Piped& operator=(const Piped&) = delete;
  ~Piped() { ::close(ends[0]); }  // the writing end stays open for the thread

  void say(const std::string& text) const {
    LogLine line;
    line.level = BP_LOG_INFO;
    line.where = "test";
    line.text = text;
    log->push(line);
  }
  /// Reads on until the text is there.
  void until(const std::string& part) {
    while (seen.find(part) == std::string::npos) {
      pollfd fd = {ends[0], POLLIN, 0};
      REQUIRE(::poll(&fd, 1, static_cast<int>(long_enough.count())) == 1);
      char some[4096];
      const ssize_t size = ::read(ends[0], some, sizeof some);
      REQUIRE(size > 0);
      seen.append(some, static_cast<std::size_t>(size));
    }
  }

  int ends[2] = {-1, -1};
  LogWriter* log = nullptr;
  std::string seen;
};

}  // namespace

TEST_CASE("a log whose pipe is full takes lines at once, and tells what it dropped when the pipe is read") {
  Piped piped;
  REQUIRE(piped.log->configure(false, 500, LogQueue::least_bytes));
  constexpr int lines = 20'000;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < lines; ++i) piped.say("line " + std::to_string(i));
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
  CHECK_FALSE(piped.log->flush(1ms));
  const std::uint64_t dropped = piped.log->dropped();
  CHECK(dropped > lines - 1'000);
  CHECK(piped.log->waiting() <= 500);
  piped.until("line " + std::to_string(lines - 1) + "\n");
  CHECK(piped.log->flush(long_enough));
  const std::regex notice("warn log: (\\d+) lines? (was|were) dropped: stderr takes none\n");
  std::uint64_t told = 0;
  for (std::sregex_iterator at(piped.seen.begin(), piped.seen.end(), notice), end; at != end; ++at) {
    told += std::stoull((*at)[1]);
  }
  CHECK(told == dropped);
  CHECK(piped.log->dropped() == dropped);
}

TEST_CASE("lines that a descriptor refuses are counted as dropped") {
  Piped piped;
  ::close(piped.ends[0]);
  piped.ends[0] = -1;
  piped.say("nobody");
  CHECK(piped.log->flush(long_enough));
  CHECK(piped.log->dropped() == 1);
}

TEST_CASE("a line that comes again within a second is counted, and the count is written at the next line or its end") {
  Piped piped;
  for (int i = 0; i < 5; ++i) piped.say("same");
  piped.say("other");
  piped.until("other\n");
  CHECK(piped.seen.find("test: the last line was repeated 4 times\n") < piped.seen.find("test: other\n"));
  for (int i = 0; i < 3; ++i) piped.say("other");
  piped.until("test: the last line was repeated 3 times\n");  // a second has passed
  piped.say("other");
  CHECK(piped.log->flush(long_enough));
  piped.until("other\n");
}

TEST_CASE("a flush writes repeats that are only counted so far") {
  Piped piped;
  piped.say("same");
  piped.say("same");
  CHECK(piped.log->flush(long_enough));
  piped.until("test: the last line was repeated 1 time\n");
}

TEST_CASE("lines of many threads are written whole") {
  Piped piped;
  constexpr int threads = 4;
  constexpr int lines = 500;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&piped, t] {
      for (int i = 0; i < lines; ++i) piped.say(std::to_string(t) + " says " + std::to_string(i) + " |");
    });
  }
  for (int t = 0; t < threads; ++t) piped.until(std::to_string(t) + " says " + std::to_string(lines - 1) + " |\n");
  for (std::thread& thread : all) thread.join();
  CHECK(piped.log->dropped() == 0);
  for (int t = 0; t < threads; ++t) {
    for (int i = 0; i < lines; ++i) {
      REQUIRE(piped.seen.find("test: " + std::to_string(t) + " says " + std::to_string(i) + " |\n") !=
              std::string::npos);
    }
  }
}

#if !defined(__SANITIZE_THREAD__)  // it refuses threads in a forked child
TEST_CASE("a forked child logs with a thread of its own, and writes none of its parent's lines") {
  Piped piped;
  piped.log->configure(false, 1'000, LogQueue::least_bytes);
  for (int i = 0; i < 500; ++i) piped.say("the parent's " + std::to_string(i));
  piped.log->before_fork();
  const pid_t child = ::fork();
  if (child == 0) {
    piped.log->in_child();
    piped.say("the child's");
    ::_exit(piped.log->flush(long_enough) ? 0 : 1);
  }
  piped.log->in_parent();
  piped.until("the child's\n");
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  piped.until("the parent's 499\n");
  CHECK(piped.log->flush(long_enough));
  const std::size_t first = piped.seen.find("the parent's 499\n");
  CHECK(piped.seen.find("the parent's 499\n", first + 1) == std::string::npos);
}
#endif

TEST_CASE("a level of one module holds beside that of all, until all get another") {
  log::set_level(BP_LOG_WARN);
  CHECK_FALSE(log::enabled(BP_LOG_DEBUG));
  CHECK(log::set_level_of("kv", BP_LOG_DEBUG) == BP_LOG_WARN);
  CHECK(log::enabled(BP_LOG_DEBUG));
  CHECK(log::set_level_of("echo", BP_LOG_ERROR) == BP_LOG_WARN);
  CHECK(log::set_level_of("kv", BP_LOG_INFO) == BP_LOG_DEBUG);
  CHECK_FALSE(log::enabled(BP_LOG_DEBUG));
  REQUIRE(log::levels().modules.size() == 2);
  CHECK(log::levels().modules[0].name == "echo");
  log::set_level(BP_LOG_WARN);
  CHECK(log::levels().modules.empty());
  CHECK_FALSE(log::enabled(BP_LOG_INFO));
}

TEST_CASE("so many modules may have a level of their own and no more") {
  for (std::size_t i = 0; i < log::most_module_levels; ++i) REQUIRE(log::set_level_of("m" + std::to_string(i), 1) >= 0);
  CHECK(log::set_level_of("one_more", 1) == -1);
  CHECK(log::set_level_of("m0", 2) == 1);
  log::set_level(BP_LOG_WARN);
}
