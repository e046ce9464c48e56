// SPDX-License-Identifier: Apache-2.0
//
// How a request thread comes to its end, and begins again. None of it needs memory that might not be had.
#include <thread>

#include "support/mutex.hpp"

#include "request/loop.hpp"

namespace backplane {
namespace {

constexpr const char* stopping_text = "the context is stopping";

// What a context that rests keeps of its fibers.
constexpr std::size_t resting_fibers = 4;

}  // namespace

// Another thread's order to the request thread. One that is on its way already will do.
void RequestLoop::send(Errand& errand) noexcept {
  if (errand.on_its_way.exchange(true, std::memory_order_acq_rel)) return;
  errand.loop = this;
  errand.apply = [](Mail& mail) {
    auto& self = static_cast<Errand&>(mail);
    RequestLoop& loop = *self.loop;
    self.on_its_way.store(false, std::memory_order_release);
    (loop.*self.run)();
  };
  send(static_cast<Mail&>(errand));
}

bool RequestLoop::wait_for(bool RequestLoop::*reached, std::chrono::milliseconds timeout) {
  MutexLock lock(life_mutex_);
  return life_changed_.wait_for(lock, timeout, [this, reached] { return this->*reached; });
}

void RequestLoop::tell(bool RequestLoop::*reached) {
  const MutexLock lock(life_mutex_);
  this->*reached = true;
  life_changed_.notify_all();
}

bool RequestLoop::wait_until_idle(std::chrono::milliseconds timeout) {
  send(idle_errand_);
  return wait_for(&RequestLoop::idle_, timeout);
}

// Nothing is open and, the ingress being closed, nothing will be.
void RequestLoop::tell_if_idle() {
  // A token that somebody has claimed comes back by mail, and may be of an instance here.
  if (counts_.open.load(std::memory_order_relaxed) != 0 || open_pending_ != nullptr || !ingress_.empty()) return;
  idle_wanted_ = false;
  tell(&RequestLoop::idle_);
}

// Woken, the thread waits for what there is from now on.
bool RequestLoop::set_poller(const bp_poller* poller) {
  const bool was = poller_.set(poller);
  send(poller_errand_);
  return was;
}

void RequestLoop::cancel_all() noexcept { send(cancel_errand_); }

void RequestLoop::cancel_open() {
  take_ingress();  // what was submitted before the close is to be canceled too
  // Tokens first, so that no handler can wait for an answer that never comes. One without a waiter has
  // been answered, or given up, and what remains of it is in the mailbox.
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
    if (request->awaiting != nullptr) fail_wait(*request->awaiting, BP_CANCELED, stopping_text);
  }
}

bool RequestLoop::end_instances(std::chrono::milliseconds timeout) {
  send(end_errand_);
  return wait_for(&RequestLoop::instances_gone_, timeout);
}

void RequestLoop::end_all_instances() {
  while (bp_instance* const instance = idle_instances_.pop()) instance->ending = false;
  for (auto& instance : instances_) {
    if (instance != nullptr) destroy_instance(*instance);
  }
  instances_ended_ = true;
  tell(&RequestLoop::instances_gone_);
}

void RequestLoop::finish() noexcept { send(finish_errand_); }

void RequestLoop::wait_for_senders() const noexcept {
  while (senders_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

void RequestLoop::rest() noexcept {
  poller_.set(nullptr);
  // Orders that were given once more when the loop had ended already.
  while (take_mail()) {
  }
  while (parked_count_ > resting_fibers) {
    delete std::exchange(parked_, parked_->next);
    --parked_count_;
  }
  stacks_.trim_all();
  functions_.clear();
  instances_.clear();
  release_tallies();
}

void RequestLoop::renew() noexcept {
  counts_.reset();
  spin_now_ = options_.spin;
  finished_ = instances_ended_ = idle_wanted_ = false;
  {
    const MutexLock lock(life_mutex_);
    idle_ = instances_gone_ = false;
  }
  events_stuck_.store(false, std::memory_order_relaxed);
  closed_.store(false, std::memory_order_release);
  ingress_.open();
}

}  // namespace backplane
