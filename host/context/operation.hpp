// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "context/control.hpp"
#include "modules/loader.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// What is asked of an operation.
struct OperationRequest {
  std::uint32_t kind = BP_OPERATION_LOAD;
  std::string module;                      ///< to unload or reload
  std::string path;                        ///< to load; empty in a reload: the old one
  std::vector<std::uint8_t> config;        ///< empty in a reload: the old one
  std::string requester;                   ///< for people; empty: this process
  std::optional<ModuleSettings> settings;  ///< none in a reload: the old ones
  bool old_first = false;                  ///< of a reload: the old generation ends before the new one starts
  bool strict = false;                     ///< of a reload: refuse it if callers may break
  bool compare = false;                    ///< of a reload: only report what it would change
  std::uint32_t drain_ms = 0;              ///< with old_first: how long it may drain; 0: the default
  std::vector<OperationRequest> changes;   ///< of BP_OPERATION_CHANGE; its `module` then names them all
};

/// How an operation ended.
struct OperationOutcome {
  bp_status status = BP_OK;
  std::string message;
  std::vector<std::uint8_t> payload;
  std::vector<std::uint8_t> detail;
};

/// One load, unload or reload, or several together. Any thread may look at it. The thread that runs it changes its
/// state, and cancel().
class Operation final : public ControlJob, public std::enable_shared_from_this<Operation> {
 public:
  using Clock = std::chrono::steady_clock;
  enum class State {
    waiting,   ///< for its turn
    running,   ///< it can still be undone
    draining,  ///< a generation is withdrawn, and has work
    undoing,   ///< refused or canceled; what it has made is about to end
    ended,
  };

  Operation(std::uint64_t id, OperationRequest request, std::function<void(Operation&)> body)
      : id_(id), request_(std::move(request)), body_(std::move(body)) {}

  std::uint64_t id() const noexcept { return id_; }
  const OperationRequest& request() const noexcept { return request_; }
  State state() const;
  /// Null if it has not ended. Else it stays the same while the operation exists.
  const OperationOutcome* outcome() const;
  /// How long it took, or takes.
  std::chrono::milliseconds duration() const;
  /// Waits for the end. Returns false if it has not come before `until`.
  bool wait_until(Clock::time_point until);
  void wait();
  /// Waits until it drains, is being undone, or has ended. A drain during which calls are held does not count.
  void wait_for_drain();
  /// Calls `f` after the end; at once if it has ended. In the order of the calls of then().
  void then(std::function<void()> f);
  /// Whether somebody has asked for its end, as Loader wants it.
  const std::atomic<bool>& canceled() const noexcept { return canceled_; }

  /// Keeps the operation alive until its turn is over. Call it before Control::post_operation().
  void hold() { self_ = shared_from_this(); }

  // ---- The thread that runs it
  /// Begins a turn. Empty if it was canceled while it waited.
  std::function<void(Operation&)> start();
  /// `ending`: of the generation that drains. `committed`: of a reload, the report of the new generation. `held`: new
  /// calls wait until the next generation runs.
  void drain(const Loader::Ending& ending, std::vector<std::uint8_t> committed, bool held = false);
  /// Of several changes, which are made.
  void drain(std::vector<Loader::Changed> changed);
  /// `outcome` is told when what was made has ended; see end_if_undone().
  void undo(OperationOutcome outcome);
  /// Only the first end counts.
  void end(OperationOutcome outcome);
  /// What it does at its next turn, for which it must be posted again, with hold(). Allocates nothing.
  void set_next(std::function<void(Operation&)> body) noexcept;

  // ---- Any thread
  /// Ends an operation in State::undoing, if that takes too long: a request thread hangs.
  void end_if_undone(Clock::time_point now);
  /// Asks for the end, for `requester`: empty is this process. Returns the state in which it was asked.
  State cancel(std::string requester);
  /// Who was the first to ask for it; empty: nobody.
  std::string canceler() const;
  /// The generation that drains or has drained, and the report of a reload's new generation.
  struct Draining {
    Loader::Ending ending;
    std::vector<std::uint8_t> committed;
    std::vector<Loader::Changed> changed;  ///< of BP_OPERATION_CHANGE; then there is no `ending`
    bool held = false;                     ///< see drain()
    bool is_committed() const noexcept { return !committed.empty() || !changed.empty(); }
  };
  /// None if nothing drains now.
  std::optional<Draining> draining() const;
  /// Whether it waits for this end of a generation.
  bool drains(const Retirement& retirement) const noexcept;
  /// The end of the generation that has drained, after the operation has ended; its retirement is null without one.
  const Loader::Ending& drained() const;
  /// What BP_OPERATION_CHANGE has done, after it has ended.
  const std::vector<Loader::Changed>& changed() const;

  void run() override;
  void overdue(const std::string& what) noexcept override;

 private:
  void set_ended() BP_REQUIRES(mutex_);
  void tell();

  const std::uint64_t id_;
  const OperationRequest request_;
  const std::function<void(Operation&)> body_;
  const Clock::time_point began_ = Clock::now();
  std::shared_ptr<Operation> self_;
  std::atomic<bool> canceled_{false};
  mutable Mutex mutex_;
  Condition changed_;
  State state_ BP_GUARDED_BY(mutex_) = State::waiting;
  Draining draining_ BP_GUARDED_BY(mutex_);
  std::function<void(Operation&)> next_ BP_GUARDED_BY(mutex_);
  OperationOutcome outcome_ BP_GUARDED_BY(mutex_);  // from State::undoing on
  Clock::time_point undone_by_ BP_GUARDED_BY(mutex_);
  std::string canceler_ BP_GUARDED_BY(mutex_);
  Clock::time_point ended_ BP_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> then_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
