// SPDX-License-Identifier: Apache-2.0
#include "request/emitters.hpp"

namespace backplane::host {

// In the order in which they began to wait: the first to try again is the one that waits longest.
bool Emitters::wait(Waiter& waiter, Waiting& waiting, std::uint64_t told) {
  if (told != told_.load(std::memory_order_relaxed)) return false;
  waiting.waiter = &waiter;
  waiting.open_link = last_;
  *last_ = &waiting;
  last_ = &waiting.open_next;
  waiter.wait_data = &waiting;
  waiter.stop_wait = [](Waiter& self) {
    on_request_thread.assume();
    auto& gone = *static_cast<Waiting*>(self.wait_data);
    Emitters& emitters = self.request.thread.load(std::memory_order_relaxed)->emitters;
    if (emitters.last_ == &gone.open_next) emitters.last_ = gone.open_link;
    unlink_open(gone);
  };
  return true;
}

// Each leaves the list as its handler is woken.
void Emitters::wake_all() {
  told_.fetch_add(1, std::memory_order_release);
  while (first_ != nullptr) first_->waiter->complete(*first_->waiter);
}

}  // namespace backplane::host
