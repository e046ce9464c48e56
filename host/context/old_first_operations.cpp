// SPDX-License-Identifier: Apache-2.0
//
// Reloads in which the old generation ends before the new one starts. The operation has three turns: it holds the
// module; when the old generation has ended, it starts the new one; and if that is refused, it loads the old file
// again.
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "context/module_operations.hpp"
#include "context/operation_news.hpp"
#include "modules/old_first.hpp"
#include "support/log.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

// How long the old generation may have work. A call that it waits for may be held, where the host cannot see that.
constexpr std::uint32_t default_drain_ms = 5000;
// How long the instances of a refused new generation may take to end before the old file is loaded again.
constexpr std::chrono::seconds instances_bound{5};

}  // namespace

// Control thread.
void ModuleOperations::reload_old_first(Operation& operation, Loader::Reload reload) {
  const auto step = std::make_shared<Loader::OldFirst>(loader_, std::move(reload));
  const auto self = operation.shared_from_this();
  bound_drain(self, step->ending());
  // However the operation ends, no call waits any more. If the module's code hangs, that is before its last turn.
  operation.then(control_.prepare([step] { step->end(); }));
  operation.set_next([this, step](Operation& next) { start_new(next, step); });
  step->ending().retirement->then([this, self] { post_again(*self); });
  operation.drain(step->ending(), {}, true);
  step->hold();
  if (operation.canceled()) cancel(operation, {});
}

// Undoes the reload if the old generation keeps its work for too long, and gives it up if that has ended and its own
// code does not return. Throws std::system_error.
void ModuleOperations::bound_drain(const std::shared_ptr<Operation>& operation, const Loader::Ending& ending) {
  const std::uint32_t wanted = operation->request().drain_ms;
  const std::chrono::milliseconds bound(wanted == 0 ? default_drain_ms : wanted);
  const auto undo = control_.prepare([this, ending, bound] {
    undo_old_first(ending,
                   {BP_LOAD_REFUSED,
                    "the old generation still had work after " + std::to_string(bound.count()) +
                        " ms, so the reload is undone and it goes on. It may wait for a call of the module that "
                        "is held, through a host function of the application",
                    {},
                    {}});
  });
  const auto give_up = control_.prepare([operation, ending] {
    if (!operation->drains(*ending.retirement)) return;
    operation->end({BP_LOAD_REFUSED,
                    "the code with which the old generation of \"" + ending.module +
                        "\" ends has not returned (load_timeout_ms), so nothing is loaded; when it has returned, load "
                        "the module again",
                    {},
                    {}});
  });
  std::thread([retirement = ending.retirement, undo, give_up, bound, longest = control_.timeout()] {
    if (retirement->wait(bound)) return;
    undo();
    if (!retirement->wait(longest)) give_up();
  }).detach();
}

// Control thread. Without memory, it goes on.
void ModuleOperations::undo_old_first(const Loader::Ending& ending, const OperationOutcome& outcome) noexcept {
  end_undone(ending, outcome, true);
}

void ModuleOperations::post_again(Operation& operation) noexcept {
  operation.hold();
  control_.post_operation(operation);
}

// Without memory for the words, the old file is loaded again all the same.
void ModuleOperations::restore(Operation& operation, Loader::OldFirst& step, bp_status status,
                               const std::string& why) noexcept try {
  Loader::OldFirst::Restored done = step.restore();
  const bool late = operation.outcome() != nullptr;  // code of a file hung, and who waited has been answered
  if (!late) {
    const bool canceled = status == BP_CANCELED;
    const std::string what = canceled ? name_of(operation) + " was canceled by " + operation.canceler() : why;
    return operation.end({status, what + done.words, {}, {}});
  }
  const std::string how = "the code for which its reload hung has returned" + done.words;
  if (done.wanted) return tell_late(operation, done.path, std::move(done.report), how);
  log::info("modules", words_of(operation) + ": " + how);
} catch (const std::exception&) {
  operation.end({status, {}, {}, {}});
}

// The old file is loaded again, or cannot be, after the end of the operation.
void ModuleOperations::tell_late(const Operation& operation, const std::string& path, std::vector<std::uint8_t> report,
                                 const std::string& how) const {
  const OperationRequest& request = operation.request();
  const bp_status status = report.empty() ? BP_LOAD_REFUSED : BP_OK;
  const OperationNews news{operation.id(),   BP_OPERATION_LOAD, request.module, path, request.requester, status, how,
                           std::move(report)};
  news.log();
  emit_(news.event(), news.payload());
}

// Control thread.
void ModuleOperations::start_new(Operation& operation, const std::shared_ptr<Loader::OldFirst>& step) noexcept try {
  try {
    finish_reload(operation, step->ending(), step->start());
  } catch (Loader::Refusal& refusal) {
    restore_after(operation, step, refusal);
  } catch (const Failure& failure) {
    restore(operation, *step, failure.status, failure.message);
  }
} catch (const std::exception&) {  // without memory
  restore(operation, *step, BP_OUT_OF_MEMORY, {});
}

// The instances of what was refused may have what the old generation needs. But they may also hang.
void ModuleOperations::restore_after(Operation& operation, const std::shared_ptr<Loader::OldFirst>& step,
                                     const Loader::Refusal& refusal) {
  operation.set_next([this, step, status = refusal.status, why = refusal.message](Operation& self) {
    restore(self, *step, status, why);
  });
  const auto retirement = refusal.ending.retirement;
  const auto once = std::make_shared<std::atomic<bool>>(false);
  const auto go_on = [this, once, self = operation.shared_from_this()] {
    if (!once->exchange(true)) post_again(*self);
  };
  std::thread([retirement, go_on] {
    if (!retirement->wait(instances_bound)) go_on();
  }).detach();
  retirement->then(go_on);
}

}  // namespace backplane::host
