// SPDX-License-Identifier: Apache-2.0
#include "remote/event_thread.hpp"

#include <cstring>
#include <new>
#include <utility>

#include "support/gap_event.hpp"
#include "support/names.hpp"
#include "support/views.hpp"
#include "sync/clock.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

/// A buffer larger than this is freed when it is empty.
constexpr std::size_t keep = std::size_t{1} << 20;
/// The host is told what callbacks are done with when it is so much, or so long after the last time.
constexpr std::uint64_t told_bytes = std::uint64_t{64} << 10;
constexpr auto told_after = std::chrono::milliseconds(50);

}  // namespace

void EventThread::start(Heard heard) {
  heard_ = std::move(heard);
  thread_ = std::thread([self = shared_from_this()] { self->loop(); });
}

std::uint64_t EventThread::add(std::string pattern, bp_event_fn on_event, void* user, std::uint32_t flags) {
  const MutexLock lock(mutex_);
  listeners_.emplace(last_id_ + 1, Listener{std::move(pattern), on_event, user, flags});
  return ++last_id_;
}

bool EventThread::remove(std::uint64_t id) {
  MutexLock lock(mutex_);
  if (listeners_.erase(id) == 0) return false;
  // Ids are never reused, so if the callback runs now, this is its last run.
  if (!is_this_thread()) changed_.wait(lock, [&]() BP_REQUIRES(mutex_) { return running_ != id; });
  return true;
}

void EventThread::hold(std::uint32_t connection) {
  const MutexLock lock(mutex_);
  append_gaps();  // of the connection before
  connection_ = connection;
  holding_ = true;
}

std::vector<EventThread::Wanted> EventThread::claim_all(std::uint32_t connection) {
  std::vector<Wanted> out;
  const MutexLock lock(mutex_);
  out.reserve(listeners_.size());
  for (auto& [id, listener] : listeners_) {
    listener.gap_due = false;
    if (listener.connection >= connection || is_local(listener.pattern)) continue;
    out.push_back({id, listener.pattern, listener.flags});
    listener.connection = connection;
    listener.gap_due = true;
  }
  return out;
}

bool EventThread::claim(std::uint64_t id, std::uint32_t connection) {
  const MutexLock lock(mutex_);
  const auto at = listeners_.find(id);
  if (at == listeners_.end() || at->second.connection >= connection) return false;
  at->second.connection = connection;
  return true;
}

bool EventThread::has(std::uint64_t id) {
  const MutexLock lock(mutex_);
  return listeners_.contains(id);
}

void EventThread::refused(std::uint64_t id) {
  const MutexLock lock(mutex_);
  const auto at = listeners_.find(id);
  if (at != listeners_.end()) at->second.gap_due = false;
}

void EventThread::release(std::uint64_t broke_ms) {
  const GapEvent gap(Lost{0, broke_ms});
  const bp_event event = gap.native();
  const MutexLock lock(mutex_);
  const std::size_t size = sizeof(Head) + event.name.size + event.payload.size;
  queue_.reserve(queue_.size() + listeners_.size() * size + held_.size());  // nothing is half done
  holding_ = false;
  for (auto& [id, listener] : listeners_) {
    if (!std::exchange(listener.gap_due, false)) continue;
    append({id, event.flags, view(event.name), view(event.payload)});
  }
  queue_.insert(queue_.end(), held_.begin(), held_.end());
  wire::Bytes().swap(held_);
  wake_.notify_one();
}

void EventThread::drop() noexcept {
  const MutexLock lock(mutex_);
  holding_ = false;
  wire::Bytes().swap(held_);
}

void EventThread::push(const wire::Event& event) {
  const MutexLock lock(mutex_);
  const auto at = listeners_.find(event.listener);
  if (at == listeners_.end()) return;
  Listener& listener = at->second;
  // What emitters have waited for is bounded by the host's window.
  if (queue_.size() + held_.size() <= max_waiting_ || (event.flags & BP_EVENT_LOSSLESS) != 0) {
    append_gaps();  // those for which there was no memory before
    return append(event);
  }
  const auto gap = (event.flags & BP_EVENT_GAP) != 0 ? GapEvent::read(event.payload) : std::nullopt;
  listener.lost.add(gap ? gap->events : 1, gap ? gap->since_ms : unix_ms());
  any_lost_ = true;
}

// Losses are noted only while the queue is over its bound, and told when it is handed to the thread. So nothing can be
// queued between a loss and its gap.
void EventThread::append_gaps() {
  if (!any_lost_) return;
  for (auto& [id, listener] : listeners_) {
    if (listener.lost.events == 0) continue;
    const GapEvent gap(listener.lost);
    const bp_event event = gap.native();
    append({id, event.flags, view(event.name), view(event.payload)});
    listener.lost = {};
  }
  any_lost_ = false;
}

