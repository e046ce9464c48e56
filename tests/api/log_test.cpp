// SPDX-License-Identifier: Apache-2.0
//
// The functions of log.h, for an application that embeds the host.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.hpp"

using namespace host_test;

namespace {

/// A pipe in the place of stderr while it exists.
class StderrPipe {
 public:
  StderrPipe() : before_(::dup(STDERR_FILENO)) {
    REQUIRE(::pipe2(ends_, O_CLOEXEC) == 0);
    REQUIRE(::fcntl(ends_[1], F_SETPIPE_SZ, 4096) == 4096);
    ::dup2(ends_[1], STDERR_FILENO);
  }
  StderrPipe(const StderrPipe&) = delete;
  StderrPipe& operator=(const StderrPipe&) = delete;
  ~StderrPipe() {
    ::close(ends_[0]);  // whoever waits to write gets an error
    ::dup2(before_, STDERR_FILENO);
    ::close(ends_[1]);
    ::close(before_);
    bp_log_flush(20'000);
  }
  /// Reads until the text has come; returns all of it.
  const std::string& until(std::string_view part) {
    while (seen_.find(part) == std::string::npos) {
      pollfd fd = {ends_[0], POLLIN, 0};
      REQUIRE(::poll(&fd, 1, 20'000) == 1);
      char some[4096];
      const ssize_t size = ::read(ends_[0], some, sizeof some);
      REQUIRE(size > 0);
      seen_.append(some, static_cast<std::size_t>(size));
    }
    return seen_;
  }

 private:
  const int before_;
  int ends_[2] = {-1, -1};
  std::string seen_;
};

bp_status configure(std::uint32_t format, std::uint32_t lines = 0, std::uint32_t bytes = 0) {
  const bp_log_options options = {
      .struct_size = sizeof options, .format = format, .queue_lines = lines, .queue_bytes = bytes};
  return bp_log_configure(&options);
}

void say(std::int32_t level, std::string_view text, std::uint32_t flags = 0) {
  bp_log_write(level, flags, BP_STR("shop"), str(text));
}

}  // namespace

TEST_CASE("options of the log that are out of bounds are refused") {
  CHECK(bp_log_configure(nullptr) == BP_INVALID_ARGUMENT);
  const bp_log_options none{};
  CHECK(bp_log_configure(&none) == BP_INVALID_ARGUMENT);
  CHECK(configure(2) == BP_INVALID_ARGUMENT);
  CHECK(configure(BP_LOG_FORMAT_HUMAN, (1u << 24) + 1) == BP_INVALID_ARGUMENT);
  CHECK(configure(BP_LOG_FORMAT_HUMAN, 1, 65'535) == BP_INVALID_ARGUMENT);
  CHECK(configure(BP_LOG_FORMAT_HUMAN, 1, (1u << 30) + 1) == BP_INVALID_ARGUMENT);
  CHECK(configure(BP_LOG_FORMAT_JSON, 1u << 24, 65'536) == BP_OK);
  CHECK(configure(BP_LOG_FORMAT_HUMAN) == BP_OK);
}

TEST_CASE("an application's lines go where the host's go, by their level") {
  StderrPipe pipe;
  bp_log_level(BP_LOG_WARN);
  say(BP_LOG_INFO, "quiet");
  say(BP_LOG_INFO, "always", BP_LOG_ALWAYS);
  say(BP_LOG_WARN, "unknown flag", 2);
  say(BP_LOG_OFF, "no level");
  say(BP_LOG_ERROR, "loud");
  const std::string seen = pipe.until("loud\n");
  CHECK(seen.find(" error shop: loud\n") != std::string::npos);
  CHECK(seen.find(" info shop: always\n") != std::string::npos);
  for (const char* dropped : {"quiet", "unknown flag", "no level"}) CHECK(seen.find(dropped) == std::string::npos);
  CHECK(configure(BP_LOG_FORMAT_JSON) == BP_OK);
  say(BP_LOG_ERROR, "in JSON");
  CHECK(pipe.until("in JSON").find("\"level\":\"error\",\"room\":\"shop\",\"message\":\"in JSON") != std::string::npos);
  CHECK(configure(BP_LOG_FORMAT_HUMAN) == BP_OK);
}

TEST_CASE("a process whose stderr nobody reads logs on, flushes in bounds and exits in bounds") {
  const pid_t child = ::fork();
  if (child == 0) {
    int ends[2];
    if (::pipe(ends) != 0 || ::fcntl(ends[1], F_SETPIPE_SZ, 4096) != 4096) ::_exit(1);
    ::dup2(ends[1], STDERR_FILENO);
    for (int i = 0; i < 20'000; ++i) say(BP_LOG_ERROR, "line " + std::to_string(i));
    ::exit(bp_log_flush(10) == BP_TIMEOUT ? 7 : 1);
  }
  int status = 0;
  const Clock::time_point until = Clock::now() + long_enough;
  while (::waitpid(child, &status, WNOHANG) != child) {
    if (Clock::now() > until) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("the levels of the log are shown and changed through any handle of this process") {
  const bp_context host = bp_host_context();
  bp_context context{};
  REQUIRE(bp_context_create(nullptr, &context, nullptr) == BP_OK);
  for (const bp_context handle : {host, context}) {
    bp_log_level(BP_LOG_WARN);
    Result change;
    CHECK(bp_log_set(handle, BP_STR("kv"), BP_LOG_DEBUG, &change) == BP_OK);
    CHECK(change.text().find("was\144warn") != std::string::npos);
    Result report;
    CHECK(bp_log_set(handle, {nullptr, 0}, BP_LOG_KEEP, &report) == BP_OK);
    CHECK(report.text().find("level\144warn") != std::string::npos);
    CHECK(report.text().find("module\142kv\145level\145debug") != std::string::npos);
    Result bad;
    CHECK(bp_log_set(handle, {nullptr, 0}, 6, &bad) == BP_INVALID_ARGUMENT);
    CHECK(bad.says("found the log level 6"));
    Result name;
    CHECK(bp_log_set(handle, BP_STR("No-Module"), BP_LOG_INFO, &name) == BP_INVALID_ARGUMENT);
    CHECK(name.says("[a-z_][a-z0-9_]*"));
    CHECK(bp_log_set(handle, {nullptr, 0}, BP_LOG_INFO, nullptr) == BP_INVALID_ARGUMENT);
  }
  bp_log_level(BP_LOG_WARN);
  CHECK(bp_context_destroy(context) == BP_OK);
  Result stale;
  CHECK(bp_log_set(context, {nullptr, 0}, BP_LOG_KEEP, &stale) == BP_INVALID_HANDLE);
}
