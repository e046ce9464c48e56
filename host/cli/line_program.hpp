// SPDX-License-Identifier: Apache-2.0
//
// A program that gets lines on its stdin and gives lines on its stdout.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "support/unique_fd.hpp"

namespace backplane::host::cli {

/// For one thread, which polls its descriptors. The program has a process group of its own, so Ctrl-C does not reach
/// it.
class LineProgram {
 public:
  /// `command`: for /bin/sh. start() starts it.
  explicit LineProgram(std::string command) : command_(std::move(command)) {}
  LineProgram(const LineProgram&) = delete;
  LineProgram& operator=(const LineProgram&) = delete;
  ~LineProgram() { end(std::chrono::milliseconds(0)); }

  /// Throws CommandFailure if no process can be made.
  void start();
  bool runs() const noexcept { return pid_ != 0; }
  /// To poll: readable; -1 if it does not run.
  int output() const noexcept { return output_.get(); }
  /// To poll: writable, while wants_room(); -1 if its stdin is closed.
  int input() const noexcept { return input_.get(); }
  bool wants_room() const noexcept { return input_.get() >= 0 && !unsent_.empty(); }

  /// Queues a line, which must end with a line break.
  void add(std::string line) { unsent_.push_back(std::move(line)); }
  /// Writes as much as it takes now. Returns how many more of the queued lines are begun.
  std::size_t write();
  /// Reads what is there. Adds whole lines, without their line breaks. Returns false at the end, or if a line is longer
  /// than `most`; then call end().
  bool read(std::vector<std::string>& lines, std::size_t most);

  void close_input() noexcept { input_.reset(); }
  /// Gives it so long to end by itself, then kills its process group. Returns how it has ended, for people. Of the
  /// queued lines, the one that was begun is dropped.
  std::string end(std::chrono::milliseconds grace) noexcept;

 private:
  const std::string command_;
  pid_t pid_ = 0;
  UniqueFd input_, output_;
  std::deque<std::string> unsent_;
  std::size_t sent_ = 0;  ///< bytes of the first one
  std::string partial_;   ///< of the next line
};

}  // namespace backplane::host::cli
