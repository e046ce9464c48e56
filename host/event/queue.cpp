// SPDX-License-Identifier: Apache-2.0
//
// The ring of events: emitters put under a mutex, the event thread takes without one, and fences order sleep and wake.
#include "event/queue.hpp"

#include <cstdlib>
#include <cstring>
#include <optional>

#include "support/typed_event.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/futex.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

// The slots are not value-initialised, so that unused slots take no memory.
EventQueue::EventQueue(std::uint32_t capacity, Nanos spin)
    : capacity_(capacity), slots_(std::make_unique_for_overwrite<Slot[]>(capacity)), spin_(spin) {}

EventQueue::~EventQueue() {
  for (std::uint32_t left = size(); left > 0; --left, next_out_ = after(next_out_)) std::free(slots_[next_out_].heap);
}

bool EventQueue::is_full() noexcept {
  const std::uint64_t put = put_.load(std::memory_order_relaxed);
  if (put - released_seen_ < capacity_) return false;
  released_seen_ = released_.load(std::memory_order_acquire);
  return put - released_seen_ >= capacity_;
}

EventQueue::Put EventQueue::put(std::string_view name, bp_bytes payload, std::uint32_t flags) {
  {
    const MutexLock lock(mutex_);
    if (closed_.load(std::memory_order_relaxed) || settling_.load(std::memory_order_relaxed)) return Put::closed;
    if (is_full()) return Put::full;
    if (!fill(slots_[next_in_], name, payload, flags)) return Put::no_memory;
    next_in_ = after(next_in_);
    put_.store(put_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  wake();
  return Put::ok;
}

bool EventQueue::fill(Slot& slot, std::string_view name, bp_bytes payload, std::uint32_t flags) {
  std::optional<TypedEventHead> head;
  if ((flags & BP_EVENT_TYPED) != 0) head.emplace(name);
  const std::size_t head_size = head ? head->size() : 0;
  const std::size_t size = head_size + payload.size;
  slot.flags = flags;
  slot.name_size = static_cast<std::uint32_t>(name.size());
  slot.payload_size = size;
  slot.heap = nullptr;
  char* name_at = slot.name;
  std::uint8_t* payload_at = slot.payload;
  if (name.size() > slot_name || size > slot_payload) {
    slot.heap = static_cast<std::uint8_t*>(std::malloc(name.size() + size));
    if (slot.heap == nullptr) return false;
    name_at = reinterpret_cast<char*>(slot.heap);
    payload_at = slot.heap + name.size();
  }
  std::memcpy(name_at, name.data(), name.size());
  if (head_size != 0) std::memcpy(payload_at, head->data(), head_size);
  if (payload.size != 0) std::memcpy(payload_at + head_size, payload.data, payload.size);
  return true;
}

bool EventQueue::has_event() noexcept {
  const std::uint64_t released = released_.load(std::memory_order_relaxed);
  if (put_seen_ == released) put_seen_ = put_.load(std::memory_order_acquire);
  return put_seen_ != released;
}

std::optional<EventQueue::View> EventQueue::look() noexcept {
  if (!has_event()) {
    done_.store(released_.load(std::memory_order_relaxed), std::memory_order_release);
    return std::nullopt;
  }
  const Slot& slot = slots_[next_out_];
  const bool on_heap = slot.heap != nullptr;
  const char* const name = on_heap ? reinterpret_cast<const char*>(slot.heap) : slot.name;
  const std::uint8_t* const payload = on_heap ? slot.heap + slot.name_size : slot.payload;
  return View{{name, slot.name_size}, {payload, slot.payload_size}, slot.flags};
}

std::optional<EventQueue::View> EventQueue::take() noexcept {
  if (auto event = look()) return event;
  tell_settled();
  // After closing, no event is added, so one last look is enough.
  while (!has_event() && !closed_.load(std::memory_order_acquire)) {
    const auto came = [this] { return has_event() || closed_.load(std::memory_order_relaxed); };
    if (!spin_.spin(came)) sleep();
  }
  return look();
}

void EventQueue::release() noexcept {
  std::free(slots_[next_out_].heap);
  next_out_ = after(next_out_);
  released_.store(released_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

// The event thread sets asleep_, then looks once more. An emitter puts, then reads asleep_. Each side has a fence
// between its two steps (sync/asymmetric_fence.hpp), so one of the two sees the other.
void EventQueue::sleep() noexcept {
  const Nanos begin = now();
  asleep_.store(1, std::memory_order_relaxed);
  heavy_fence();
  if (!has_event() && !closed_.load(std::memory_order_relaxed)) futex_wait(asleep_, 1);
  asleep_.store(0, std::memory_order_relaxed);
  spin_.slept(now() - begin);
}

void EventQueue::wake() noexcept {
  light_fence();
  if (asleep_.load(std::memory_order_relaxed) != 0 && asleep_.exchange(0) != 0) futex_wake_one(&asleep_);
}

void EventQueue::close() {
  {
    const MutexLock lock(mutex_);
    closed_.store(true, std::memory_order_release);
  }
  wake();
}

// This thread sets settling_, then reads done_. The event thread sets done_, then reads settling_. With the fences, one
// of the two sees the other.
bool EventQueue::settle(std::chrono::milliseconds timeout) {
  const auto done = [this] { return done_.load(std::memory_order_acquire) == put_.load(std::memory_order_relaxed); };
  MutexLock lock(mutex_);
  settling_.store(true, std::memory_order_relaxed);
  if (done()) return true;  // avoids the heavy fence, which interrupts the core of the event thread
  heavy_fence();
  return settled_.wait_for(lock, timeout, done);
}

void EventQueue::tell_settled() noexcept {
  light_fence();
  if (!settling_.load(std::memory_order_relaxed)) return;
  const MutexLock lock(mutex_);
  settled_.notify_all();
}

void EventQueue::open() noexcept {
  const MutexLock lock(mutex_);
  settling_.store(false, std::memory_order_relaxed);
}

std::uint32_t EventQueue::size() const noexcept {
  const std::uint64_t released = released_.load(std::memory_order_acquire);
  return static_cast<std::uint32_t>(put_.load(std::memory_order_acquire) - released);
}

}  // namespace backplane::host
