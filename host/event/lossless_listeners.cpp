// SPDX-License-Identifier: Apache-2.0
#include "event/lossless_listeners.hpp"

#include <algorithm>
#include <utility>

#include "support/typed_event.hpp"
#include "sync/asymmetric_fence.hpp"

namespace backplane::host {
namespace {

bool has(std::span<const EventLog::PatternId> patterns, EventLog::PatternId pattern) noexcept {
  return std::find(patterns.begin(), patterns.end(), pattern) != patterns.end();
}

}  // namespace

void LosslessListeners::add(std::uint64_t id, EventLog::PatternId pattern, EventLog::Reader& reader,
                            const Options& options) {
  const MutexLock lock(mutex_);
  listeners_.emplace(id, Listener{pattern, &reader, options, log_.end()});
  log_.add_lossless(reader);
  active_.fetch_add(1, std::memory_order_relaxed);
}

void LosslessListeners::remove(std::uint64_t id) noexcept {
  const MutexLock lock(mutex_);
  const auto at = listeners_.find(id);
  if (at == listeners_.end()) return;
  give_up(at->second);
  listeners_.erase(at);
}

void LosslessListeners::clear() noexcept {
  const MutexLock lock(mutex_);
  for (auto& [id, listener] : listeners_) give_up(listener);
  listeners_.clear();
  wanted_room_.store(0, std::memory_order_relaxed);
}

void LosslessListeners::ends(EventLog::Reader& reader) noexcept {
  const MutexLock lock(mutex_);
  for (auto& [id, listener] : listeners_) {
    if (listener.reader == &reader) give_up(listener);
  }
}

bool LosslessListeners::is_lossless(std::uint64_t id) {
  const MutexLock lock(mutex_);
  const auto at = listeners_.find(id);
  return at != listeners_.end() && at->second.reader != nullptr;
}

// Who waits for it tries again, and need not wait for it any more.
void LosslessListeners::give_up(Listener& listener) noexcept {
  if (listener.reader == nullptr) return;
  log_.remove_lossless(*std::exchange(listener.reader, nullptr));
  active_.fetch_sub(1, std::memory_order_relaxed);
  wanted_room_.store(0, std::memory_order_relaxed);
  tell_room_();
}

// Whether an emitter has to wait for it. If emitters have waited too long, it is given up.
bool LosslessListeners::blocks(Listener& listener, Nanos time) {
  if (listener.blocks_since == 0) listener.blocks_since = time;
  if (time - listener.blocks_since < stall_) return true;
  give_up(listener);
  return false;
}

LosslessListeners::Offer LosslessListeners::offer(std::string_view name, bp_bytes payload, std::uint32_t flags) {
  const std::uint64_t size =
      name.size() + payload.size + ((flags & BP_EVENT_TYPED) != 0 ? typed_event::head_size(name) : 0);
  Offer result;
  const MutexLock lock(mutex_);
  const Nanos time = now();  // under the lock, so that it does not run back
  result.given_up.reserve(active_.load(std::memory_order_relaxed));
  const auto patterns = log_.match(name);
  const auto is_for = [&patterns](const Listener& each) {
    return each.reader != nullptr && has(patterns, each.pattern);
  };
  bool lossless = false;
  bool ready = true;
  for (auto& [id, listener] : listeners_) {
    if (!is_for(listener)) continue;
    if (listener.fits(size)) {
      lossless = true;
    } else if (blocks(listener, time)) {
      listener.wanted = true;
      ready = false;
    } else {
      result.given_up.push_back(id);
    }
  }
  if (!ready) return result;
  const auto put = [&] { return lossless ? log_.put_lossless(name, payload, flags) : log_.put(name, payload, flags); };
  result.put = put();
  if (result.put == EventLog::Put::full) {
    wanted_room_.store(size, std::memory_order_relaxed);
    heavy_fence();  // pairs with the light one of the readers: they see the wish, or this sees what they have read
    result.put = put();
  }
  for (auto& [id, listener] : listeners_) {
    if (result.put == EventLog::Put::ok && is_for(listener)) listener.on_the_way += size;
    // The log is full of what such listeners have not read.
    const bool holds = result.put == EventLog::Put::full && listener.reader != nullptr && listener.on_the_way != 0;
    if (holds && !blocks(listener, time)) result.given_up.push_back(id);
  }
  return result;
}

// Emitters go on when half or all of the window is free: else one would be woken for each event.
void LosslessListeners::take(Listener& listener, std::uint64_t bytes) {
  listener.on_the_way -= std::min(listener.on_the_way, bytes);
  listener.blocks_since = 0;
  if (!listener.wanted || listener.on_the_way > listener.options.window_bytes / 2) return;
  listener.wanted = false;
  tell_room_();
}

bp_status LosslessListeners::credit(std::uint64_t id, std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  const auto at = listeners_.find(id);
  if (at == listeners_.end() || !at->second.options.by_hand) return BP_INVALID_ARGUMENT;
  take(at->second, bytes);
  return BP_OK;
}

void LosslessListeners::taken(const EventLog::Reader& reader, const EventLog::Reader::Event& event) {
  const MutexLock lock(mutex_);
  for (auto& [id, listener] : listeners_) {
    if (listener.reader != &reader || listener.options.by_hand) continue;
    if (event.position < listener.first || !has(event.patterns, listener.pattern)) continue;
    take(listener, event.name.size() + event.payload.size);
  }
}

void LosslessListeners::look_for_room() {
  light_fence();
  const std::uint64_t size = wanted_room_.load(std::memory_order_relaxed);
  if (size == 0 || !log_.has_room(size)) return;
  if (wanted_room_.exchange(0, std::memory_order_relaxed) != 0) tell_room_();
}

}  // namespace backplane::host