void EventThread::push_to_all(std::string_view name, wire::View payload) {
  const MutexLock lock(mutex_);
  append_gaps();
  for (const auto& [id, listener] : listeners_) {
    if (fits_pattern(listener.pattern, name)) append({id, BP_EVENT_TYPED, name, payload});
  }
}

void EventThread::append(const wire::Event& event) {
  const Head head{event.listener, event.flags, static_cast<std::uint32_t>(event.name.size()),
                  static_cast<std::uint32_t>(event.payload.size()), connection_};  // a frame is far smaller
  wire::Bytes& queue = holding_ ? held_ : queue_;
  const bool was_empty = queue.empty();
  const auto* const raw = reinterpret_cast<const std::uint8_t*>(&head);
  const std::size_t need = queue.size() + sizeof head + event.name.size() + event.payload.size();
  if (queue.capacity() < need) queue.reserve(need * 2);
  queue.insert(queue.end(), raw, raw + sizeof head);
  queue.insert(queue.end(), event.name.begin(), event.name.end());
  queue.insert(queue.end(), event.payload.begin(), event.payload.end());
  if (was_empty && !holding_) wake_.notify_one();
}

bool EventThread::finish(Clock::time_point until) {
  MutexLock lock(mutex_);
  finishing_ = true;
  wake_.notify_one();
  return changed_.wait_until(lock, until, [this]() BP_REQUIRES(mutex_) { return ended_; });
}

void EventThread::join_or_detach() {
  if (!thread_.joinable()) return;
  bool ended = false;
  {
    const MutexLock lock(mutex_);
    ended = ended_;
    finishing_ = true;
    wake_.notify_one();
  }
  if (ended && !is_this_thread()) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void EventThread::loop() noexcept {
  thread_id_ = std::this_thread::get_id();
  wire::Bytes batch;
  MutexLock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this]() BP_REQUIRES(mutex_) { return finishing_ || !queue_.empty(); });
    if (queue_.empty()) break;
    batch.swap(queue_);
    try {
      append_gaps();  // what was lost comes behind this batch
    } catch (const std::bad_alloc&) {
      // They are told before the next event is queued.
    }
    lock.unlock();
    deliver_all(batch);
    if (batch.capacity() > keep) wire::Bytes().swap(batch);
    batch.clear();
    lock.lock();
  }
  ended_ = true;
  changed_.notify_all();
}

void EventThread::deliver_all(const wire::Bytes& batch) {
  for (std::size_t at = 0; at < batch.size();) {
    Head head;
    std::memcpy(&head, batch.data() + at, sizeof head);
    deliver(head, batch.data() + at + sizeof head);
    at += sizeof head + head.name_size + head.payload_size;
    if ((head.flags & BP_EVENT_LOSSLESS) != 0) is_done(head);
  }
  tell_done();
}

// Emitters wait for this news. But a frame for each of many small events would cost more than the events.
void EventThread::is_done(const Head& head) {
  const std::uint64_t bytes = std::uint64_t{head.name_size} + head.payload_size;
  if (head.connection != done_connection_) {  // nobody waits for the rest of the one before
    done_.clear();
    done_bytes_ = 0;
    done_connection_ = head.connection;
  }
  try {
    done_[head.listener] += bytes;
  } catch (const std::bad_alloc&) {
    return heard_(head.listener, bytes, head.connection);
  }
  done_bytes_ += bytes;
  if (done_bytes_ >= told_bytes || Clock::now() - told_at_ >= told_after) tell_done();
}

void EventThread::tell_done() {
  if (done_.empty()) return;
  for (const auto& [listener, bytes] : done_) heard_(listener, bytes, done_connection_);
  done_.clear();
  done_bytes_ = 0;
  told_at_ = Clock::now();
}

void EventThread::deliver(const Head& head, const std::uint8_t* body) {
  Listener listener;
  {
    const MutexLock lock(mutex_);
    const auto at = listeners_.find(head.listener);
    if (at == listeners_.end()) return;
    listener.on_event = at->second.on_event;
    listener.user = at->second.user;
    running_ = head.listener;
  }
  bp_event event{};
  event.struct_size = sizeof event;
  event.flags = head.flags;
  event.name = {reinterpret_cast<const char*>(body), head.name_size};
  event.payload = {body + head.name_size, static_cast<std::size_t>(head.payload_size)};
  event.listener.id = head.listener;
  if ((head.flags & BP_EVENT_GAP) != 0) {
    const Lost lost = GapEvent::read(view(event.payload)).value_or(Lost{});
    event.lost = lost.events;
    event.emitted_ms = lost.since_ms;
  }
  listener.on_event(listener.user, &event);
  const MutexLock lock(mutex_);
  running_ = 0;
  changed_.notify_all();
}

}  // namespace backplane::host
