// SPDX-License-Identifier: Apache-2.0
//
// What the operations do on the control threads, and how they are canceled, looked up and reported.
#include "context/module_operations.hpp"

#include <algorithm>
#include <backplane/cbor/reader.hpp>
#include <new>
#include <utility>
#include <vector>

#include "context/operation_news.hpp"
#include "modules/old_first.hpp"
#include "modules/reports.hpp"
#include "support/log.hpp"
#include "support/report.hpp"
#include "support/result.hpp"
#include "support/status_name.hpp"

namespace backplane::host {
namespace {

constexpr std::size_t most_running = 4096;
// Those that have ended: a client may still ask for the answer. Their reports may be large.
constexpr std::size_t most_ended = 1024;
constexpr std::size_t most_ended_bytes = std::size_t{8} << 20;
constexpr std::size_t least_ended = 16;
constexpr std::size_t most_reported = 16;

std::size_t bytes_of(const Operation& operation) {
  const OperationOutcome* const outcome = operation.outcome();
  if (outcome == nullptr) return 0;
  std::size_t bytes = outcome->payload.size() + outcome->detail.size() + outcome->message.size();
  for (const Loader::Changed& each : operation.changed()) bytes += each.report.size() + sizeof each;
  return bytes;
}

using State = Operation::State;

const char* name_of(State state) noexcept {
  switch (state) {
    case State::waiting:
      return "waiting";
    case State::running:
      return "running";
    case State::draining:
      return "draining";
    case State::undoing:
      return "undoing";
    case State::ended:
      break;
  }
  return "ended";
}

// The text is short, so that it needs no memory.
OperationOutcome without_memory() noexcept { return {BP_OUT_OF_MEMORY, "no memory", {}, {}}; }

bp_status tell(bp_result& result, const OperationOutcome& outcome) {
  return set_result(&result, outcome.status, outcome.payload, outcome.message, outcome.detail);
}

}  // namespace

void ModuleOperations::check_dynamic_loader() const {
  const std::string holder = control_.holder_of_dynamic_loader();
  if (holder.empty()) return;
  throw Failure{BP_OVERLOADED, holder +
                                   " have not returned, and keep the dynamic loader of this process locked. So no "
                                   "module can be loaded, unloaded or reloaded; restart the host"};
}

std::shared_ptr<Operation> ModuleOperations::begin(OperationRequest request) {
  check_dynamic_loader();
  const MutexLock lock(mutex_);
  if (running_.size() >= most_running) {
    throw Failure{BP_OVERLOADED, std::to_string(most_running) + " module operations wait, the limit; wait for some"};
  }
  const std::uint64_t id = last_id_ + 1;
  const auto operation =
      std::make_shared<Operation>(id, std::move(request), [this](Operation& self) { execute(self); });
  operation->then([this, id] {
    if (const std::shared_ptr<Operation> ended = find(id)) tell_end(*ended);
    keep_as_ended(id);
  });
  running_.emplace(id, operation);
  last_id_ = id;
  operation->hold();
  control_.post_operation(*operation);
  return operation;
}

// Without memory, nobody is told.
void ModuleOperations::tell_end(const Operation& operation) const noexcept try {
  const OperationOutcome* const outcome = operation.outcome();
  if (outcome == nullptr) return;
  const auto until = Loader::count_until();
  const auto report = [this, until](const Loader::Changed& each) { return report_of(each, until); };
  for (const OperationNews& each : news_of(operation, *outcome, report)) {
    each.log();
    emit_(each.event(), each.payload());
  }
} catch (const std::bad_alloc&) {
}

void ModuleOperations::keep_as_ended(std::uint64_t id) noexcept {
  std::shared_ptr<Operation> forgotten;  // freed without the lock
  const MutexLock lock(mutex_);
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  try {
    ended_.push_back(found->second);
    ended_bytes_ += bytes_of(*found->second);
  } catch (const std::bad_alloc&) {
    forgotten = found->second;  // a later wait does not find it
  }
  running_.erase(found);
  while (ended_.size() > most_ended || (ended_.size() > least_ended && ended_bytes_ > most_ended_bytes)) {
    ended_bytes_ -= bytes_of(*ended_.front());
    forgotten = std::move(ended_.front());
    ended_.pop_front();
  }
}

std::shared_ptr<Operation> ModuleOperations::find(std::uint64_t id) const {
  const MutexLock lock(mutex_);
  if (const auto found = running_.find(id); found != running_.end()) return found->second;
  for (const auto& operation : ended_) {
    if (operation->id() == id) return operation;
  }
  return nullptr;
}

// Control thread.
void ModuleOperations::execute(Operation& operation) noexcept try {
  check_dynamic_loader();  // it may have been locked while this waited
  const OperationRequest& request = operation.request();
  const LoadRequest load{request.path,     request.config, &operation.canceled(),
                         request.settings, request.strict, request.compare};
  if (request.kind == BP_OPERATION_CHANGE) return change(operation);
  if (request.kind == BP_OPERATION_UNLOAD) return unload(operation);
  if (request.kind == BP_OPERATION_LOAD) return operation.end({BP_OK, {}, loader_.load(load), {}});
  Loader::Reload reload(loader_, request.module, load);
  if (request.compare) return operation.end({BP_OK, {}, std::move(reload.file.compared), {}});
  if (request.old_first || reload.asks_old_first()) return reload_old_first(operation, std::move(reload));
  if (request.drain_ms != 0) {
    throw Failure{BP_INVALID_ARGUMENT,
                  "found a bound of the drain (--drain, drain_ms), but this is a reload that does not wait for the end "
                  "of the old generation; nothing has changed. Leave it out, or end the old generation first "
                  "(--old-first, BP_LOAD_OLD_FIRST)"};
  }
  Loader::Swap swap = loader_.reload(std::move(reload));
  operation.drain(swap.old, swap.report);
  swap.old.retirement->then([this, self = operation.shared_from_this(), ending = swap.old, report = swap.report] {
    finish_reload(*self, ending, report);
  });
} catch (Loader::Refusal& refusal) {
  const std::shared_ptr<Retirement> retirement = std::move(refusal.ending.retirement);
  operation.undo(outcome_of(operation, refusal));
  const auto end = [&operation] { operation.end_if_undone(Operation::Clock::time_point::max()); };
  try {
    retirement->then([self = operation.shared_from_this(), end] { end(); });
  } catch (const std::bad_alloc&) {
    end();
  }
} catch (Failure& failure) {
  operation.end(outcome_of(operation, failure));
} catch (const std::bad_alloc&) {
  operation.end(without_memory());
} catch (const std::exception&) {
  operation.end({BP_ERROR, {}, {}, {}});
}

// The loader does not know who has canceled it.
OperationOutcome ModuleOperations::outcome_of(const Operation& operation, Failure& failure) {
  if (failure.status == BP_CANCELED) return canceled_outcome(operation);
  return {failure.status, std::move(failure.message), {}, std::move(failure.detail)};
}

void ModuleOperations::unload(Operation& operation) {
  const Loader::Ending ending = loader_.begin_unload(operation.request().module);
  operation.drain(ending, {});
  ending.retirement->then([this, self = operation.shared_from_this(), ending] { finish_unload(*self, ending); });
  if (operation.canceled()) cancel(operation, {});
}

OperationOutcome ModuleOperations::pinned(const Loader::Ending& ending, std::vector<std::uint8_t> report) const {
  return {BP_PINNED,
          "the names of the module \"" + ending.module +
              "\" are removed, but its object is still mapped; the detail has the reasons",
          {},
          std::move(report)};
}

// Control thread.
void ModuleOperations::finish_unload(Operation& operation, const Loader::Ending& ending) try {
  std::vector<std::uint8_t> report;
  if (loader_.report_ending(ending, report)) return operation.end({BP_OK, {}, std::move(report), {}});
  operation.end(pinned(ending, std::move(report)));
} catch (Failure& failure) {
  operation.end({failure.status, std::move(failure.message), {}, {}});
} catch (const std::bad_alloc&) {
  operation.end(without_memory());
}

// Control thread.
void ModuleOperations::finish_reload(Operation& operation, const Loader::Ending& ending,
                                     const std::vector<std::uint8_t>& report) try {
  std::vector<std::uint8_t> old;
  loader_.report_ending(ending, old);
  operation.end({BP_OK, {}, reload_report(report, old), {}});
} catch (const std::bad_alloc&) {
  operation.end(without_memory());
}

// Needs no memory for an operation that has ended: what is done must be told.
bp_status ModuleOperations::look(Operation& operation, bp_result& result) {
  operation.end_if_undone(Operation::Clock::now());
  const OperationOutcome* const outcome = operation.outcome();
  if (outcome == nullptr) return tell(result, interim(operation));
  if (operation.request().kind == BP_OPERATION_UNLOAD) loader_.note_told(operation.drained());
  for (const Loader::Changed& each : operation.changed()) {
    if (each.old.retirement != nullptr && each.report.empty()) loader_.note_told(each.old);
  }
  return tell(result, *outcome);
}

OperationOutcome ModuleOperations::interim(Operation& operation) {
  if (const auto draining = operation.draining(); draining && !draining->held) {
    if (!draining->changed.empty()) return {BP_OK, {}, change_report(draining->changed), {}};
    std::vector<std::uint8_t> old;
    const bool gone = loader_.report_ending(draining->ending, old);
    if (!draining->committed.empty()) return {BP_OK, {}, reload_report(draining->committed, old), {}};
    if (gone) return {BP_OK, {}, std::move(old), {}};
    return pinned(draining->ending, std::move(old));
  }
  const State state = operation.state();
  std::string where;
  if (state == State::running) {
    where = ", for its instances";
    for (const Control::Call& call : control_.calls()) {
      if (!call.overdue) where = ", in " + call.what;
    }
  }
  if (state == State::waiting) where = for_turn_of();
  if (state == State::draining) where = ": new calls wait until the old generation has ended";
  return {BP_TIMEOUT,
          name_of(operation) + " is still " + name_of(operation.state()) + where + "; it goes on, and status lists it",
          {},
          {}};
}

// The operation that has the turn.
std::string ModuleOperations::for_turn_of() const {
  const MutexLock lock(mutex_);
  for (const auto& [id, each] : running_) {
    if (each->state() == State::running) {
      return " for its turn, after " + name_of(*each) + ": backplane cancel " + std::to_string(id) + " ends that one";
    }
  }
  return {};
}

std::string ModuleOperations::cancel(Operation& operation, std::string requester) {
  const std::string which = name_of(operation) + " ";
  switch (operation.cancel(std::move(requester))) {
    case State::waiting:
      return which + "was canceled before its turn; nothing has changed";
    case State::running:
      return which + "is being undone, unless it has just been committed";
    case State::undoing:
      return which + "is being undone already";
    case State::ended:
      throw Failure{BP_INVALID_HANDLE, which + "has ended"};
    case State::draining:
      break;
  }
  const auto draining = operation.draining();
  if (!draining) return which + "has just ended";
  if (draining->is_committed()) {
    operation.end(interim(operation));
    return which + (draining->changed.empty()
                        ? "is committed: the new generation runs, and the old one goes on draining"
                        : "is committed, and the old generations go on draining");
  }
  if (const std::string why = loader_.why_not_undone(draining->ending); !why.empty()) {
    if (draining->held) return which + "is being undone: " + why + ", so the old file is loaded again";
    return which + "cannot be undone any more: " + why;
  }
  undo_draining(operation, *draining);
  if (draining->held) return which + "is being undone: the old generation goes on";
  return which + "is being undone: the module gets its names back";
}

// Without memory on the control thread, the operation goes on.
void ModuleOperations::undo_draining(const Operation& operation, const Operation::Draining& draining) {
  const std::string module = "the module \"" + draining.ending.module + "\"";
  const std::string state =
      draining.held ? "the old generation of " + module + " goes on" : "the names of " + module + " answer again";
  control_.prepare([this, ending = draining.ending, held = draining.held, end = canceled_outcome(operation, state)] {
    end_undone(ending, end, held);
  })();
}

// Control thread. All operations that wait for the same end are answered.
void ModuleOperations::end_undone(const Loader::Ending& ending, const OperationOutcome& outcome, bool held) noexcept
    try {
  std::vector<std::shared_ptr<Operation>> waiting;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, each] : running_) waiting.push_back(each);
  }
  if (!loader_.undo_unload(ending).empty()) return;  // it is over
  for (const auto& each : waiting) {
    if (!each->drains(*ending.retirement)) continue;
    if (held || each->request().kind == BP_OPERATION_UNLOAD) each->end(outcome);
  }
} catch (const std::bad_alloc&) {
}

