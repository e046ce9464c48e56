// SPDX-License-Identifier: Apache-2.0
#include "event/listeners.hpp"

#include <algorithm>

#include "support/names.hpp"
#include "support/views.hpp"

namespace backplane {

std::uint64_t Listeners::add(std::string_view pattern, bp_event_fn on_event, void* user) {
  const std::lock_guard lock(mutex_);
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
  std::unique_lock lock(mutex_);
  const auto found = std::find_if(list_->begin(), list_->end(), [id](const auto& each) { return each->id == id; });
  if (found == list_->end()) return false;
  const std::shared_ptr<Listener> listener = *found;
  auto list = std::make_shared<List>(*list_);
  std::erase(*list, listener);
  list_ = std::move(list);
  count_.store(list_->size(), std::memory_order_relaxed);
  listener->removed = true;
  const auto runs_elsewhere = [&listener] {
    return std::any_of(listener->running_on.begin(), listener->running_on.end(),
                       [](std::thread::id thread) { return thread != std::this_thread::get_id(); });
  };
  ended_.wait(lock, [&] { return !runs_elsewhere(); });
  return true;
}

void Listeners::clear() noexcept {
  const std::lock_guard lock(mutex_);
  if (!list_->empty()) list_ = none_;
  last_id_ = 0;
  count_.store(0, std::memory_order_relaxed);
}

bool Listeners::begin(Listener& listener) {
  const std::lock_guard lock(mutex_);
  if (listener.removed) return false;
  listener.running_on.push_back(std::this_thread::get_id());
  return true;
}

void Listeners::end(Listener& listener) {
  const std::lock_guard lock(mutex_);
  listener.running_on.erase(
      std::find(listener.running_on.begin(), listener.running_on.end(), std::this_thread::get_id()));
  if (listener.removed) ended_.notify_all();
}

void Listeners::call(bp_event event) {
  std::shared_ptr<const List> list;
  {
    const std::lock_guard lock(mutex_);
    list = list_;
  }
  for (const auto& listener : *list) {
    if (!fits_pattern(listener->pattern, view(event.name)) || !begin(*listener)) continue;
    event.listener.id = listener->id;
    listener->on_event(listener->user, &event);
    end(*listener);
  }
}

}  // namespace backplane
