// SPDX-License-Identifier: Apache-2.0
//
// Adds, removes and calls listeners. remove() waits for a running callback, unless that would never end: waits() has
// all waiting threads of the process, so that a cycle of waits can be found.
#include "event/listeners.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "support/gap_event.hpp"
#include "support/views.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

// A thread in remove() that waits until the callback of `listener` does not run on any other thread.
struct Listeners::Wait {
  std::thread::id thread;
  Listeners* of;
  const Listener* listener;
};

namespace {

// Guards waits(). Locked before mutex_, and only if remove() must wait.
Mutex waits_mutex;

}  // namespace

// The waits of all contexts, because a cycle may include several contexts.
std::vector<const Listeners::Wait*>& Listeners::waits() {
  static auto& waits = *new std::vector<const Wait*>;  // callbacks may run while the process exits
  return waits;
}

std::shared_ptr<Listeners::Listener> Listeners::make(const Subscription& subscription) {
  auto listener = std::make_shared<Listener>();
  listener->pattern = subscription.pattern;
  listener->label = subscription.label;
  listener->on_event = subscription.on_event;
  listener->user = subscription.user;
  listener->own_thread = subscription.own_thread;
  listener->lossless = subscription.lossless;
  return listener;
}

std::uint64_t Listeners::add(std::shared_ptr<Listener> listener, const EventLog::Start& start) {
  listener->pattern_id = start.pattern;
  listener->first = start.position;
  listener->seen = start.matched;
  if (by_pattern_.size() <= start.pattern) by_pattern_.resize(start.pattern + 1);
  listener->id = last_id_ + 1;
  Listener& added = *listener;
  by_id_.emplace_hint(by_id_.end(), listener->id, std::move(listener));
  link(added);
  count_.store(by_id_.size(), std::memory_order_relaxed);
  return ++last_id_;
}

void Listeners::link(Listener& listener) {
  List& list = by_pattern_[listener.pattern_id];
  listener.previous = std::exchange(list.last, &listener);
  (listener.previous == nullptr ? list.first : listener.previous->next) = &listener;
}

void Listeners::unlink(Listener& listener) noexcept {
  List& list = by_pattern_[listener.pattern_id];
  (listener.previous == nullptr ? list.first : listener.previous->next) = listener.next;
  (listener.next == nullptr ? list.last : listener.next->previous) = listener.previous;
}

bool Listeners::remove(std::uint64_t id, EventLog::PatternId& pattern) {
  std::shared_ptr<Listener> listener;
  {
    const MutexLock lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return false;
    listener = found->second;
    auto node = by_id_.extract(found);
    count_.store(by_id_.size(), std::memory_order_relaxed);
    pattern = listener->pattern_id;
    listener->removed = true;
    if (listener->runs == 0) {
      unlink(*listener);
      return true;
    }
    leaving_.insert(std::move(node));  // until its callbacks have returned; see stays()
    if (!runs_elsewhere(*listener)) return true;
  }
  const Wait wait{std::this_thread::get_id(), this, listener.get()};
  bool entered = false;
  try {
    if (!enter(wait)) return true;
    entered = true;
  } catch (const std::bad_alloc&) {
    // Waiting without being found by others is better than to return while the callback runs.
  }
  {
    MutexLock lock(mutex_);
    ended_.wait(lock, [&]() BP_REQUIRES(mutex_) { return !runs_elsewhere(*listener); });
  }
  if (entered) leave(wait);
  return true;
}

void Listeners::clear() noexcept {
  const MutexLock lock(mutex_);
  by_id_.clear();
  by_pattern_.clear();
  last_id_ = 0;
  count_.store(0, std::memory_order_relaxed);
}

// Adds the wait. Returns false, and adds nothing, if the wait would never end. While waits_mutex is locked, no thread
// in waits() can return from remove() and from its callback. So what closes_ring() reads step by step is consistent.
bool Listeners::enter(const Wait& wait) {
  const MutexLock lock(waits_mutex);
  if (closes_ring(wait)) return false;
  waits().push_back(&wait);
  return true;
}

void Listeners::leave(const Wait& wait) {
  const MutexLock lock(waits_mutex);
  std::erase(waits(), &wait);
}

// Whether `last` waits, directly or through other waits, for its own thread.
bool Listeners::closes_ring(const Wait& last) {
  std::vector<const Wait*> reached{&last};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    for (const std::thread::id thread : reached[i]->of->waited_for(*reached[i])) {
      if (thread == last.thread) return true;
      const auto found =
          std::find_if(waits().begin(), waits().end(), [thread](const Wait* each) { return each->thread == thread; });
      if (found != waits().end() && std::find(reached.begin(), reached.end(), *found) == reached.end()) {
        reached.push_back(*found);
      }
    }
  }
  return false;
}

std::vector<std::thread::id> Listeners::waited_for(const Wait& wait) {
  std::vector<std::thread::id> threads;
  const MutexLock lock(mutex_);
  for (const Run* run = running_; run != nullptr; run = run->next) {
    if (run->listener == wait.listener && run->thread != wait.thread) threads.push_back(run->thread);
  }
  return threads;
}

bool Listeners::runs_elsewhere(const Listener& listener) const {
  const Run* run = running_;
  while (run != nullptr && (run->listener != &listener || run->thread == std::this_thread::get_id())) run = run->next;
  return run != nullptr;
}

namespace {

// Inside a callback, where drop_event() notes its call.
thread_local bool* dropped_here = nullptr;

}  // namespace

bool Listeners::drop_event() noexcept {
  if (dropped_here == nullptr) return false;
  *dropped_here = true;
  return true;
}

