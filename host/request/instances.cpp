// SPDX-License-Identifier: Apache-2.0
//
// The instances of modules in this context: made, and ended, on the request thread.
#include "request/instances.hpp"

#include <algorithm>
#include <memory>

#include "modules/thrown.hpp"
#include "request/idle_wait.hpp"
#include "support/log.hpp"
#include "sync/latch.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

// What the control thread and the request thread share of one start.
struct Start {
  Latch done;
  Mutex mutex;
  bool abandoned BP_GUARDED_BY(mutex) = false;  // the control thread has stopped waiting
  // Written before `done` opens:
  std::string failure;
  bool no_memory = false;
};

}  // namespace

Instances::Retire::Retire(Instances& in, Generation& of) noexcept : instances(in), generation(of) {
  apply = [](Task& task) {
    on_request_thread.assume();
    const std::unique_ptr<Retire> self(static_cast<Retire*>(&task));
    self->instances.retire_here(self->generation, self->retirement);
  };
}

// Runs `what` on the request thread, and returns its text. After the timeout, it does not begin any more, if `in_time`.
template <class F>
std::string Instances::run_there(Milliseconds timeout, bool in_time, F what) {
  const auto start = std::make_shared<Start>();
  const bool posted = inbox_.post([this, start, what = std::move(what)] {
    on_request_thread.assume();
    {
      const MutexLock lock(start->mutex);
      if (start->abandoned) return;
    }
    try {
      start->failure = what();
    } catch (const std::bad_alloc&) {
      start->no_memory = true;
    }
    idle_wait_.expect_more();  // calls, or the end of the context, often follow at once
    start->done.open();
  });
  if (!posted) throw std::bad_alloc();
  if (start->done.wait(timeout, spin_)) {
    if (start->no_memory) throw std::bad_alloc();
    return start->failure;
  }
  if (!in_time) return {};
  // It may be running all the same. The control thread gives the generation up, and retires it here by a task that
  // comes after this one.
  const MutexLock lock(start->mutex);
  start->abandoned = true;
  return "the request thread of a context did not come round to it in " + std::to_string(timeout.count()) + " ms";
}

void Instances::prepare(Generation& generation) {
  if (retires_.size() <= generation.slot) retires_.resize(generation.slot + 1);
  retires_[generation.slot] = std::make_unique<Retire>(*this, generation);
}

std::string Instances::start(Generation& generation, Milliseconds timeout, bool keep_failed) {
  prepare(generation);
  return run_there(timeout, true, [this, &generation, keep_failed] {
    on_request_thread.assume();
    return make(generation, keep_failed);
  });
}

std::string Instances::make(Generation& generation, bool keep_failed) {
  if (stop_.phase() >= Phase::ended) return {};  // the context is about to be detached, and takes no requests
  if (all_.size() <= generation.slot) all_.resize(generation.slot + 1);
  auto instance = std::make_unique<bp_instance>();
  instance->generation = &generation;
  instance->host = &host_;
  if (generation.runs_on_workers()) instance->handles.share();
  generation.take_failure();
  const Heartbeat::Hold hold(heartbeat_, Holder::instance, nullptr, &generation);
  bp_status status = BP_OK;
  std::string failure;
  if (generation.entry.instance_create != nullptr) {
    failure = thrown_by(
        [&] { status = generation.entry.instance_create(generation.data, instance.get(), &instance->state); });
  }
  if (!failure.empty()) {
    failure = "instance_create threw " + failure + "; catch it, and return a status";
    if (!keep_failed) return failure;
    instance->failure = failure;
  } else if (status != BP_OK) {
    failure = generation.take_failure();
    if (failure.empty()) failure = "instance_create returned status " + std::to_string(status) + " and gave no reason";
    if (!keep_failed) return failure;
    instance->failure = failure;
  }
  all_[generation.slot] = std::move(instance);
  methods_.forget();
  return failure;
}

void Instances::retire_here(Generation& generation, const std::shared_ptr<Retirement>& retirement) {
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
  return run_there(timeout, false, [this, &generation] {
    on_request_thread.assume();
    bp_instance* const instance = of(generation);
    if (instance == nullptr || instance->generation != &generation) return make(generation, true);
    instance->retirement = nullptr;
    return std::string();
  });
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

void Instances::end_all() {
  while (bp_instance* const instance = idle_.pop()) instance->ending = false;
  for (auto& instance : all_) {
    if (instance != nullptr) destroy(*instance);
  }
}

void Instances::destroy(bp_instance& instance) {
  Generation& generation = *instance.generation;
  const auto retirement = instance.retirement;  // the generation's own is the control thread's
  const Heartbeat::Hold hold(heartbeat_, Holder::instance, nullptr, &generation);
  heartbeat_.beat();
  instance.handles.release_all();
  if (instance.failure.empty() && generation.entry.instance_destroy != nullptr) {
    const std::string thrown = thrown_by([&] { generation.entry.instance_destroy(instance.state); });
    if (!thrown.empty()) log::error(generation.source(), "its instance_destroy threw " + thrown);
  }
  all_[generation.slot].reset();
  methods_.forget();
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
