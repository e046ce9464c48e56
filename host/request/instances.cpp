// SPDX-License-Identifier: Apache-2.0
//
// The instances of modules in this context: made, and ended, on the request thread. Their functions may run on a worker
// thread.
#include "request/instances.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <utility>

#include "modules/thrown.hpp"
#include "request/idle_wait.hpp"
#include "request/request_thread.hpp"
#include "support/forked_child.hpp"
#include "support/log.hpp"
#include "support/running_code.hpp"
#include "support/ticks.hpp"
#include "sync/latch.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

// The thread that the module wants for it.
bp_status create(bp_instance& instance) {
  Generation& generation = *instance.generation;
  if (generation.entry.instance_create == nullptr) return BP_OK;
  generation.take_failure();
  try {
    bp_status status = BP_OK;
    const std::string thrown =
        thrown_by([&] { status = generation.entry.instance_create(generation.data, &instance, &instance.state); });
    if (thrown.empty()) return status;
    const MutexLock lock(generation.failure_mutex);
    generation.failure = "instance_create threw " + thrown + "; catch it, and return a status";
    return BP_EXCEPTION;
  } catch (const std::bad_alloc&) {
    return BP_OUT_OF_MEMORY;
  }
}

std::string failure_of(Generation& generation, bp_status status) {
  std::string failure = generation.take_failure();
  if (!failure.empty()) return failure;
  return "instance_create returned status " + std::to_string(status) + " and gave no reason";
}

}  // namespace

Instances::Retire::Retire(Instances& in, Generation& of) noexcept : instances(in), generation(of) {
  apply = [](Task& task) {
    on_request_thread.assume();
    const std::unique_ptr<Retire> self(static_cast<Retire*>(&task));
    self->instances.retire_here(self->generation, self->retirement);
  };
}

// Runs `what` on the request thread, unless the start is given up by then.
template <class F>
void Instances::post(const std::shared_ptr<InstanceStart>& start, F what) {
  const bool posted = inbox_.post([this, start, what = std::move(what)] {
    on_request_thread.assume();
    if (start->abandoned) return;
    try {
      what();
    } catch (const std::bad_alloc&) {
      start->no_memory = true;
      start->done.open();
    }
    idle_wait_.expect_more();  // calls, or the end of the context, often follow at once
  });
  if (!posted) throw std::bad_alloc();
}

void Instances::prepare(Generation& generation) {
  if (retires_.size() <= generation.slot) retires_.resize(generation.slot + 1);
  retires_[generation.slot] = std::make_unique<Retire>(*this, generation);
}

std::shared_ptr<InstanceStart> Instances::begin(Generation& generation, bool keep_failed) {
  prepare(generation);
  auto start = std::make_shared<InstanceStart>();
  start->spin = spin_;
  post(start, [this, &generation, keep_failed, start] {
    on_request_thread.assume();
    make(generation, keep_failed, start);
  });
  return start;
}

void Instances::make(Generation& generation, bool keep_failed, const std::shared_ptr<InstanceStart>& start) {
  if (stop_.phase() >= Phase::ended) return start->done.open();  // it is about to be detached, and takes no requests
  if (all_.size() <= generation.slot) all_.resize(generation.slot + 1);
  auto made = std::make_unique<bp_instance>();
  bp_instance& instance = *made;
  instance.generation = &generation;
  instance.host = &host_;
  if (generation.runs_on_workers()) instance.handles.share();
  all_[generation.slot] = std::move(made);
  if ((generation.entry.flags & BP_MODULE_CREATES_BLOCKING) != 0) return create_on_worker(instance, keep_failed, start);
  bp_status status = BP_OK;
  {
    const Heartbeat::Hold hold(heartbeat_, Holder::instance, nullptr, &generation);
    status = create(instance);
  }
  created(instance, status, keep_failed, *start);
}

struct Instances::Creation : Task {
  Instances& instances;
  bp_instance& instance;
  const bool keep_failed;
  const std::shared_ptr<InstanceStart> start;
  bp_status status = BP_OK;

