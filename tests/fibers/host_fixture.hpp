// SPDX-License-Identifier: Apache-2.0
//
// A context with both fiber modules in it, and what the rows need of an application: a host function that answers
// when the test says so, a pipe they can write to, the host's log.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "../api/fixture.hpp"
#include "../api/status_counts.hpp"
#include "temp_dir.hpp"

namespace fiber_test {

using host_test::Context;
using host_test::eventually;
using host_test::Replies;
using host_test::Result;
using host_test::Seen;
using host_test::StatusCounts;

/// What fibers write to, since it outlives their handler.
class Pipe {
 public:
  Pipe() { REQUIRE(::pipe2(ends_, O_CLOEXEC | O_NONBLOCK) == 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  /// All that has come so far.
  const std::string& text() {
    char some[64];
    for (ssize_t n = 0; (n = ::read(ends_[0], some, sizeof some)) > 0;) text_.append(some, static_cast<std::size_t>(n));
    return text_;
  }
  /// For a row's payload.
  std::string number() const { return std::to_string(ends_[1]); }

 private:
  int ends_[2] = {-1, -1};
  std::string text_;
};

/// The host function app.wait, which answers "answered" when it is told to.
class Application {
 public:
  explicit Application(const Context& context) : context_(context.native) {
    REQUIRE(bp_function_set(context_, BP_STR("app.wait"), on_call, this) == BP_OK);
  }
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;
  ~Application() { CHECK(bp_function_set(context_, BP_STR("app.wait"), nullptr, nullptr) == BP_OK); }

  /// Waits until it has been called so often; whether it has.
  bool wait_called(std::size_t times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, host_test::long_enough, [&] { return called_ >= times; });
  }
  std::size_t called() {
    const std::lock_guard lock(mutex_);
    return called_;
  }
  /// Answers all that wait.
  void answer() {
    std::vector<bp_token> tokens;
    {
      const std::lock_guard lock(mutex_);
      tokens.swap(tokens_);
    }
    const bp_answer answer = host_test::answer_of(BP_OK, "answered");
    for (const bp_token token : tokens) bp_complete(context_, token, &answer);
  }

 private:
  static void on_call(void* user, bp_context, bp_token token, bp_str, bp_bytes) {
    auto& self = *static_cast<Application*>(user);
    const std::lock_guard lock(self.mutex_);
    ++self.called_;
    self.tokens_.push_back(token);
    self.changed_.notify_all();
  }

  bp_context context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t called_ = 0;
  std::vector<bp_token> tokens_;
};

/// What is written to stderr, the host's log among it, as long as this lives.
class Log {
 public:
  Log() : kept_(::dup(STDERR_FILENO)) {
    const int file = ::open((dir_ / "log").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(file >= 0);
    REQUIRE(::dup2(file, STDERR_FILENO) == STDERR_FILENO);
    ::close(file);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() {
    ::dup2(kept_, STDERR_FILENO);
    ::close(kept_);
  }
  /// How many of the lines so far contain all of `parts`.
  std::size_t lines_with(const std::vector<std::string>& parts) const {
    std::ifstream file(dir_ / "log");
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) {
      count += std::all_of(parts.begin(), parts.end(),
                           [&](const std::string& part) { return line.find(part) != std::string::npos; });
    }
    return count;
  }

 private:
  const TempDir dir_;
  int kept_;
};

inline const std::vector<std::string> both = {"fiber_c", "fiber_cpp"};

inline bp_context_options with_fiber_limit(std::int32_t limit) {
  bp_context_options options = host_test::no_options();
  options.fiber_limit = limit;
  return options;
}

class HostFixture {
 public:
  explicit HostFixture(std::int32_t fiber_limit = 0)
      : context(with_fiber_limit(fiber_limit)), c_(context, "fiber_c"), cpp_(context, "fiber_cpp") {}

  std::uint64_t count(const std::string& what) const { return StatusCounts(context.native).sum("fibers." + what); }

  /// The row passes its own checks in each of these modules, and leaves nothing.
  void ok(const std::string& row, const std::string& payload = {},
          const std::vector<std::string>& modules = both) const {
    for (const std::string& module : modules) {
      CAPTURE(module, row);
      const std::uint64_t swallowed = count("swallowed");
      CHECK(context.call(module + "." + row, payload) == "ok:ok");
      CHECK(count("alive") == 0);
      CHECK(count("swallowed") == swallowed);
    }
  }

  const Context context;

 private:
  host_test::Loaded c_;
  host_test::Loaded cpp_;
};

inline const std::vector<std::string> only_c = {"fiber_c"};
inline const std::vector<std::string> only_cpp = {"fiber_cpp"};

}  // namespace fiber_test
