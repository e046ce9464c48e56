// SPDX-License-Identifier: Apache-2.0
//
// The emitters' side: they append under a mutex, and the log gives up what is beyond its bound.
#include "event/event_log.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "event/log_segment.hpp"
#include "memory/budget.hpp"
#include "support/typed_event.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/futex.hpp"

namespace backplane::host {
namespace {

/// Segments begin small, because most contexts emit little. At this size, the cost of a new one is spread enough.
constexpr std::size_t first_segment_bytes = 4096;
constexpr std::size_t usual_segment_bytes = std::size_t{64} << 10;
/// A log that is full gives up this part of itself at once.
constexpr std::uint64_t segments_at_least = 8;

// Makes one count of those of the same pattern. The first `sorted` are in order.
void unite(std::vector<PatternCounts::Count>& counts, std::size_t sorted) noexcept {
  const auto by_pattern = [](const auto& a, const auto& b) { return a.pattern < b.pattern; };
  const auto middle = counts.begin() + static_cast<std::ptrdiff_t>(sorted);
  std::sort(middle, counts.end(), by_pattern);
  std::inplace_merge(counts.begin(), middle, counts.end(), by_pattern);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (kept != 0 && counts[kept - 1].pattern == counts[i].pattern) {
      counts[kept - 1].events += counts[i].events;
    } else {
      counts[kept++] = counts[i];
    }
  }
  counts.resize(kept);
}

}  // namespace

EventLog::EventLog(const EventLogOptions& options)
    : options_(options),
      segment_bytes_(std::clamp<std::size_t>(options.bytes / segments_at_least, 1, usual_segment_bytes)),
      // A log that refuses drops nothing, so its segments may have any number of events.
      segment_events_(options.refuses ? UINT64_MAX : std::max<std::uint64_t>(1, options.events / segments_at_least)),
      patterns_(options.patterns),
      next_bytes_(std::min(first_segment_bytes, segment_bytes_)) {
  head_ = tail_ = new Segment(0);
}

EventLog::~EventLog() {
  while (head_ != nullptr) delete std::exchange(head_, head_->next);
  delete spare_;
}

EventLog::Segment* EventLog::make_segment(std::size_t capacity) noexcept {
  std::unique_ptr<Segment> segment(new (std::nothrow) Segment(capacity));
  if (segment == nullptr) return nullptr;
  if (!charge_memory(capacity)) return nullptr;
  segment->bytes.reset(new (std::nothrow) std::uint8_t[capacity]);  // not set to zero, so it takes no memory yet
  if (segment->bytes != nullptr) return segment.release();
  release_memory(capacity);
  return nullptr;
}

// Takes a segment out of the log: the one behind `before`, or the head. A reader in it keeps it. False: no memory.
bool EventLog::drop(Segment* before) noexcept {
  Segment* const segment = before == nullptr ? head_ : before->next;
  Segment& next = *segment->next;  // the tail is never dropped
  if (before != nullptr) {
    auto& gap = next.matched_in_gap;
    const auto& matched = segment->matched.list();
    try {
      gap.reserve(gap.size() + segment->matched_in_gap.size() + matched.size());
    } catch (const std::bad_alloc&) {
      return false;
    }
    const std::size_t sorted = gap.size();
    gap.insert(gap.end(), segment->matched_in_gap.begin(), segment->matched_in_gap.end());
    gap.insert(gap.end(), matched.begin(), matched.end());
    unite(gap, sorted);
    before->next = &next;
  } else {
    for (const auto& [id, count] : segment->matched.list()) matched_before_head_[id] += count;
    for (const auto& [id, count] : next.matched_in_gap) matched_before_head_[id] += count;
    next.matched_in_gap.clear();
    head_ = &next;
  }
  bytes_ -= segment->capacity;
  events_ -= segment->events;
  if (segment->readers != 0) {
    segment->dropped = true;
    behind_ += segment->readers;
  } else if (spare_ == nullptr && segment->capacity == segment_bytes_) {
    spare_ = segment;
  } else {
    delete segment;
  }
  return true;
}

// Drops the oldest segment that need not stay. False: there is none.
bool EventLog::drop_oldest() noexcept {
  const std::uint64_t read = lossless_read();
  Segment* before = nullptr;
  for (Segment* at = head_; at != tail_; before = std::exchange(at, at->next)) {
    if (at->lossless_end <= read && drop(before)) return true;
  }
  return false;
}

// Drops what all readers have read.
void EventLog::trim() noexcept {
  while (head_ != tail_ && head_->readers == 0 && behind_ == 0) drop(nullptr);
}

// Lossless events before this position are read, by all that must not lose them.
std::uint64_t EventLog::lossless_read() const noexcept {
  std::uint64_t position = UINT64_MAX;
  for (const Reader* const reader : readers_) {
    if (reader->lossless_ != 0 && !reader->stopped_.load(std::memory_order_relaxed)) {
      position = std::min(position, reader->position());
    }
  }
  return position;
}

