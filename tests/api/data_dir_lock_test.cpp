// SPDX-License-Identifier: Apache-2.0
//
// The lock of the data directory. Each host is a process of its own, and this one has none.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <string>

#include "fixture.hpp"
#include "temp_dir.hpp"

using namespace host_test;

namespace {

bp_status use(const std::string& dir, Result& why) {
  bp_host_options options{};
  options.struct_size = sizeof options;
  options.data_dir = dir.empty() ? nullptr : dir.c_str();
  return bp_host_configure(&options, &why);
}
bool can_use(const std::string& dir) {
  Result why;
  return use(dir, why) == BP_OK;
}

/// A process that does something, says so, and lives until it is killed.
class Process {
 public:
  explicit Process(const std::function<bool()>& f) {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const char done = f() ? 'y' : 'n';
      [[maybe_unused]] const ssize_t told = ::write(ends[1], &done, 1);
      for (;;) ::pause();
    }
    ::close(ends[1]);
    char done = 0;
    did_ = ::read(ends[0], &done, 1) == 1 && done == 'y';
    ::close(ends[0]);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { end(); }

  bool did() const { return did_; }
  pid_t pid() const { return pid_; }
  void end() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  bool did_ = false;
};

bool another_can_use(const std::string& dir) {
  return Process([&] { return can_use(dir); }).did();
}

}  // namespace

TEST_CASE("a second process on a data directory is refused, and told the first one") {
  const TempDir dir;
  Process first([&] { return can_use(dir / "data"); });
  REQUIRE(first.did());
  const Process second([&] {
    Result why;
    return use(dir / "data", why) == BP_IO && why.says("another host (process " + std::to_string(first.pid()) + ")") &&
           why.says("uses the data directory") && why.says("choose another directory");
  });
  CHECK(second.did());
  CHECK(another_can_use(dir / "other"));
  first.end();
  CHECK(another_can_use(dir / "data"));
}

TEST_CASE("a process that configures its host again may name the same directory, or leave it for another") {
  const TempDir dir;
  std::filesystem::create_directory(dir / "data");
  std::filesystem::create_symlink(dir / "data", dir / "alias");
  const Process same([&] { return can_use(dir / "data") && can_use(dir / "data") && can_use(dir / "alias"); });
  CHECK(same.did());
  CHECK_FALSE(another_can_use(dir / "data"));
  const Process leaving([&] { return can_use(dir / "one") && can_use(dir / "two"); });
  CHECK(leaving.did());
  CHECK(another_can_use(dir / "one"));
  CHECK_FALSE(another_can_use(dir / "two"));
  const Process temporary([&] { return can_use(dir / "three") && can_use(""); });
  CHECK(temporary.did());
  CHECK(another_can_use(dir / "three"));
}

TEST_CASE("a process keeps its data directory, whatever its children do") {
  const TempDir dir;
  int ends[2] = {-1, -1};
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  Process parent([&] {
    bp_context context{};
    if (!can_use(dir / "data") || bp_context_create(nullptr, &context, nullptr) != BP_OK) return false;
    const pid_t ending = ::fork();
    if (ending == 0) ::_exit(0);
    ::waitpid(ending, nullptr, 0);
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;) ::pause();
    }
    return ::write(ends[1], &child, sizeof child) == sizeof child;
  });
  REQUIRE(parent.did());
  pid_t child = 0;
  REQUIRE(::read(ends[0], &child, sizeof child) == sizeof child);
  CHECK_FALSE(another_can_use(dir / "data"));
  parent.end();
  CHECK(another_can_use(dir / "data"));  // although the child lives
  CHECK(::kill(child, SIGKILL) == 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a child that is forked before the host exists shares the directory with its parent") {
  const TempDir dir;
  const Process parent([&] {
    if (!can_use(dir / "data")) return false;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(can_use(dir / "data") ? 0 : 1);
    int status = -1;
    ::waitpid(child, &status, 0);
    return status == 0;
  });
  CHECK(parent.did());
  CHECK_FALSE(another_can_use(dir / "data"));
}
