// SPDX-License-Identifier: Apache-2.0
#include "request/timer_heap.hpp"

#include <new>

namespace backplane::host {

bool TimerHeap::set(Timer& timer, Nanos when) noexcept {
  cancel(timer);
  try {
    heap_.push_back(&timer);
  } catch (const std::bad_alloc&) {
    return false;
  }
  timer.when = when;
  put(heap_.size() - 1, &timer);
  sift_up(timer.place);
  return true;
}

void TimerHeap::take_out(Timer& timer) noexcept {
  const std::size_t place = timer.place;
  timer.place = Timer::not_set;
  Timer* const last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  put(place, last);
  sift_up(place);
  sift_down(last->place);
}

bool TimerHeap::fire_due(Nanos time) {
  bool any = false;
  while (!heap_.empty() && heap_.front()->when <= time) {
    Timer& timer = *heap_.front();
    cancel(timer);
    timer.fire(timer);
    any = true;
  }
  return any;
}

void TimerHeap::put(std::size_t place, Timer* timer) noexcept {
  heap_[place] = timer;
  timer->place = static_cast<std::uint32_t>(place);
}

void TimerHeap::sift_up(std::size_t place) noexcept {
  Timer* const timer = heap_[place];
  while (place > 0) {
    const std::size_t parent = (place - 1) / 2;
    if (heap_[parent]->when <= timer->when) break;
    put(place, heap_[parent]);
    place = parent;
  }
  put(place, timer);
}

void TimerHeap::sift_down(std::size_t place) noexcept {
  Timer* const timer = heap_[place];
  for (;;) {
    std::size_t child = 2 * place + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->when < heap_[child]->when) ++child;
    if (timer->when <= heap_[child]->when) break;
    put(place, heap_[child]);
    place = child;
  }
  put(place, timer);
}

}  // namespace backplane::host
