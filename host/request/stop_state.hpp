// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "request/task_inbox.hpp"
#include "sync/clock.hpp"
#include "sync/latch.hpp"

namespace backplane::host {

/// How far the stop of a request loop has come.
///
///     open ─► draining ─► ending_instances ─► ended ─► settling ─► settled
///                 └─► canceling ──┘ (and back)
///
/// From ended, settling or settled it goes back to open, for another life of the context, or on to finished.
enum class Phase : std::uint8_t {
  open,              ///< takes calls
  draining,          ///< refuses calls; those it has run to their end
  canceling,         ///< no request begins until the request thread has canceled all; then ending_instances
  ending_instances,  ///< as draining; once nothing is open, all instances end
  ended,             ///< no instance is left, and none is made
  settling,          ///< the owner posts no more, and waits until the request thread has done what is left
  settled,           ///< it has
  finished,          ///< run() returns
};

/// The phase, and the latches on which the owner of the loop waits for the request thread. The owner calls one
/// function after another, from any thread; close() and finish() may come at any time.
class StopState {
 public:
  using Milliseconds = std::chrono::milliseconds;

  /// `spin`: how long the owner looks at a latch before it sleeps on it.
  StopState(TaskInbox& inbox, Nanos spin) noexcept : inbox_(inbox), spin_(spin) {}
  StopState(const StopState&) = delete;
  StopState& operator=(const StopState&) = delete;

  // ---- Any thread ----
  Phase phase() const noexcept { return phase_.load(std::memory_order_acquire); }
  /// Whether requests may begin to run. Asked for each request.
  bool may_begin() const noexcept { return phase_.load(std::memory_order_relaxed) != Phase::canceling; }
  void close() noexcept { advance(Phase::open, Phase::draining); }

  // ---- The owner ----
  void end_when_idle() noexcept {
    if (advance(Phase::draining, Phase::ending_instances)) wake();
  }
  bool wait_until_idle(Milliseconds timeout) {
    if (phase() == Phase::draining && !idle_.is_open()) wake();
    return idle_.wait(timeout, spin_);
  }
  /// The request thread then calls begin_cancel(): the caller sends it a task that does.
  void cancel_all() noexcept {
    if (!advance(Phase::draining, Phase::canceling)) advance(Phase::ending_instances, Phase::canceling);
  }
  bool wait_for_instances(Milliseconds timeout) {
    end_when_idle();
    return instances_gone_.wait(timeout, spin_);
  }
  bool settle(Milliseconds timeout) {
    inbox_.wait_for_senders();
    if (!inbox_.unsettled()) return true;
    advance(Phase::ended, Phase::settling);
    if (!settled_.is_open()) wake();
    return settled_.wait(timeout, spin_);
  }
  void finish() noexcept {
    phase_.store(Phase::finished, std::memory_order_release);
    wake();
  }
  /// After settle(): for another life.
  void reopen() noexcept {
    for (Latch* const latch : {&idle_, &instances_gone_, &settled_}) latch->close();
    phase_.store(Phase::open, std::memory_order_release);
  }

  // ---- The request thread ----
  /// Nothing is open, and nothing will be.
  void idle() noexcept { idle_.open(); }
  /// False: there is nothing to cancel.
  bool begin_cancel() noexcept { return advance(Phase::canceling, Phase::ending_instances); }
  /// No instance is made from now on.
  void instances_end() noexcept {
    if (!advance(Phase::ending_instances, Phase::ended)) advance(Phase::canceling, Phase::ended);
  }
  void instances_gone() noexcept { instances_gone_.open(); }
  /// Nothing is left to do. Once: the owner may reopen as soon as it knows.
  void all_done() noexcept {
    if (advance(Phase::settling, Phase::settled)) settled_.open();
  }

 private:
  bool advance(Phase from, Phase to) noexcept {
    return phase_.compare_exchange_strong(from, to, std::memory_order_acq_rel, std::memory_order_acquire);
  }
  void wake() noexcept { inbox_.send(look_); }

  // Looked at by every call, and seldom written.
  alignas(64) std::atomic<Phase> phase_{Phase::open};
  TaskInbox& inbox_;
  const Nanos spin_;
  Latch idle_;
  Latch instances_gone_;
  Latch settled_;
  // Makes the request thread take a turn. Each turn looks at the phase.
  ReusableTask look_{[](void*) {}, nullptr};
};

}  // namespace backplane::host
