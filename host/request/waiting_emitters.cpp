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

// One that has tried again goes to the front: it waits longest.
bool WaitingEmitters::wait(Waiter& waiter, Waiting& waiting) {
  Queue* queue = nullptr;
  try {
    queue = &queues_[waiting.attempt.waits_for];
  } catch (const std::bad_alloc&) {
    return false;
  }
  waiting.waiter = &waiter;
  const bool first = waiting.attempt.again || queue->first == nullptr;
  waiting.previous = first ? nullptr : queue->last;
  waiting.next = first ? queue->first : nullptr;
  (waiting.previous == nullptr ? queue->first : waiting.previous->next) = &waiting;
  (waiting.next == nullptr ? queue->last : waiting.next->previous) = &waiting;
  waiter.wait_data = &waiting;
  waiter.stop_wait = [](Waiter& self) {
    on_request_thread.assume();
    self.request.thread.load(std::memory_order_relaxed)->emitters.leave(*static_cast<Waiting*>(self.wait_data));
  };
  bus_.wanted(queue->first->attempt);
  return true;
}

void WaitingEmitters::leave(Waiting& waiting) {
  const auto at = queues_.find(waiting.attempt.waits_for);
  (waiting.previous == nullptr ? at->second.first : waiting.previous->next) = waiting.next;
  (waiting.next == nullptr ? at->second.last : waiting.next->previous) = waiting.previous;
  if (at->second.first != nullptr) return;
  queues_.erase(at);
  bus_.unwanted(waiting.attempt.waits_for);
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
  while (all && !queues_.empty()) wake(queues_.begin()->first, UINT64_MAX);
}

// Each leaves its queue as its handler is woken, and the last one takes the queue away.
void WaitingEmitters::wake(Place place, std::uint64_t bytes) {
  std::uint64_t woken = 0;
  for (auto at = queues_.find(place); at != queues_.end(); at = queues_.find(place)) {
    Waiting& first = *at->second.first;
    if (woken != 0 && bytes - woken < first.attempt.size) return;
    woken += std::max<std::uint64_t>(first.attempt.size, 1);
    first.waiter->complete(*first.waiter);
    if (woken >= bytes) return;
  }
}

}  // namespace backplane::host
