// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/unique_fd.hpp"

namespace backplane::host {

/// A program that runs in a process of its own, of which the application notices nothing.
///
/// A child sends SIGCHLD at its end, and wait(-1) returns it, so it would disturb an application with children of its
/// own. execve() sets this signal even for a child that was made without one. So a small process in between waits for
/// the program. That process shares the memory of this one, runs nothing but a few system calls, executes no program,
/// and sends no signal at its end. It is found by its pidfd alone.
///
/// The program gets no descriptor of this process, no ignored or blocked signals, a session of its own, and no core
/// file. It is killed if this process ends, and all of its process group is killed at its end.
class QuietChild {
 public:
  struct Program {
    int file = -1;                       ///< an open descriptor of the executable, perhaps O_PATH
    std::vector<std::string> arguments;  ///< the first is its name
    int input = -1;                      ///< its descriptor 0; -1: /dev/null
    /// Gets what it writes to descriptor 3, at once; may be empty.
    std::function<void(std::string_view)> on_output = {};
  };
  /// How it ended: the code of exit(), or the signal.
  struct Ended {
    int code = 0;
    int signal = 0;
    bool in_time = true;    ///< false: killed after the timeout
    bool canceled = false;  ///< killed because `canceled` said so
    std::string output;     ///< what it wrote to descriptor 3; the first part only
    std::string errors;     ///< what it wrote to stderr; the first part only
  };

  /// Opens an executable. It stays the same when a new version of the file is installed. Without a descriptor, errno
  /// says why.
  static UniqueFd open(const std::string& path) noexcept;

  /// Runs the program until it ends. Descriptor 1 is /dev/null. Throws std::system_error if it cannot be started.
  /// `canceled` is asked now and then. Any thread; the thread must not end meanwhile. It takes a second more than
  /// `timeout` at most, also if somebody has stopped one of the two processes.
  static Ended run(const Program& program, std::chrono::milliseconds timeout, const std::function<bool()>& canceled);

  /// Starts the program. Throws std::system_error if there is no process for it. One that cannot be executed ends at
  /// once. Only the thread that made this uses it, or one that follows it, and that thread must not end before it.
  explicit QuietChild(const Program& program);
  QuietChild(const QuietChild&) = delete;
  QuietChild& operator=(const QuietChild&) = delete;
  /// Kills it.
  ~QuietChild();

  /// Waits until it has written something, or has ended, but not longer than so many milliseconds. Returns whether it
  /// has ended.
  bool wait(int most_ms);
  /// From now on, wait() kills it; and what stands between, if that does not end within a second.
  void kill() noexcept;
  /// What it has written since the last of these calls.
  std::string take_errors();
  /// After wait() was true. Throws std::system_error if it could not be executed.
  Ended ended();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace backplane::host
