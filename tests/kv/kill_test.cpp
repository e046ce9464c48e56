// SPDX-License-Identifier: Apache-2.0
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "store.hpp"
#include "temp_dir.hpp"

extern char** environ;

namespace {

/// kv_writer in a process of its own, its acknowledgements in a pipe.
class Writer {
 public:
  Writer(const std::filesystem::path& file, std::string prefix) : prefix_(std::move(prefix)) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    std::string program = BP_TEST_BUILD_DIR "/tests/bin/kv_writer";
    std::string path = file.string();
    char* arguments[] = {program.data(), path.data(), prefix_.data(), nullptr};
    REQUIRE(posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    acknowledged_ = ends[0];
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    if (pid_ > 0) kill_now();
    close(acknowledged_);
  }

  void kill_now() {
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    killed_ = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
  bool killed() const { return killed_; }

  /// Waits for one acknowledgement. False at the end.
  bool next(std::uint64_t& number) const { return read(acknowledged_, &number, sizeof number) == sizeof number; }
  std::string key(std::uint64_t number) const { return prefix_ + std::to_string(number); }

 private:
  std::string prefix_;
  pid_t pid_ = 0;
  int acknowledged_ = -1;
  bool killed_ = false;
};

/// How many of the writer's keys are there, from 0 on. Each of them must have its whole value.
std::uint64_t found(backplane::kv::Store& store, const Writer& writer) {
  for (std::uint64_t i = 0;; ++i) {
    const std::string key = writer.key(i);
    const auto value = store.get(key);
    if (!value) return i;
    const std::string expected = key + key + key;
    REQUIRE(std::string(value->begin(), value->end()) == expected);
  }
}

}  // namespace

TEST_CASE("a put that was acknowledged is there after kill -9") {
  const TempDir dir;
  const auto file = dir / "kv.sqlite3";
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> wait_us(0, 20'000);

  for (int round = 0; round < 8; ++round) {
    Writer writer(file, std::to_string(round) + "-");
    std::uint64_t last = 0;
    REQUIRE(writer.next(last));  // it runs
    std::this_thread::sleep_for(std::chrono::microseconds(wait_us(random)));
    writer.kill_now();
    REQUIRE(writer.killed());
    while (writer.next(last)) {
    }
    CAPTURE(round, last);
    backplane::kv::Store store(file);
    const std::uint64_t there = found(store, writer);
    CHECK(there >= last + 1);
    // At most the one put that was under way can be there without having been acknowledged.
    CHECK(there <= last + 2);
  }
}

TEST_CASE("writers in several processes lose nothing to each other, also when one of them is killed") {
  const TempDir dir;
  const auto file = dir / "kv.sqlite3";
  Writer one(file, "one-");
  Writer two(file, "two-");
  std::uint64_t of_one = 0;
  std::uint64_t of_two = 0;
  for (int i = 0; i < 20; ++i) REQUIRE(one.next(of_one));
  one.kill_now();
  while (one.next(of_one)) {
  }
  for (int i = 0; i < 20; ++i) REQUIRE(two.next(of_two));
  two.kill_now();
  while (two.next(of_two)) {
  }
  backplane::kv::Store store(file);
  CHECK(found(store, one) >= of_one + 1);
  CHECK(found(store, two) >= of_two + 1);
}
