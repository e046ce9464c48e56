// SPDX-License-Identifier: Apache-2.0
//
// Windows of lossless listeners: what an event needs to be appended, and who is told of room.
#include "event/lossless_listeners.hpp"

#include <algorithm>
#include <utility>

#include "support/typed_event.hpp"
#include "sync/asymmetric_fence.hpp"

namespace backplane::host {
namespace {

constexpr EventLog::Need no_need{};

}  // namespace

void LosslessListeners::add(std::uint64_t id, EventLog::PatternId pattern, EventLog::Reader& reader,
                            const Options& options) {
  const MutexLock lock(mutex_);
  if (by_pattern_.size() <= pattern) by_pattern_.resize(pattern + 1);
  auto& same = by_pattern_[pattern];
  same.reserve(same.size() + 1);
  Listener& added = listeners_.emplace(id, Listener{id, pattern, &reader, options, log_.end()}).first->second;
  same.push_back(&added);
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
  log_line_.waiting.clear();
  log_wish_.store(no_need, std::memory_order_relaxed);
}

void LosslessListeners::ends(EventLog::Reader& reader) noexcept {
  const MutexLock lock(mutex_);
  for (auto& [id, listener] : listeners_) {
    if (listener.reader == &reader) give_up(listener);
  }
}

LosslessListeners::Report LosslessListeners::report(std::uint64_t id) {
  const MutexLock lock(mutex_);
  const auto at = listeners_.find(id);
  if (at == listeners_.end() || at->second.reader == nullptr) return {};
  return {true, at->second.on_the_way, at->second.line.waiting.size()};
}

// Who waits for it, or for the log, tries again.
void LosslessListeners::give_up(Listener& listener) noexcept {
  if (listener.reader == nullptr) return;
  std::erase(by_pattern_[listener.pattern], &listener);
  log_.remove_lossless(*std::exchange(listener.reader, nullptr));
  active_.fetch_sub(1, std::memory_order_relaxed);
  tell_room_(listener.id, UINT64_MAX);
  tell_room_(0, UINT64_MAX);
}

// Whether an emitter has to wait for it. If emitters have waited too long, it is given up. Time in which nobody waits
// does not count.
bool LosslessListeners::blocks(Listener& listener, Nanos time, std::vector<std::uint64_t>& given_up) {
  if (listener.blocks_since == 0) listener.blocks_since = time;
  if (listener.idle_since != 0) listener.blocks_since += time - std::exchange(listener.idle_since, 0);
  if (time - listener.blocks_since < stall_) return true;
  given_up.push_back(listener.id);
  give_up(listener);
  return false;
}

// The log is full of what the slowest of the readers has not read for its listeners: they block. False: all of them are
// given up now, so another try may succeed.
bool LosslessListeners::log_blocks(Nanos time, std::vector<std::uint64_t>& given_up) {
  std::uint64_t slowest = UINT64_MAX;
  for (const auto& [id, listener] : listeners_) {
    if (listener.reader != nullptr) slowest = std::min(slowest, listener.reader->position());
  }
  bool block = false;
  bool any = false;
  for (auto& [id, listener] : listeners_) {
    if (listener.reader == nullptr || listener.reader->position() > slowest || !listener.is_unread()) continue;
    any = true;
    block |= blocks(listener, time, given_up);
  }
  return block || !any;
}

template <class F>
void LosslessListeners::each_of_patterns(F f) {
  for (const EventLog::PatternId pattern : patterns_) {
    if (pattern >= by_pattern_.size()) continue;
    // One that is given up leaves the list, and the next takes its place.
    auto& same = by_pattern_[pattern];
    for (std::size_t i = 0; i < same.size();) {
      Listener* const listener = same[i];
      f(*listener);
      if (i < same.size() && same[i] == listener) ++i;
    }
  }
}

LosslessListeners::Offer LosslessListeners::offer(std::string_view name, bp_bytes payload, std::uint32_t flags,
                                                  EmitTry& attempt) try {
  Offer result;
  const std::uint64_t size =
      name.size() + payload.size + ((flags & BP_EVENT_TYPED) != 0 ? typed_event::head_size(name) : 0);
  const MutexLock lock(mutex_);
  const Nanos time = now();  // under the lock, so that it does not run back
  log_.match(name, patterns_);
  bool lossless = false;
  std::uint64_t full = 0;
  each_of_patterns([&](Listener& listener) BP_REQUIRES(mutex_) {
    if (listener.fits(size, attempt)) {
      lossless = true;
    } else if (listener.fits(size) || blocks(listener, time, result.given_up)) {
      if (full == 0) full = listener.id;
    }
  });
  if (full != 0) {
    join(attempt, full, {static_cast<std::uint32_t>(std::min<std::uint64_t>(size, UINT32_MAX)), 0});
    return result;
  }
  EventLog::Need need;
  const bool waits_for_log = attempt.turn != 0 && attempt.waits_for == 0;
  const auto put = [&]() BP_REQUIRES(mutex_) {
    if (log_line_.is_before(waits_for_log ? attempt.turn : 0)) return EventLog::Put::full;
    return lossless ? log_.put_lossless(name, payload, flags, &need) : log_.put(name, payload, flags, &need);
  };
  result.put = put();
  if (result.put == EventLog::Put::full && need.bytes != 0 && !log_blocks(time, result.given_up)) result.put = put();
  if (result.put == EventLog::Put::full) {
    // What the log was not asked for is as large as this, at least.
    if (need.bytes == 0) need = {static_cast<std::uint32_t>(std::min<std::uint64_t>(size, UINT32_MAX)), 1};
    join(attempt, 0, need);
    return result;
  }
  if (result.put == EventLog::Put::ok) {
    const std::uint64_t end = log_.end();
    each_of_patterns([&](Listener& listener) BP_REQUIRES(mutex_) {
      listener.on_the_way += size;
      listener.end = end;
    });
  }
  leave_line(attempt);
  return result;
} catch (const std::bad_alloc&) {
  leave(attempt);
  throw;
}

LosslessListeners::Line* LosslessListeners::line_of(std::uint64_t id) {
  if (id == 0) return &log_line_;
  const auto at = listeners_.find(id);
  return at == listeners_.end() ? nullptr : &at->second.line;
}

// Once in a line, it keeps its turn there until it can emit, or waits for something else.
void LosslessListeners::join(EmitTry& attempt, std::uint64_t id, const EventLog::Need& need) {
  const bool stays = attempt.turn != 0 && attempt.waits_for == id;
  if (!stays) leave_line(attempt);
  const std::uint64_t turn = stays ? attempt.turn : last_turn_ + 1;
  line_of(id)->waiting[turn] = need;
  attempt = {id, turn, need.bytes};
  if (!stays) last_turn_ = turn;
  if (id == 0) log_wish_.store(log_line_.waiting.begin()->second, std::memory_order_relaxed);
}

void LosslessListeners::leave_line(EmitTry& attempt) noexcept {
  if (attempt.turn == 0) return;
  Line* const line = line_of(attempt.waits_for);
  if (line != nullptr) {
    line->waiting.erase(attempt.turn);
    if (attempt.waits_for == 0) {
      log_wish_.store(line->waiting.empty() ? no_need : line->waiting.begin()->second, std::memory_order_relaxed);
    } else if (line->waiting.empty()) {
      Listener& listener = listeners_.find(attempt.waits_for)->second;
      if (listener.blocks_since != 0) listener.idle_since = now();
    }
    tell_first(attempt.waits_for);
  }
  attempt.turn = 0;
}

void LosslessListeners::leave(EmitTry& attempt) noexcept {
  const MutexLock lock(mutex_);
  leave_line(attempt);
}

// If the first in the line finds room now, it is told.
void LosslessListeners::tell_first(std::uint64_t id) {
  if (id == 0) {
    if (log_line_.waiting.empty()) return;
    const EventLog::Need need = log_line_.waiting.begin()->second;
    if (log_.has_room(need)) tell_room_(0, need.bytes);
    return;
  }
  const auto at = listeners_.find(id);
  if (at == listeners_.end() || at->second.line.waiting.empty()) return;
  const Listener& listener = at->second;
  const std::uint64_t size = listener.line.waiting.begin()->second.bytes;
  if (listener.reader == nullptr || listener.fits(size)) tell_room_(id, size);
}

void LosslessListeners::waits(const EmitTry& attempt) {
  const MutexLock lock(mutex_);
  if (line_of(attempt.waits_for) == nullptr) return tell_room_(attempt.waits_for, UINT64_MAX);  // it is removed
  heavy_fence();  // pairs with the light one of the readers: they see the wish, or this sees what they have read
  tell_first(attempt.waits_for);
}

void LosslessListeners::take(Listener& listener, std::uint64_t bytes) {
  const std::uint64_t done = std::min(listener.on_the_way, bytes);
  if (done == 0) return;
  listener.on_the_way -= done;
  listener.blocks_since = listener.idle_since = 0;
  // When half or all of the window is free: else an emitter would be woken for each event.
  const std::uint64_t window = listener.options.window_bytes;
  if (!listener.line.waiting.empty() && listener.on_the_way <= window / 2) {
    tell_room_(listener.id, window - listener.on_the_way);
  }
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
  for (const EventLog::PatternId pattern : event.patterns) {
    if (pattern >= by_pattern_.size()) continue;
    for (Listener* const listener : by_pattern_[pattern]) {
      if (listener->reader != &reader || listener->options.by_hand || event.position < listener->first) continue;
      take(*listener, event.name.size() + event.payload.size);
    }
  }
}

void LosslessListeners::look_for_room() {
  light_fence();
  const EventLog::Need need = log_wish_.load(std::memory_order_relaxed);
  if (need.bytes != 0 && log_.has_room(need)) tell_room_(0, need.bytes);
}

}  // namespace backplane::host