  Creation(Instances& in, bp_instance& of, bool keep, std::shared_ptr<InstanceStart> by) noexcept
      : instances(in), instance(of), keep_failed(keep), start(std::move(by)) {
    apply = [](Task& task) {
      on_request_thread.assume();
      const std::unique_ptr<Creation> self(static_cast<Creation*>(&task));
      self->instance.on_worker = false;
      self->instances.created(self->instance, self->status, self->keep_failed, *self->start);
    };
  }
};

void Instances::create_on_worker(bp_instance& instance, bool keep_failed, const std::shared_ptr<InstanceStart>& start) {
  std::unique_ptr<Creation> creation;
  try {
    creation = std::make_unique<Creation>(*this, instance, keep_failed, start);
    instance.failure = "its instance is still being created";
    instance.on_worker = true;
    run_on_worker(instance, *creation, [task = creation.get()] { task->status = create(task->instance); });
  } catch (const std::exception&) {  // no memory, or no thread
    all_[instance.generation->slot].reset();
    throw std::bad_alloc();
  }
  creation.release();  // the task frees it
}

// Runs `function` on a worker thread, then `after` on the request thread. Throws if there is no thread.
template <class F>
void Instances::run_on_worker(bp_instance& instance, Task& after, F function) {
  inbox_.add_sender();  // see TaskInbox::Sender
  const auto run = [this, &instance, &after, function] {
    const Generation& generation = *instance.generation;
    RequestThread::worker_instance = &instance;
    const RunningCode running{"instance", generation.module->name, generation.number, {}};
    {
      const RunningCodeNote note(running);
      function();
      leave_to_parent();
    }
    RequestThread::worker_instance = nullptr;
    inbox_.send(after);
    inbox_.remove_sender();
  };
  try {
    workers_.run({run, instance.generation->module, nullptr, instance.generation->number, ticks()});
  } catch (...) {
    inbox_.remove_sender();
    throw;
  }
}

// Its creation has returned.
void Instances::created(bp_instance& instance, bp_status status, bool keep_failed, InstanceStart& start) {
  Generation& generation = *instance.generation;
  methods_.forget();
  instance.failure.clear();
  try {
    if (status != BP_OK) instance.failure = failure_of(generation, status);
    start.failure = instance.failure;
  } catch (const std::bad_alloc&) {
    if (status != BP_OK) instance.failure = "no memory";  // short, so that it needs none
    start.no_memory = true;
  }
  if (status != BP_OK && !keep_failed) {
    forget(std::move(all_[generation.slot]));
  } else {
    end_if_idle(instance);
  }
  idle_wait_.expect_more();
  start.done.open();
}

void Instances::retire_here(Generation& generation, const std::shared_ptr<Retirement>& retirement) {
  // An earlier unload may have been canceled when a worker thread ended an instance already.
  for (const auto& leaving : leaving_) {
    if (leaving->generation != &generation) continue;
    retirement->add_context();
    leaving->retirement = retirement;
  }
  bp_instance* const instance = of(generation);
  if (instance == nullptr) return retirement->context_done();
  instance->retirement = retirement;
  end_if_idle(*instance);
}

void Instances::retire(Generation& generation) {
  std::unique_ptr<Retire> own;
  if (generation.slot < retires_.size()) own = std::move(retires_[generation.slot]);
  // Nothing was started here, or a start had no memory and left the slot to the generation before.
  if (own == nullptr || &own->generation != &generation) return generation.retirement->context_done();
  Retire* const task = own.release();
  task->retirement = generation.retirement;
  inbox_.send(static_cast<Task&>(*task));
  inbox_.mark_unsettled();
}

// A thread that is in a handler comes to it later: the instance in which the handler runs stays.
std::string Instances::keep(Generation& generation, Milliseconds timeout) {
  const auto start = std::make_shared<InstanceStart>();
  start->spin = spin_;
  post(start, [this, &generation, start] {
    on_request_thread.assume();
    bp_instance* const instance = of(generation);
    if (instance == nullptr || instance->generation != &generation) return make(generation, true, start);
    instance->retirement = nullptr;
    start->done.open();
  });
  return start->wait(timeout, false);
}

bool Instances::end_idle() {
  bool any = false;
  while (bp_instance* const instance = idle_.pop()) {
    if (instance->retirement == nullptr) {  // its unload was canceled in this turn
      instance->ending = false;
      continue;
    }
    destroy(*instance);
    any = true;
  }
  return any;
}