void ModuleOperations::cancel_all(std::chrono::milliseconds timeout) {
  Loader::OldFirst::give_up_hanging(loader_);
  std::vector<std::shared_ptr<Operation>> all;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, each] : running_) all.push_back(each);
  }
  for (const auto& each : all) {
    const auto draining = each->draining();
    if (draining && !draining->held) {
      each->end(interim(*each));
    } else if (draining) {  // the calls that wait are answered by the old generation
      control_.prepare(
          [this, ending = draining->ending,
           end = OperationOutcome{BP_CANCELED,
                                  name_of(*each) + " was canceled by the host, which stops; the old generation goes on",
                                  {},
                                  {}}] { undo_old_first(ending, end); })();
    } else {
      each->cancel("the host, which stops");
    }
  }
  const std::vector<Control::Call> stuck = control_.wait_for_calls(timeout);
  if (stuck.empty()) return;
  std::string names;
  for (const Control::Call& call : stuck) {
    names += (names.empty() ? "" : "; ") + call.what + " (for " + std::to_string(call.for_time.count()) + " ms)";
  }
  throw Failure{BP_TIMEOUT, "code of a module has not returned: " + names};
}

bool ModuleOperations::any_overdue() const {
  const std::vector<Control::Call> calls = control_.calls();
  return std::any_of(calls.begin(), calls.end(), [](const Control::Call& call) { return call.overdue; });
}

