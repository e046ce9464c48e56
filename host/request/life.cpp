// SPDX-License-Identifier: Apache-2.0
//
// How a request thread comes to its end.
#include <thread>

#include "request/latch.hpp"
#include "request/loop.hpp"

namespace backplane {
namespace {

constexpr const char* stopping_text = "the context is stopping";

}  // namespace

bool RequestLoop::wait_until_idle(std::chrono::milliseconds timeout) {
  post([this] { idle_wanted_ = true; });
  std::unique_lock lock(idle_mutex_);
  return idle_changed_.wait_for(lock, timeout, [this] { return idle_; });
}

// Nothing is open and, the ingress being closed, nothing will be.
void RequestLoop::tell_if_idle() {
  // A token that somebody has claimed comes back by mail, and may be of an instance here.
  if (counts_.open.load(std::memory_order_relaxed) != 0 || open_pending_ != nullptr || !ingress_.empty()) return;
  idle_wanted_ = false;
  const std::lock_guard lock(idle_mutex_);
  idle_ = true;
  idle_changed_.notify_all();
}

void RequestLoop::cancel_all() {
  post([this] {
    take_ingress();  // what was submitted before the close is to be canceled too
    // Tokens first, so that no handler can wait for an answer that never comes. One without a waiter has
    // been answered, or given up, and what remains of it is in the mailbox.
    for (Pending* pending = open_pending_; pending != nullptr;) {
      Pending* const next = pending->open_next;
      if (pending->waiter != nullptr) fail_wait(*pending->waiter, BP_CANCELED, stopping_text);
      pending = next;
    }
    // A handler may have replied and go on awaiting: that has to end too.
    for (Request* request = open_; request != nullptr; request = request->open_next) {
      end_unwanted(*request, request->token(), BP_CANCELED);
      bp_status none = BP_OK;
      request->cause.compare_exchange_strong(none, BP_CANCELED, std::memory_order_release);
      if (request->awaiting != nullptr) fail_wait(*request->awaiting, BP_CANCELED, stopping_text);
    }
  });
}

bool RequestLoop::end_instances(std::chrono::milliseconds timeout) {
  const auto done = std::make_shared<Latch>();
  post([this, done] {
    for (auto& instance : instances_) {
      if (instance != nullptr) destroy_instance(*instance);
    }
    instances_ended_ = true;
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