bool Instances::end_all() {
  while (bp_instance* const instance = idle_.pop()) instance->ending = false;
  bool creating = false;
  for (std::size_t slot = 0; slot < all_.size(); ++slot) {
    if (all_[slot] == nullptr) continue;
    creating |= all_[slot]->on_worker;
    if (!all_[slot]->on_worker) destroy(*all_[slot]);
  }
  return !creating && leaving_.empty();
}

// Its slot is free at once: while a worker thread ends it, the generation may get another one.
void Instances::destroy(bp_instance& instance) {
  Generation& generation = *instance.generation;
  std::unique_ptr<bp_instance> own = std::move(all_[generation.slot]);
  methods_.forget();
  const bool blocks = (generation.entry.flags & BP_MODULE_ENDS_BLOCKING) != 0;
  if (blocks && own->failure.empty() && end_on_worker(own)) return;
  {
    const Heartbeat::Hold hold(heartbeat_, Holder::instance, nullptr, &generation);
    heartbeat_.beat();
    end(*own);
  }
  forget(std::move(own));
}

struct Instances::End : Task {
  Instances& instances;
  bp_instance& instance;

  End(Instances& in, bp_instance& of) noexcept : instances(in), instance(of) {
    apply = [](Task& task) {
      on_request_thread.assume();
      const std::unique_ptr<End> self(static_cast<End*>(&task));
      auto& leaving = self->instances.leaving_;
      const auto found =
          std::find_if(leaving.begin(), leaving.end(), [&](const auto& each) { return each.get() == &self->instance; });
      std::unique_ptr<bp_instance> own = std::move(*found);
      leaving.erase(found);
      forget(std::move(own));
    };
  }
};

// False: there is no memory, or no thread.
bool Instances::end_on_worker(std::unique_ptr<bp_instance>& instance) {
  try {
    leaving_.reserve(leaving_.size() + 1);
    auto task = std::make_unique<End>(*this, *instance);
    run_on_worker(*instance, *task, [of = instance.get()] { end(*of); });
    task.release();  // it frees itself
  } catch (const std::exception&) {
    return false;
  }
  leaving_.push_back(std::move(instance));
  return true;
}

// The thread that the module wants for it.
void Instances::end(bp_instance& instance) {
  const Generation& generation = *instance.generation;
  instance.handles.release_all();
  if (instance.failure.empty() && generation.entry.instance_destroy != nullptr) {
    const std::string thrown = thrown_by([&] { generation.entry.instance_destroy(instance.state); });
    if (!thrown.empty()) log::error(generation.source(), "its instance_destroy threw " + thrown);
  }
}

void Instances::forget(std::unique_ptr<bp_instance> instance) {
  const auto retirement = instance->retirement;  // the generation's own is the control thread's
  instance.reset();
  if (retirement != nullptr) retirement->context_done();  // the generation may be gone from here on
}

void Instances::count_work(const Generation& generation, std::chrono::steady_clock::time_point until,
                           std::uint64_t& requests, std::uint64_t& tokens) {
  struct Counts {
    Latch done;
    std::uint64_t requests = 0;
    std::uint64_t tokens = 0;
  };
  const auto counts = std::make_shared<Counts>();
  const bool posted = inbox_.post([this, counts, slot = generation.slot, wanted = &generation] {
    on_request_thread.assume();
    const bp_instance* const instance = slot < all_.size() ? all_[slot].get() : nullptr;
    if (instance != nullptr && instance->generation == wanted) {
      counts->requests = std::max(instance->in_flight.load(std::memory_order_relaxed),
                                  instance->calls_out.load(std::memory_order_relaxed));
      counts->tokens = instance->tokens.load(std::memory_order_relaxed);
    }
    counts->done.open();
  });
  // A request thread that does not answer is wedged in a handler: the caller says so.
  const auto left = std::chrono::duration_cast<Milliseconds>(until - std::chrono::steady_clock::now());
  if (!posted || !counts->done.wait(std::max(left, Milliseconds(0)))) return;
  requests += counts->requests;
  tokens += counts->tokens;
}

}  // namespace backplane::host
