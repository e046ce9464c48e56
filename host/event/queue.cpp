// SPDX-License-Identifier: Apache-2.0
#include "event/queue.hpp"

#include <cstdlib>
#include <cstring>

#include "support/mutex.hpp"

namespace backplane {
namespace {

// Writes the head of a CBOR text string of up to 65535 bytes, in its shortest form (RFC 8949, 3).
std::size_t text_head(std::uint8_t* out, std::size_t size) noexcept {
  if (size < 24) {
    out[0] = static_cast<std::uint8_t>(0x60 + size);
    return 1;
  }
  out[0] = 0x78;
  out[1] = static_cast<std::uint8_t>(size);  // a wire name has at most BP_WIRE_NAME_MAX = 128 bytes
  return 2;
}

// {"eventType": name, "payload": …}, up to the payload; at most this long.
constexpr std::size_t envelope_max = 1 + 10 + 2 + BP_WIRE_NAME_MAX + 8;

std::size_t envelope(std::uint8_t* out, std::string_view name) noexcept {
  std::uint8_t* at = out;
  const auto text = [&at](std::string_view value) {
    at += text_head(at, value.size());
    std::memcpy(at, value.data(), value.size());
    at += value.size();
  };
  *at++ = 0xa2;  // a map of two
  text("eventType");
  text(name);
  text("payload");
  return static_cast<std::size_t>(at - out);
}

}  // namespace

// Not value-initialised: slots that are never used never become resident.
EventQueue::EventQueue(std::uint32_t capacity)
    : capacity_(capacity), slots_(std::make_unique_for_overwrite<Slot[]>(capacity)) {}

EventQueue::~EventQueue() {
  for (std::uint32_t i = 0; i < count_; ++i) std::free(slots_[(first_ + i) % capacity_].heap);
}

EventQueue::Put EventQueue::put(std::string_view name, bp_bytes payload, std::uint32_t flags) {
  const MutexLock lock(mutex_);
  if (closed_ || settling_) return Put::closed;
  if (count_ == capacity_) return Put::full;
  if (!fill(slots_[(first_ + count_) % capacity_], name, payload, flags)) return Put::no_memory;
  if (++count_ == 1) changed_.notify_one();
  return Put::ok;
}

bool EventQueue::fill(Slot& slot, std::string_view name, bp_bytes payload, std::uint32_t flags) {
  std::uint8_t head[envelope_max];
  const std::size_t head_size = (flags & BP_EVENT_TYPED) != 0 ? envelope(head, name) : 0;
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
  if (head_size != 0) std::memcpy(payload_at, head, head_size);
  if (payload.size != 0) std::memcpy(payload_at + head_size, payload.data, payload.size);
  return true;
}

std::optional<EventQueue::View> EventQueue::take() {
  MutexLock lock(mutex_);
  out_ = false;
  if (settling_ && count_ == 0) settled_.notify_all();
  changed_.wait(lock, [this]() BP_REQUIRES(mutex_) { return count_ != 0 || closed_; });
  if (count_ == 0) return std::nullopt;
  out_ = true;
  const Slot& slot = slots_[first_];
  const bool on_heap = slot.heap != nullptr;
  const char* const name = on_heap ? reinterpret_cast<const char*>(slot.heap) : slot.name;
  const std::uint8_t* const payload = on_heap ? slot.heap + slot.name_size : slot.payload;
  return View{{name, slot.name_size}, {payload, slot.payload_size}, slot.flags};
}

std::uint32_t EventQueue::release() {
  const MutexLock lock(mutex_);
  std::free(slots_[first_].heap);
  first_ = (first_ + 1) % capacity_;
  return --count_;
}

void EventQueue::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool EventQueue::settle(std::chrono::milliseconds timeout) {
  MutexLock lock(mutex_);
  settling_ = true;
  return settled_.wait_for(lock, timeout, [this]() BP_REQUIRES(mutex_) { return count_ == 0 && !out_; });
}

void EventQueue::open() noexcept {
  const MutexLock lock(mutex_);
  settling_ = false;
}

std::uint32_t EventQueue::size() {
  const MutexLock lock(mutex_);
  return count_;
}

}  // namespace backplane