// With the counts that it adds: they are part of what a segment may take, except of an empty one.
std::size_t EventLog::whole_need(const Need& need) const noexcept {
  if (tail_->filled.load(std::memory_order_relaxed) == 0) return need.bytes;
  return need.bytes + (tail_->matched.list().size() + need.patterns) * sizeof(PatternCounts::Count);
}

bool EventLog::tail_takes(std::size_t need) const noexcept {
  return tail_->capacity - tail_->filled.load(std::memory_order_relaxed) >= need &&
         put_.load(std::memory_order_relaxed) - tail_->first < segment_events_;
}

// Whether the log may keep one lossless event more, which takes so many bytes: alone, or within half of the bound.
bool EventLog::can_keep(std::size_t need) const noexcept {
  const std::uint64_t put = put_.load(std::memory_order_relaxed);
  const std::uint64_t read = lossless_read();
  std::uint64_t bytes = 0;
  std::uint64_t events = 0;
  for (const Segment* at = head_; at != nullptr; at = at->next) {
    if (at->lossless_end <= read) continue;
    bytes += at->capacity;
    events += at == tail_ ? put - at->first : at->events;
  }
  if (bytes == 0) return true;
  const bool into_tail = tail_->lossless_end > read && tail_takes(need);
  return into_tail || (bytes + std::max(need, segment_bytes_) <= options_.bytes / 2 &&
                       events + segment_events_ <= options_.events / 2);
}

// Whether a segment of this capacity may be added.
bool EventLog::makes_room(std::size_t capacity) noexcept {
  if (options_.refuses) return bytes_ + capacity <= options_.bytes;
  const auto over = [&]() BP_REQUIRES(mutex_) {
    return bytes_ + capacity > options_.bytes ||
           events_ + put_.load(std::memory_order_relaxed) - tail_->first + segment_events_ > options_.events;
  };
  while (over() && drop_oldest()) {
  }
  return true;
}

// Adds a segment with room for an event of this size.
EventLog::Put EventLog::roll(std::size_t need, std::uint64_t now_ms) noexcept {
  const std::size_t capacity = std::max(need, next_bytes_);
  if (!makes_room(capacity)) return Put::full;
  Segment* segment = nullptr;
  if (spare_ != nullptr && spare_->capacity >= capacity) {
    segment = std::exchange(spare_, nullptr);
    segment->filled.store(0, std::memory_order_relaxed);
    segment->next = nullptr;
    segment->matched.clear();
    segment->matched_in_gap.clear();
    segment->lossless_end = 0;
  } else {
    forget_memory_refusal();
    segment = make_segment(capacity);
    // At the host's memory limit, the log gives up its oldest part, as at its own bound.
    while (segment == nullptr && memory_was_refused() && !options_.refuses && drop_oldest()) {
      delete std::exchange(spare_, nullptr);
      segment = make_segment(capacity);
    }
    if (segment == nullptr) return Put::no_memory;
  }
  segment->first = put_.load(std::memory_order_relaxed);
  bytes_ += segment->capacity;
  tail_->events = segment->first - tail_->first;
  events_ += tail_->events;
  next_bytes_ = std::min(segment_bytes_, next_bytes_ * 2);
  tail_->next_began_ms = now_ms;
  tail_->next = segment;
  tail_ = segment;
  trim();
  return Put::ok;
}

std::uint64_t EventLog::slowest() const noexcept {
  std::uint64_t position = put_.load(std::memory_order_relaxed);
  for (const Reader* const reader : readers_) {
    if (!reader->stopped_.load(std::memory_order_relaxed)) position = std::min(position, reader->position());
  }
  return position;
}

bool EventLog::is_full() noexcept {
  const std::uint64_t put = put_.load(std::memory_order_relaxed);
  if (put - read_seen_ < options_.events) return false;
  read_seen_ = slowest();
  return put - read_seen_ >= options_.events;
}

EventLog::Put EventLog::put(std::string_view name, bp_bytes payload, std::uint32_t flags, Need* full) noexcept {
  const std::size_t envelope_size = (flags & BP_EVENT_TYPED) != 0 ? typed_event::head_size(name) : 0;
  {
    const MutexLock lock(mutex_);
    if (closed_.load(std::memory_order_relaxed) || settling_.load(std::memory_order_relaxed)) return Put::closed;
    std::span<const PatternId> ids;
    try {
      ids = patterns_.match(name);
    } catch (const std::bad_alloc&) {
      return Put::no_memory;
    }
    if (ids.empty()) return Put::unheard;
    const std::size_t whole = sizeof(Head) + name.size() + envelope_size + payload.size;
    if (payload.size > largest() || whole > largest()) return Put::too_large;
    const std::size_t need = aligned(whole + ids.size_bytes());
    const Need asked{static_cast<std::uint32_t>(need), static_cast<std::uint32_t>(ids.size())};
    const bool lossless = (flags & BP_EVENT_LOSSLESS) != 0;
    if (options_.refuses ? is_full() : lossless && !can_keep(whole_need(asked))) {
      if (full != nullptr) *full = asked;
      return Put::full;
    }
    const std::uint64_t position = put_.load(std::memory_order_relaxed);
    const std::uint64_t now_ms = unix_ms();
    if (!tail_takes(whole_need(asked))) {
      if (const Put rolled = roll(need, now_ms); rolled != Put::ok) {
        if (full != nullptr) *full = asked;
        return rolled;
      }
    }
    const std::size_t filled = tail_->filled.load(std::memory_order_relaxed);
    if (!patterns_.count(ids, tail_->matched)) return Put::no_memory;
    std::uint8_t* at = tail_->bytes.get() + filled;
    const auto append = [&at](const void* from, std::size_t size) {
      if (size != 0) std::memcpy(at, from, size);
      at += size;
    };
    const Head head{now_ms, flags, static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(ids.size()),
                    envelope_size + payload.size};
    append(&head, sizeof head);
    append(ids.data(), ids.size_bytes());
    append(name.data(), name.size());
    if (envelope_size != 0) at = typed_event::write_head(at, name);
    append(payload.data, payload.size);
    if (lossless) tail_->lossless_end = position + 1;
    tail_->filled.store(filled + need, std::memory_order_release);
    put_.store(position + 1, std::memory_order_release);
  }
  wake();
  return Put::ok;
}

