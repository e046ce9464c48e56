// SPDX-License-Identifier: Apache-2.0
//
// Emitters append under a mutex, readers read without one, and fences order sleep and wake.
#include "event/event_log.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

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

constexpr std::size_t aligned(std::size_t size) noexcept { return (size + 7) & ~std::size_t{7}; }

}  // namespace

/// Before each event; behind it the ids of the patterns, the name and the payload.
struct EventLog::Head {
  std::uint64_t emitted_ms;
  std::uint32_t flags;
  std::uint32_t name_size;
  std::uint32_t pattern_count;
  std::uint64_t payload_size;
};

struct EventLog::Segment {
  explicit Segment(std::size_t size) : capacity(size) {}
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() {
    if (bytes != nullptr) release_memory(capacity);
  }

  const std::size_t capacity;
  std::atomic<std::size_t> filled{0};     // emitters write it, readers read it
  std::unique_ptr<std::uint8_t[]> bytes;  // an event lies there from before `filled` counts it

  std::uint64_t first = 0;  // position of its first event; constant while any reader can see it

  // Guarded by the log's mutex.
  Segment* next = nullptr;
  std::uint64_t next_began_ms = 0;  // when the first event of the next one was emitted, Unix time
  PatternCounts matched;            // by its events
  std::uint32_t readers = 0;
  bool dropped = false;  // it has left the log
};

EventLog::EventLog(const EventLogOptions& options)
    : options_(options),
      segment_bytes_(std::clamp<std::size_t>(options.bytes / segments_at_least, 1, usual_segment_bytes)),
      // A log that refuses drops nothing, so its segments may have any number of events.
      segment_events_(options.refuses ? UINT64_MAX : std::max<std::uint64_t>(1, options.events / segments_at_least)),
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

// Takes the oldest segment out of the log. A reader in it keeps it.
void EventLog::drop_oldest() noexcept {
  Segment* const oldest = head_;
  head_ = oldest->next;
  bytes_ -= oldest->capacity;
  for (const auto& [id, count] : oldest->matched.list()) matched_before_head_[id] += count;
  if (oldest->readers != 0) {
    oldest->dropped = true;
    behind_ += oldest->readers;
  } else if (spare_ == nullptr && oldest->capacity == segment_bytes_) {
    spare_ = oldest;
  } else {
    delete oldest;
  }
}

// Drops what all readers have read.
void EventLog::trim() noexcept {
  while (head_ != tail_ && head_->readers == 0 && behind_ == 0) drop_oldest();
}

// Whether a segment of this capacity may be added.
bool EventLog::makes_room(std::size_t capacity) noexcept {
  if (options_.refuses) return bytes_ + capacity <= options_.bytes;
  const auto over = [&]() BP_REQUIRES(mutex_) {
    return bytes_ + capacity > options_.bytes ||
           put_.load(std::memory_order_relaxed) - head_->first + segment_events_ > options_.events;
  };
  while (head_ != tail_ && over()) drop_oldest();
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
  } else {
    forget_memory_refusal();
    segment = make_segment(capacity);
    // At the host's memory limit, the log gives up its oldest part, as at its own bound.
    while (segment == nullptr && memory_was_refused() && !options_.refuses && head_ != tail_) {
      drop_oldest();
      delete std::exchange(spare_, nullptr);
      segment = make_segment(capacity);
    }
    if (segment == nullptr) return Put::no_memory;
  }
  segment->first = put_.load(std::memory_order_relaxed);
  bytes_ += segment->capacity;
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

EventLog::Put EventLog::put(std::string_view name, bp_bytes payload, std::uint32_t flags) noexcept {
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
    if (options_.refuses && is_full()) return Put::full;
    const std::size_t need = aligned(whole + ids.size_bytes());
    const std::uint64_t position = put_.load(std::memory_order_relaxed);
    const std::uint64_t now_ms = unix_ms();
    std::size_t filled = tail_->filled.load(std::memory_order_relaxed);
    // The counts are part of what a segment may take.
    const std::size_t counts = (tail_->matched.list().size() + ids.size()) * sizeof(PatternCounts::Count);
    if (tail_->capacity - filled < need || position - tail_->first >= segment_events_ ||
        (filled != 0 && tail_->capacity - filled < need + counts)) {
      if (const Put rolled = roll(need, now_ms); rolled != Put::ok) return rolled;
      filled = 0;
    }
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

std::vector<EventLog::PatternId> EventLog::match(std::string_view name) {
  const MutexLock lock(mutex_);
  const auto ids = patterns_.match(name);
  return {ids.begin(), ids.end()};
}

std::vector<std::uint64_t> EventLog::matched() {
  const MutexLock lock(mutex_);
  return patterns_.matched();
}

bool EventLog::is_half_empty() {
  const MutexLock lock(mutex_);
  return put_.load(std::memory_order_relaxed) - slowest() <= options_.events / 2 && bytes_ <= options_.bytes / 2;
}

std::uint64_t EventLog::bytes() {
  const MutexLock lock(mutex_);
  return bytes_;
}

// Moves the reader from the end of its segment to the next event. Returns whether events were lost between.
bool EventLog::advance(Reader& reader) noexcept {
  const MutexLock lock(mutex_);
  Segment* const from = reader.segment_;
  // There is an event behind this one's, so there is a segment.
  Segment* const to = from->dropped ? head_ : from->next;
  const std::uint64_t position = reader.position_.load(std::memory_order_relaxed);
  const std::uint64_t lost = to->first - position;
  if (lost != 0) {
    // Then `to` is the head.
    reader.gap_.events = lost;
    reader.gap_.since_ms = from->next_began_ms;
    try {
      reader.gap_.matched = matched_before_head_;
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
