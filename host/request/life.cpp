// SPDX-License-Identifier: Apache-2.0
//
// How a request thread comes to its end, and begins again. None of it needs memory that might not be had.
#include <thread>
#include <utility>

#include "request/loop.hpp"

namespace backplane::host {
namespace {

constexpr const char* stopping_text = "the context is stopping";

// What a context that rests keeps of its fibers.
constexpr std::size_t resting_fibers = 4;

}  // namespace

// Another thread's order to the request thread. One that is on its way already will do.
void RequestLoop::send(ReusableTask& order) noexcept {
  if (order.on_its_way.exchange(true, std::memory_order_acq_rel)) return;
  order.loop = this;
  order.apply = [](Task& task) {
    auto& self = static_cast<ReusableTask&>(task);
    RequestLoop& loop = *self.loop;
    self.on_its_way.exchange(false, std::memory_order_acq_rel);
    (loop.*self.run)();
  };
  send(static_cast<Task&>(order));
}

void RequestLoop::end_when_idle() noexcept {
  if (!std::exchange(end_asked_, true)) send(end_task_);
}

bool RequestLoop::wait_until_idle(std::chrono::milliseconds timeout) {
  if (!end_asked_ && !idle_.is_open()) send(idle_task_);
  return idle_.wait(timeout, options_.spin);
}

// Nothing is open and, the ingress being closed, nothing will be.
void RequestLoop::tell_if_idle() {
  // A token that somebody has claimed comes back as a task, and may be of an instance here.
  if (counts_.open.load(std::memory_order_relaxed) != 0 || open_pending_ != nullptr || !ingress_.empty()) return;
  idle_wanted_ = false;
  idle_.open();
  if (std::exchange(end_wanted_, false)) end_all_instances();
}

// Woken, the thread waits for what there is from now on.
bool RequestLoop::set_poller(const bp_poller* poller) {
  const bool was = poller_.set(poller);
  send(poller_task_);
  return was;
}

// From now on no request begins, until the thread comes round to it.
void RequestLoop::cancel_all() noexcept {
  begin_none_.store(true, std::memory_order_relaxed);
  send(cancel_task_);
  unsettled_.store(true, std::memory_order_release);
}

void RequestLoop::cancel_open() {
  begin_none_.store(false, std::memory_order_relaxed);
  take_ingress();  // what was submitted before the close is to be canceled too
  do {
    if (no_memory_) refuse_inline_call();
    while (Request* const request = take_from_lane()) {
      link(*request);
      queue_.push(request);
    }
  } while (no_memory_);
  // Tokens first, so that no handler can wait for an answer that never comes. One without a waiter has
  // been answered, or given up, and what remains of it is in the task queue.
  for (Pending* pending = open_pending_; pending != nullptr;) {
    Pending* const next = pending->open_next;
    if (pending->waiter != nullptr) fail_wait(*pending->waiter, BP_CANCELED, stopping_text);
    if (pending->on_answer != nullptr) fail_callback(*pending, BP_CANCELED, stopping_text);
    pending = next;
  }
  // A handler may have replied and go on awaiting: that has to end too.
  for (Request* request = open_; request != nullptr; request = request->open_next) {
    end_unwanted(*request, request->token(), BP_CANCELED);
    bp_status none = BP_OK;
    request->cause.compare_exchange_strong(none, BP_CANCELED, std::memory_order_release);
    if (Waiter* const awaited = request->awaited()) fail_wait(*awaited, BP_CANCELED, stopping_text);
  }
}

bool RequestLoop::end_instances(std::chrono::milliseconds timeout) {
  end_when_idle();
  return instances_gone_.wait(timeout, options_.spin);
}

void RequestLoop::end_all_instances() {
  while (bp_instance* const instance = idle_instances_.pop()) instance->ending = false;
  for (auto& instance : instances_) {
    if (instance != nullptr) destroy_instance(*instance);
  }
  instances_ended_ = true;
  give_back();
  spin_now_ = options_.spin;  // the next life often comes at once
  // What was posted has been done, but for what has come since this turn began. Who posts sets the mark when the task
  // is there: one that is taken away here is of a task that the look behind it sees.
  unsettled_.exchange(false, std::memory_order_acq_rel);
  if (!tasks_.empty()) unsettled_.store(true, std::memory_order_release);
  instances_gone_.open();
}

// What a context that rests does not keep.
void RequestLoop::give_back() noexcept {
  poller_.set(nullptr);
  reactor_.unwatch();
  while (parked_count_ > resting_fibers) {
    delete std::exchange(parked_, parked_->next);
    --parked_count_;
  }
  free_spare_records();
  stacks_.trim_all();
  instances_.clear();
  forget_routes();
  release_stats();
}

// Who posts has the context's place in the host, or a call inside; the first is over, and what the second may still
// want finds nothing of its own.
bool RequestLoop::settle(std::chrono::milliseconds timeout) {
  wait_for_senders();
  if (!unsettled_.load(std::memory_order_acquire)) return true;
  if (!std::exchange(settle_asked_, true)) send(settle_task_);
  return settled_.wait(timeout, options_.spin);
}

void RequestLoop::finish() noexcept { send(finish_task_); }

void RequestLoop::wait_for_senders() const noexcept {
  while (senders_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

void RequestLoop::renew() noexcept {
  counts_.reset();
  // The request thread reads this in what is posted from now on.
  instances_ended_ = false;
  end_asked_ = settle_asked_ = false;
  for (Latch* const latch : {&idle_, &instances_gone_, &settled_}) latch->close();
  events_stuck_.store(false, std::memory_order_relaxed);
  begin_none_.store(false, std::memory_order_relaxed);
  closed_.store(false, std::memory_order_release);
  ingress_.open();
}

}  // namespace backplane::host