EventLog::Start EventLog::subscribe(std::string_view pattern) {
  const MutexLock lock(mutex_);
  const PatternId id = patterns_.add(pattern);
  try {
    matched_before_head_.resize(std::max<std::size_t>(matched_before_head_.size(), patterns_.matched().size()));
  } catch (...) {
    patterns_.remove(id);
    throw;
  }
  heard_.store(true, std::memory_order_relaxed);
  return {id, put_.load(std::memory_order_relaxed), patterns_.matched()[id]};
}

void EventLog::unsubscribe(PatternId id) noexcept {
  const MutexLock lock(mutex_);
  patterns_.remove(id);
  heard_.store(!patterns_.empty(), std::memory_order_relaxed);
}

void EventLog::unsubscribe_all() noexcept {
  const MutexLock lock(mutex_);
  patterns_.clear();
  heard_.store(false, std::memory_order_relaxed);
}

void EventLog::match(std::string_view name, std::vector<PatternId>& out) {
  const MutexLock lock(mutex_);
  const auto ids = patterns_.match(name);
  out.assign(ids.begin(), ids.end());
}

std::vector<std::uint64_t> EventLog::matched() {
  const MutexLock lock(mutex_);
  return patterns_.matched();
}

void EventLog::add_lossless(Reader& reader) noexcept {
  const MutexLock lock(mutex_);
  ++reader.lossless_;
}

void EventLog::remove_lossless(Reader& reader) noexcept {
  const MutexLock lock(mutex_);
  // The thread of its listener may not have begun, or may have ended.
  if (std::find(readers_.begin(), readers_.end(), &reader) != readers_.end()) --reader.lossless_;
}

// As put() looks at it.
bool EventLog::has_room(const Need& need) {
  const MutexLock lock(mutex_);
  if (!options_.refuses) return can_keep(whole_need(need));
  return !is_full() &&
         (tail_takes(whole_need(need)) || bytes_ + std::max<std::size_t>(need.bytes, next_bytes_) <= options_.bytes);
}

bool EventLog::is_half_empty() {
  const MutexLock lock(mutex_);
  return put_.load(std::memory_order_relaxed) - slowest() <= options_.events / 2 && bytes_ <= options_.bytes / 2;
}

std::uint64_t EventLog::bytes() {
  const MutexLock lock(mutex_);
  return bytes_;
}

void EventLog::wake() noexcept {
  light_fence();
  std::uint32_t seen = asleep_.load(std::memory_order_relaxed);
  while ((seen & 1) != 0) {
    if (!asleep_.compare_exchange_weak(seen, seen + 1)) continue;
    futex_wake_all(&asleep_);
    return;
  }
}

void EventLog::close() noexcept {
  {
    const MutexLock lock(mutex_);
    closed_.store(true, std::memory_order_release);
  }
  wake();
}

bool EventLog::all_done() const noexcept {
  const std::uint64_t put = put_.load(std::memory_order_relaxed);
  return std::all_of(readers_.begin(), readers_.end(), [put](const Reader* reader) {
    return reader->done_.load(std::memory_order_acquire) == put || reader->stopped_.load(std::memory_order_acquire);
  });
}

// This thread sets settling_, then reads done_ of each reader. A reader sets done_, then reads settling_. With the
// fences, one of the two sees the other.
bool EventLog::settle(std::chrono::milliseconds timeout) {
  MutexLock lock(mutex_);
  settling_.store(true, std::memory_order_relaxed);
  const auto done = [this]() BP_REQUIRES(mutex_) { return all_done(); };
  if (done()) return true;  // avoids the heavy fence, which interrupts the cores of the readers
  heavy_fence();
  return settled_.wait_for(lock, timeout, done);
}

void EventLog::tell_settled() noexcept {
  light_fence();
  if (!settling_.load(std::memory_order_relaxed)) return;
  const MutexLock lock(mutex_);
  settled_.notify_all();
}

void EventLog::open() noexcept {
  const MutexLock lock(mutex_);
  settling_.store(false, std::memory_order_relaxed);
}

}  // namespace backplane::host
