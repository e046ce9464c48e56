// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/cbor/writer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "context/operation.hpp"

namespace backplane::host {

/// The operations of the host: those that go on, and the last that have ended.
class ModuleOperations {
 public:
  /// `emit`: emits a typed event in all contexts.
  ModuleOperations(Control& control, Loader& loader,
                   std::function<void(const char* event, const std::vector<std::uint8_t>& payload)> emit)
      : control_(control), loader_(loader), emit_(std::move(emit)) {}

  // ---- Any thread
  /// Begins an operation. Throws Failure.
  std::shared_ptr<Operation> begin(OperationRequest request);
  /// Null if there is none of this id.
  std::shared_ptr<Operation> find(std::uint64_t id) const;
  /// How it stands, or how it ended, as bp_operation_wait says it.
  bp_status look(Operation& operation, bp_result& result);
  /// Cancels it for `requester`: empty is this process. Returns what follows, for people. Throws Failure if it has
  /// ended.
  std::string cancel(Operation& operation, std::string requester);
  /// Ends all, because the host stops: those that drain are answered as they stand, and the others are canceled. Then
  /// waits for `timeout` until no code of a module runs. Throws Failure if some does not return.
  void cancel_all(std::chrono::milliseconds timeout);
  /// Whether code of a module keeps a control thread for too long.
  bool any_overdue() const;
  /// Writes two fields of the status-report: "operations" and "module_calls".
  void report(cbor::Writer& out) const;

 private:
  void check_dynamic_loader() const;
  OperationOutcome interim(Operation& operation);
  std::string for_turn_of() const;
  void execute(Operation& operation) noexcept;
  void unload(Operation& operation);
  void change(Operation& operation);
  void reload_old_first(Operation& operation, Loader::Reload reload);
  void bound_drain(const std::shared_ptr<Operation>& operation, const Loader::Ending& ending);
  void start_new(Operation& operation, const std::shared_ptr<Loader::OldFirst>& step) noexcept;
  void restore(Operation& operation, Loader::OldFirst& step, bp_status status, const std::string& why) noexcept;
  void tell_late(const Operation& operation, const std::string& path, std::vector<std::uint8_t> report,
                 const std::string& how) const;
  void restore_after(Operation& operation, const std::shared_ptr<Loader::OldFirst>& step,
                     const Loader::Refusal& refusal);
  void post_again(Operation& operation) noexcept;
  void finish_change(Operation& operation) noexcept;
  std::vector<std::uint8_t> change_report(const std::vector<Loader::Changed>& changed) const;
  std::vector<std::uint8_t> report_of(const Loader::Changed& changed,
                                      std::chrono::steady_clock::time_point until) const;
  void finish_unload(Operation& operation, const Loader::Ending& ending);
  void finish_reload(Operation& operation, const Loader::Ending& ending, const std::vector<std::uint8_t>& report);
  static OperationOutcome outcome_of(const Operation& operation, Failure& failure);
  void undo_draining(const Operation& operation, const Operation::Draining& draining);
  void undo_old_first(const Loader::Ending& ending, const OperationOutcome& outcome) noexcept;
  void end_undone(const Loader::Ending& ending, const OperationOutcome& outcome, bool held) noexcept;
  void tell_end(const Operation& operation) const noexcept;
  void keep_as_ended(std::uint64_t id) noexcept;
  OperationOutcome pinned(const Loader::Ending& ending, std::vector<std::uint8_t> report) const;

  Control& control_;
  Loader& loader_;
  const std::function<void(const char* event, const std::vector<std::uint8_t>& payload)> emit_;
  mutable Mutex mutex_;
  std::uint64_t last_id_ BP_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, std::shared_ptr<Operation>> running_ BP_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Operation>> ended_ BP_GUARDED_BY(mutex_);  // oldest first
  std::size_t ended_bytes_ BP_GUARDED_BY(mutex_) = 0;                   // of their reports
};

}  // namespace backplane::host
