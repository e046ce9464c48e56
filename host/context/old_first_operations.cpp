// SPDX-License-Identifier: Apache-2.0
//
// Reloads in which the old generation ends before the new one starts. The operation has three turns: it holds the
// module; when the old generation has ended, it starts the new one; and if that is refused, it loads the old file
// again.
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "context/module_operations.hpp"
#include "modules/old_first.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

// How long the old generation may have work. A call that it waits for may be held, where the host cannot see that.
constexpr std::uint32_t default_drain_ms = 5000;

}  // namespace

// Control thread.
void ModuleOperations::reload_old_first(Operation& operation, const LoadRequest& load) {
  const auto step = std::make_shared<Loader::OldFirst>(loader_, operation.request().module, load);
  const Loader::Ending& ending = step->ending();
  // However the operation ends, no call waits any more. If the module's code hangs, that is before its last turn.
  operation.then(control_.prepare([step] { step->release(); }));
  operation.set_next([this, step](Operation& self) { start_new(self, step); });
  ending.retirement->then([this, self = operation.shared_from_this()] { post_again(*self); });
  const std::uint32_t wanted = operation.request().drain_ms;
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
  std::thread([retirement = ending.retirement, undo, bound] {
    if (!retirement->wait(bound)) undo();
  }).detach();
  operation.drain(ending, {}, true);
  step->hold();
  if (operation.canceled()) cancel(operation);
}

// Control thread. Without memory, it goes on.
void ModuleOperations::undo_old_first(const Loader::Ending& ending, const OperationOutcome& outcome) noexcept {
  end_undone(ending, outcome, true);
}

void ModuleOperations::post_again(Operation& operation) noexcept {
  operation.hold();
  control_.post_operation(operation);
}

// Control thread.
void ModuleOperations::start_new(Operation& operation, const std::shared_ptr<Loader::OldFirst>& step) try {
  finish_reload(operation, step->ending(), step->start());
} catch (Loader::Refusal& refusal) {
  const auto restore = [step, status = refusal.status, why = std::move(refusal.message)](Operation& self) {
    const std::string how = step->restore();
    self.end({status, why + how, {}, {}});
  };
  operation.set_next(restore);
  // Its instances may have what the old generation needs.
  refusal.ending.retirement->then([this, self = operation.shared_from_this()] { post_again(*self); });
} catch (Failure& failure) {
  const std::string how = step->restore();
  operation.end({failure.status, failure.message + how, {}, {}});
} catch (const std::bad_alloc&) {
  step->restore();
  operation.end({BP_OUT_OF_MEMORY, {}, {}, {}});
}

}  // namespace backplane::host
