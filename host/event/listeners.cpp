// SPDX-License-Identifier: Apache-2.0
//
// Adds, removes and calls listeners. remove() waits for a running callback, unless that would never end: waits() has
// all waiting threads of the process, so that a cycle of waits can be found.
#include "event/listeners.hpp"

#include <algorithm>

#include "support/names.hpp"
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

std::uint64_t Listeners::add(std::string_view pattern, bp_event_fn on_event, void* user) {
  const MutexLock lock(mutex_);
  auto listener = std::make_shared<Listener>();
  listener->id = ++last_id_;
  listener->pattern = pattern;
  listener->on_event = on_event;
  listener->user = user;
  auto list = std::make_shared<List>(*list_);
  list->push_back(std::move(listener));
  list_ = std::move(list);
  count_.store(list_->size(), std::memory_order_relaxed);
  return last_id_;
}

bool Listeners::remove(std::uint64_t id) {
  std::shared_ptr<Listener> listener;
  {
    const MutexLock lock(mutex_);
    const auto found = std::find_if(list_->begin(), list_->end(), [id](const auto& each) { return each->id == id; });
    if (found == list_->end()) return false;
    listener = *found;
    auto list = std::make_shared<List>(*list_);
    std::erase(*list, listener);
    list_ = std::move(list);
    count_.store(list_->size(), std::memory_order_relaxed);
    listener->removed = true;
    if (!runs_elsewhere(*listener)) return true;
  }
  const Wait wait{std::this_thread::get_id(), this, listener.get()};
  if (!enter(wait)) return true;
  {
    MutexLock lock(mutex_);
    ended_.wait(lock, [&]() BP_REQUIRES(mutex_) { return !runs_elsewhere(*listener); });
  }
  leave(wait);
  return true;
}

void Listeners::clear() noexcept {
  const MutexLock lock(mutex_);
  if (!list_->empty()) list_ = none_;
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
  for (const Run& run : running_) {
    if (run.listener == wait.listener && run.thread != wait.thread) threads.push_back(run.thread);
  }
  return threads;
}

bool Listeners::runs_elsewhere(const Listener& listener) const {
  return std::any_of(running_.begin(), running_.end(), [&listener](const Run& run) {
    return run.listener == &listener && run.thread != std::this_thread::get_id();
  });
}

bool Listeners::begin(Listener& listener, std::string_view event) {
  const MutexLock lock(mutex_);
  if (listener.removed) return false;
  running_.push_back({&listener, std::this_thread::get_id(), event});
  return true;
}

void Listeners::end(Listener& listener) {
  const MutexLock lock(mutex_);
  running_.erase(std::find_if(running_.begin(), running_.end(), [&listener](const Run& run) {
    return run.listener == &listener && run.thread == std::this_thread::get_id();
  }));
  if (listener.removed) ended_.notify_all();
}

void Listeners::call(bp_event event, Heartbeat* heartbeat) {
  std::shared_ptr<const List> list;
  {
    const MutexLock lock(mutex_);
    list = list_;
  }
  const std::string_view name = view(event.name);
  for (const auto& listener : *list) {
    if (!fits_pattern(listener->pattern, name) || !begin(*listener, name)) continue;
    if (heartbeat != nullptr) heartbeat->beat();  // many quick listeners are not a stall
    event.listener.id = listener->id;
    listener->on_event(listener->user, &event);
    end(*listener);
  }
}

Culprit Listeners::running_on(std::thread::id thread) {
  const MutexLock lock(mutex_);
  const auto run =
      std::find_if(running_.begin(), running_.end(), [thread](const Run& r) { return r.thread == thread; });
  if (run == running_.end()) return {};
  return {Holder::listener, nullptr, 0, std::string(run->event), run->listener->id};
}

}  // namespace backplane::host