void ModuleOperations::report(cbor::Writer& out) const {
  const std::vector<Control::Call> calls = control_.calls();
  out.text("module_calls");
  out.array(calls.size());
  for (const Control::Call& call : calls) {
    out.map(6);
    field(out, "what", call.what);
    field(out, "module", call.module);
    field(out, "generation", call.generation);
    field(out, "for_ms", static_cast<std::uint64_t>(call.for_time.count()));
    out.text("overdue");
    out.boolean(call.overdue);
    out.text("locks_loader");
    out.boolean(call.in_dynamic_loader);
  }
  std::vector<std::shared_ptr<Operation>> all;
  {
    const MutexLock lock(mutex_);
    const std::size_t shown = std::min(ended_.size(), most_reported);
    all.assign(ended_.end() - static_cast<std::ptrdiff_t>(shown), ended_.end());
    for (const auto& [id, each] : running_) all.push_back(each);
  }
  out.text("operations");
  out.array(all.size());
  for (const auto& each : all) {
    const OperationRequest& request = each->request();
    const OperationOutcome* const outcome = each->outcome();
    out.map(8);
    field(out, "id", each->id());
    field(out, "kind", name_of_kind(request.kind));
    field(out, "module", request.module);
    path_field(out, request.path);
    field(out, "requester", request.requester);
    field(out, "state", outcome != nullptr ? "ended" : name_of(each->state()));
    field(out, "for_ms", static_cast<std::uint64_t>(each->duration().count()));
    field(out, "status", outcome != nullptr ? status_name(outcome->status) : "");
  }
}

}  // namespace backplane::host
