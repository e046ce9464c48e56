// SPDX-License-Identifier: Apache-2.0
//
// The readers' side of the event log: they read without a lock, and fences order sleep and wake.
#include <cstring>
#include <new>

#include "event/event_log.hpp"
#include "event/log_segment.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/futex.hpp"

namespace backplane::host {

// For each pattern: how many events before this segment have matched it.
std::vector<std::uint64_t> EventLog::matched_before(const Segment& segment) const {
  std::vector<std::uint64_t> matched = matched_before_head_;
  for (const Segment* at = head_; at != &segment;) {
    for (const auto& [id, count] : at->matched.list()) matched[id] += count;
    at = at->next;
    for (const auto& [id, count] : at->matched_in_gap) matched[id] += count;
  }
  return matched;
}

// Moves the reader from the end of its segment to the next event. Returns whether events were lost between.
bool EventLog::advance(Reader& reader) noexcept {
  const MutexLock lock(mutex_);
  Segment* const from = reader.segment_;
  const std::uint64_t position = reader.position_.load(std::memory_order_relaxed);
  // There is an event behind this one's, so there is a segment.
  Segment* to = from->next;
  if (from->dropped) {
    to = head_;
    while (to->first < position) to = to->next;
  }
  const std::uint64_t lost = to->first - position;
  if (lost != 0) {
    reader.gap_.events = lost;
    reader.gap_.since_ms = from->next_began_ms;
    try {
      reader.gap_.matched = matched_before(*to);
    } catch (const std::bad_alloc&) {
      reader.gap_.matched.clear();
    }
  }
  reader.segment_ = to;
  reader.at_ = 0;
  reader.filled_seen_ = to->filled.load(std::memory_order_relaxed);
  ++to->readers;
  --from->readers;
  if (from->dropped) {
    --behind_;
    if (from->readers == 0) delete from;
  }
  trim();
  if (lost == 0) return false;
  reader.position_.store(to->first, std::memory_order_release);
  return true;
}

EventLog::Reader::Reader(EventLog& log, Nanos spin) : log_(log), spin_(spin) {
  const MutexLock lock(log_.mutex_);
  log_.readers_.push_back(this);
  segment_ = log_.tail_;
  ++segment_->readers;
  at_ = filled_seen_ = segment_->filled.load(std::memory_order_relaxed);
  put_seen_ = log_.put_.load(std::memory_order_relaxed);
  position_.store(put_seen_, std::memory_order_relaxed);
  done_.store(put_seen_, std::memory_order_relaxed);
}

EventLog::Reader::~Reader() {
  const MutexLock lock(log_.mutex_);
  std::erase(log_.readers_, this);
  --segment_->readers;
  if (segment_->dropped) {
    --log_.behind_;
    if (segment_->readers == 0) delete segment_;
  }
  log_.trim();
  log_.settled_.notify_all();
}

void EventLog::Reader::read_event() noexcept {
  const std::uint8_t* at = segment_->bytes.get() + at_;
  Head head;
  std::memcpy(&head, at, sizeof head);
  at += sizeof head;
  event_.position = position_.load(std::memory_order_relaxed);
  event_.emitted_ms = head.emitted_ms;
  event_.flags = head.flags;
  event_.patterns = {reinterpret_cast<const PatternId*>(at), head.pattern_count};
  at += event_.patterns.size_bytes();
  event_.name = {reinterpret_cast<const char*>(at), head.name_size};
  at += head.name_size;
  event_.payload = {at, static_cast<std::size_t>(head.payload_size)};
  at += head.payload_size;
  event_size_ = aligned(static_cast<std::size_t>(at - segment_->bytes.get()) - at_);
}

EventLog::Reader::Next EventLog::Reader::look() noexcept {
  if (!has_more()) {
    done_.store(position_.load(std::memory_order_relaxed), std::memory_order_release);
    return Next::none;
  }
  if (at_ == filled_seen_) {
    filled_seen_ = segment_->filled.load(std::memory_order_acquire);
    if (at_ == filled_seen_ && log_.advance(*this)) return Next::gap;
  }
  read_event();
  return Next::event;
}

EventLog::Reader::Next EventLog::Reader::take() noexcept {
  if (stopped_.load(std::memory_order_acquire)) return Next::none;
  if (const Next next = look(); next != Next::none) return next;
  log_.tell_settled();
  // After closing, no event is added, so one last look is enough.
  while (!has_more() && !is_over()) {
    if (!spin_.spin([this] { return has_more() || is_over(); })) sleep();
  }
  return stopped_.load(std::memory_order_acquire) ? Next::none : look();
}

void EventLog::Reader::release() noexcept {
  at_ += event_size_;
  position_.store(event_.position + 1, std::memory_order_release);
}

// A reader sets the low bit, then looks once more. An emitter appends, then reads the bit. Each side has a fence
// between its two steps (sync/asymmetric_fence.hpp), so one of the two sees the other. The reader leaves the bit set if
// it need not sleep after all, because another may sleep; then the next emitter wakes nobody.
void EventLog::Reader::sleep() noexcept {
  const Nanos begin = now();
  const std::uint32_t seen = log_.asleep_.fetch_or(1, std::memory_order_relaxed) | 1;
  heavy_fence();
  if (!has_more() && !is_over()) futex_wait(log_.asleep_, seen);
  spin_.slept(now() - begin);
}

void EventLog::Reader::stop() noexcept {
  stopped_.store(true, std::memory_order_release);
  log_.wake();
  log_.tell_settled();  // nobody waits for it any more
}

}  // namespace backplane::host