// Unlocks the mutex while the callback runs. Meanwhile the listener stays linked, and exists, also if it is removed.
// Then stays() must follow.
void Listeners::run(Listener& listener, bp_event event, What what) {
  Run here{&listener, std::this_thread::get_id(), view(event.name), running_};
  running_ = &here;
  ++listener.runs;
  event.listener.id = listener.id;
  if (!listener.lossless) event.flags &= ~std::uint32_t{BP_EVENT_LOSSLESS};
  bool dropped = false;
  bool* const outer = std::exchange(dropped_here, &dropped);
  mutex_.unlock();
  listener.on_event(listener.user, &event);
  mutex_.lock();
  dropped_here = outer;
  Run** link = &running_;
  while (*link != &here) link = &(*link)->next;
  *link = here.next;
  --listener.runs;
  if (what == What::event) {
    ++listener.seen;
    ++(dropped ? listener.lost : listener.delivered);
  }
}

// After a run. Returns false if the listener is removed; it may be freed here then.
bool Listeners::stays(Listener& listener) {
  if (!listener.removed) return true;
  ended_.notify_all();
  if (listener.runs == 0) {
    unlink(listener);
    leaving_.erase(listener.id);
  }
  return false;
}

// Returns false if the listener is removed, and may be freed.
bool Listeners::run_gap(Listener& listener, const EventLog::Reader::Gap& gap) {
  const std::uint64_t matched = listener.pattern_id < gap.matched.size() ? gap.matched[listener.pattern_id] : 0;
  if (matched <= listener.seen) return true;  // none of those was for it
  const std::uint64_t lost = matched - std::exchange(listener.seen, matched);
  listener.lost += lost;
  const GapEvent event({lost, gap.since_ms});
  run(listener, event.native(), What::gap);
  return stays(listener);
}

bool Listeners::is_for(const Listener& listener, std::uint64_t position, What what, std::uint64_t newest) const {
  if (listener.removed) return false;
  if (what == What::event) return !listener.own_thread && position >= listener.first;
  return listener.id <= newest && !(listener.own_thread && listener.runs != 0);
}

void Listeners::run_all(const bp_event& event, std::span<const EventLog::PatternId> patterns, std::uint64_t position,
                        What what, Heartbeat* heartbeat) {
  const std::uint64_t newest = last_id_;
  for (const EventLog::PatternId id : patterns) {
    if (id >= by_pattern_.size()) continue;
    for (Listener* listener = by_pattern_[id].first; listener != nullptr;) {
      if (!is_for(*listener, position, what, newest)) {
        listener = listener->next;
        continue;
      }
      if (heartbeat != nullptr) heartbeat->beat();  // many quick listeners are not a stall
      run(*listener, event, what);
      Listener* const next = listener->next;
      stays(*listener);
      listener = next;
    }
  }
}

void Listeners::call(bp_event event, std::span<const EventLog::PatternId> patterns, std::uint64_t position,
                     Heartbeat* heartbeat) {
  const MutexLock lock(mutex_);
  run_all(event, patterns, position, What::event, heartbeat);
}

void Listeners::call_now(bp_event event, std::span<const EventLog::PatternId> patterns) {
  const MutexLock lock(mutex_);
  run_all(event, patterns, 0, What::uncounted, nullptr);
}

void Listeners::tell_gap(const EventLog::Reader::Gap& gap, Heartbeat* heartbeat) {
  const MutexLock lock(mutex_);
  for (auto at = by_id_.begin(); at != by_id_.end();) {
    const std::uint64_t id = at->first;
    if (!at->second->own_thread) {
      if (heartbeat != nullptr) heartbeat->beat();
      run_gap(*at->second, gap);
    }
    at = by_id_.upper_bound(id);
  }
}

bool Listeners::call_one(std::uint64_t id, bp_event event, std::span<const EventLog::PatternId> patterns,
                         std::uint64_t position) {
  const MutexLock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  Listener& listener = *found->second;
  const bool is_for_it = std::find(patterns.begin(), patterns.end(), listener.pattern_id) != patterns.end();
  if (!is_for_it || position < listener.first) return true;
  run(listener, event, What::event);
  return stays(listener);
}

bool Listeners::tell_gap_to_one(std::uint64_t id, const EventLog::Reader::Gap& gap) {
  const MutexLock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  return run_gap(*found->second, gap);
}

// In pieces, so that the event thread need not wait for all of it.
std::vector<Listeners::Report> Listeners::report() {
  constexpr std::size_t piece = 256;
  std::vector<Report> reports;
  for (std::uint64_t last = 0;;) {
    const MutexLock lock(mutex_);
    auto at = by_id_.upper_bound(last);
    for (std::size_t i = 0; i < piece && at != by_id_.end(); ++i, ++at) {
      const Listener& each = *at->second;
      reports.push_back({each.id, each.pattern, each.label, each.pattern_id, each.seen, each.delivered, each.lost});
      last = each.id;
    }
    if (at == by_id_.end()) return reports;
  }
}

bool Listeners::has(std::uint64_t id) {
  const MutexLock lock(mutex_);
  return by_id_.find(id) != by_id_.end();
}

void Listeners::end_lossless(std::uint64_t id) {
  const MutexLock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found != by_id_.end()) found->second->lossless = false;
}

std::string Listeners::describe(std::uint64_t id) {
  std::string text = "the listener " + std::to_string(id);
  const MutexLock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return text;
  text += " of " + found->second->pattern;
  if (!found->second->label.empty()) text += " (" + found->second->label + ")";
  return text;
}

Culprit Listeners::running_on(std::thread::id thread) {
  const MutexLock lock(mutex_);
  const Run* run = running_;
  while (run != nullptr && run->thread != thread) run = run->next;
  if (run == nullptr) return {};
  return {Holder::listener, nullptr, 0, std::string(run->event), run->listener->id};
}

}  // namespace backplane::host
