// SPDX-License-Identifier: Apache-2.0
#include "request/waiting_emitters.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace backplane::host {

void WaitingEmitters::tell_room(Place place, std::uint64_t bytes) noexcept {
  {
    const MutexLock lock(mutex_);
    try {
      std::uint64_t& told = told_[place];
      told = std::max(told, bytes);
    } catch (const std::bad_alloc&) {
      told_all_ = true;
    }
  }
  inbox_.send(room_);
}

bool WaitingEmitters::wait(Waiter& waiter, const EmitTry& attempt) {
  const Turn turn{attempt.waits_for, attempt.turn};
  std::map<Turn, Waiting>::iterator at;
  try {
    at = waiting_.emplace(turn, Waiting{&waiter, attempt.size}).first;
  } catch (const std::bad_alloc&) {
    return false;
  }
  waiter.wait_data = &*at;
  waiter.stop_wait = [](Waiter& self) {
    on_request_thread.assume();
    const auto& own = *static_cast<std::map<Turn, Waiting>::value_type*>(self.wait_data);
    self.request.thread.load(std::memory_order_relaxed)->emitters.waiting_.erase(Turn(own.first));
  };
  bus_.waits(attempt);
  return true;
}

void WaitingEmitters::wake_told() {
  std::map<Place, std::uint64_t> told;
  bool all = false;
  {
    const MutexLock lock(mutex_);
    told.swap(told_);
    all = std::exchange(told_all_, false);
  }
  for (const auto& [place, bytes] : told) wake(place, bytes);
  while (all && !waiting_.empty()) wake(waiting_.begin()->first.place, UINT64_MAX);
}

// Each leaves the list as its handler is woken.
void WaitingEmitters::wake(Place place, std::uint64_t bytes) {
  std::uint64_t woken = 0;
  for (;;) {
    const auto first = waiting_.lower_bound({place, 0});
    if (first == waiting_.end() || first->first.place != place) return;
    if (woken != 0 && (woken >= bytes || bytes - woken < first->second.size)) return;
    woken += std::max<std::uint64_t>(first->second.size, 1);
    Waiter& waiter = *first->second.waiter;
    waiter.complete(waiter);
  }
}

}  // namespace backplane::host
