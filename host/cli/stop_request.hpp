// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>

#include "cli/wait.hpp"

namespace backplane::host::cli {

/// Whether SIGINT, SIGTERM, the loss of the terminal (SIGHUP) or a peer has asked `run` to end. A SIGHUP for another
/// reason asks it to read its configuration file again.
class StopRequest {
 public:
  /// A signal so soon after the request belongs to it: some supervisors send one to the process and one to its group.
  static constexpr std::chrono::milliseconds same_request{200};
  /// After a signal during the start, the start has so long to come to its end.
  static constexpr std::chrono::milliseconds longest_start{5000};

  /// Handles the ending signals; once in a process. The first signal makes the request, a later one ends the process at
  /// once with `exit_code`. The signals are not blocked: programs that modules start would inherit that, and could not
  /// be ended.
  ///
  /// Before begin(), the first signal ends the process at once with 0, since there is nothing to end in order.
  static std::shared_ptr<StopRequest> from_signals(int exit_code);

  /// From now on there is something to end. If a start takes longer than longest_start after a signal, the process ends
  /// with 1: a module does not return.
  void begin() noexcept;
  /// The start is over, or has been given up: the caller ends everything in bounds.
  void started() noexcept { phase_.store(Phase::started); }

  void ask() noexcept;  ///< any thread
  bool asked() const noexcept { return asked_at_.load() != 0; }
  /// Why, for people: "SIGTERM", or that a peer has asked.
  std::string reason() const;
  /// Blocks until ask() has been called, or SIGHUP has come and the terminal is still there: then it returns false, and
  /// the configuration file is to be read again.
  bool wait();

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase { reading, starting, started, leaving };

  [[noreturn]] void watch(int exit_code);
  static int wait_for_signal(int timeout_ms);
  Clock::duration since() const noexcept { return Clock::now().time_since_epoch() - Clock::duration(asked_at_.load()); }

  std::atomic<Clock::rep> asked_at_{0};  // 0: not yet
  std::atomic<int> signal_{0};           // 0: a peer
  std::atomic<Phase> phase_{Phase::reading};
  std::atomic<bool> read_again_{false};
  Bell bell_;
};

}  // namespace backplane::host::cli
