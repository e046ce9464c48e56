// SPDX-License-Identifier: Apache-2.0
#include "event/bus.hpp"

#include "support/names.hpp"
#include "support/views.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

thread_local const EventBus* current_bus = nullptr;

}  // namespace

EventBus::EventBus(std::uint32_t capacity, Watchdog& watchdog, std::function<void(bool)> stuck, Nanos spin)
    : watchdog_(watchdog), tell_stuck_(std::move(stuck)), queue_(capacity, spin) {}

bool EventBus::on_any_thread() noexcept { return current_bus != nullptr; }

bp_status EventBus::emit(std::string_view name, bp_bytes payload, std::uint32_t flags) {
  if (!is_wire_name(name) || (flags & ~std::uint32_t{BP_EVENT_TYPED}) != 0) return BP_INVALID_ARGUMENT;
  if ((flags & BP_EVENT_TYPED) != 0 && payload.size == 0) return BP_INVALID_ARGUMENT;  // must be one CBOR item
  counts_.emitted.fetch_add(1, std::memory_order_relaxed);
  if (listeners_.count() == 0) {
    counts_.delivered.fetch_add(1, std::memory_order_relaxed);
    return BP_OK;
  }
  const EventQueue::Put put = queue_.put(name, payload, flags);
  if (put == EventQueue::Put::ok) return BP_OK;
  counts_.refused.fetch_add(1, std::memory_order_relaxed);
  if (put == EventQueue::Put::closed) return BP_CLOSED;
  if (put == EventQueue::Put::no_memory) return BP_OUT_OF_MEMORY;
  set_stuck(true);
  heavy_fence();  // pairs with the light fence in run(): either run() sees stuck_, or this sees the released slots
  if (queue_.size() <= queue_.capacity() / 2) set_stuck(false);  // run() drained before it could see stuck_
  return BP_OVERFLOW;
}

void EventBus::set_stuck(bool stuck) {
  const MutexLock lock(stuck_mutex_);
  if (stuck_.exchange(stuck) == stuck) return;
  if (stuck) stuck_culprit_ = culprit();
  tell_stuck_(stuck);
}

void EventBus::deliver_now(std::string_view name, bp_bytes payload, std::uint32_t flags) {
  listeners_.call({sizeof(bp_event), flags, str(name), payload, {}});
}

void EventBus::renew() noexcept {
  for (auto* const count : {&counts_.emitted, &counts_.delivered, &counts_.refused}) count->store(0);
  stuck_.store(false);
  queue_.open();
}

void EventBus::run() {
  current_bus = this;
  thread_ = std::this_thread::get_id();
  heartbeat_.begin_here();
  for (;;) {
    auto event = queue_.look();
    if (!event) {
      heartbeat_.idle();
      event = queue_.take();
      if (!event) break;
      heartbeat_.busy();
      watchdog_.active();
    }
    heartbeat_.beat();
    listeners_.call({sizeof(bp_event), event->flags, str(event->name), event->payload, {}}, &heartbeat_);
    counts_.delivered.fetch_add(1, std::memory_order_relaxed);
    queue_.release();
    heartbeat_.beat();
    light_fence();
    if (stuck_.load() && queue_.size() <= queue_.capacity() / 2) set_stuck(false);
  }
  current_bus = nullptr;
}

}  // namespace backplane::host
