// SPDX-License-Identifier: Apache-2.0
//
// How a request thread comes to its end.
#include <thread>

#include "request/latch.hpp"
#include "request/loop.hpp"

namespace backplane {

bool RequestLoop::wait_until_idle(std::chrono::milliseconds timeout) {
  post([this] { idle_wanted_ = true; });
  std::unique_lock lock(idle_mutex_);
  return idle_changed_.wait_for(lock, timeout, [this] { return idle_; });
}

// Nothing is open and, the ingress being closed, nothing will be.
void RequestLoop::tell_if_idle() {
  if (counts_.open.load(std::memory_order_relaxed) != 0 || !ingress_.empty()) return;
  idle_wanted_ = false;
  const std::lock_guard lock(idle_mutex_);
  idle_ = true;
  idle_changed_.notify_all();
}

void RequestLoop::cancel_all() {
  post([this] {
    // Tokens first, so that no handler can wait for an answer that never comes.
    while (open_pending_ != nullptr) {
      Pending& pending = *open_pending_;
      if (pending.waiter == nullptr) break;  // answered: the mailbox has it
      fail_wait(*pending.waiter, BP_CANCELED, "the context is stopping");
    }
    for (Request* request = open_; request != nullptr;) {
      Request* const next = request->open_next;
      if (request->waiter == nullptr) end_unwanted(*request, request->token(), BP_CANCELED);
      request = next;
    }
  });
}

bool RequestLoop::end_instances(std::chrono::milliseconds timeout) {
  const auto done = std::make_shared<Latch>();
  post([this, done] {
    for (auto& instance : instances_) {
      if (instance != nullptr) destroy_instance(*instance);
    }
    done->open();
  });
  return done->wait(timeout);
}

void RequestLoop::finish() {
  post([this] { finished_ = true; });
}

void RequestLoop::wait_for_senders() const noexcept {
  while (senders_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
}

}  // namespace backplane
