// SPDX-License-Identifier: Apache-2.0
#include "event/bus.hpp"

#include <algorithm>
#include <new>
#include <optional>
#include <string>

#include "support/log.hpp"
#include "support/names.hpp"
#include "support/signal_stack.hpp"
#include "support/views.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/host_thread.hpp"
#include "sync/single_writer_count.hpp"

namespace backplane::host {
namespace {

thread_local const EventBus* current_bus = nullptr;

bp_event native(const EventLog::Reader::Event& event) noexcept {
  bp_event out{};
  out.struct_size = sizeof out;
  out.flags = event.flags;
  out.name = str(event.name);
  out.payload = event.payload;
  out.emitted_ms = event.emitted_ms;
  return out;
}

}  // namespace

/// A thread that reads the log for one listener. It ends by itself when the listener is removed.
struct EventBus::OwnThread {
  OwnThread(EventLog& log, Nanos spin) { reader.emplace(log, spin); }
  std::optional<EventLog::Reader> reader;  // none: it has ended; changed with own_mutex_ locked
  std::uint64_t listener = 0;
  std::thread thread;
};

EventBus::EventBus(const EventLogOptions& options, Watchdog& watchdog, Owner owner, Nanos stall, Nanos spin)
    : options_(options),
      spin_(spin),
      watchdog_(watchdog),
      owner_(std::move(owner)),
      log_(options),
      reader_(log_, spin),
      lossless_(log_, stall, owner_.room) {}

EventBus::~EventBus() { end_own_threads(std::chrono::steady_clock::time_point::max()); }

bool EventBus::on_any_thread() noexcept { return current_bus != nullptr; }

// At most one a second: an emitter may go on for ever.
void EventBus::tell_too_large(std::string_view name, std::size_t size) noexcept try {
  constexpr Nanos second = 1'000 * nanos_per_ms;
  const Nanos time = now();
  Nanos told = told_too_large_.load(std::memory_order_relaxed);
  if ((told != 0 && time - told < second) || !told_too_large_.compare_exchange_strong(told, time)) return;
  log::warn("event", "the event " + std::string(name) + " of " + std::to_string(name.size() + size) +
                         " bytes with its name was refused: event_log_bytes allows one event " +
                         std::to_string(log_.largest()) + " bytes, a quarter of itself");
} catch (const std::bad_alloc&) {
  // The emitter is told by the status.
}

namespace {

bool can_be_emitted(std::string_view name, bp_bytes payload, std::uint32_t flags) noexcept {
  if (!is_wire_name(name) || (flags & ~std::uint32_t{BP_EVENT_TYPED}) != 0) return false;
  return (flags & BP_EVENT_TYPED) == 0 || payload.size != 0;  // must be one CBOR item
}

}  // namespace

bp_status EventBus::emit(std::string_view name, bp_bytes payload, std::uint32_t flags) {
  if (!can_be_emitted(name, payload, flags)) return BP_INVALID_ARGUMENT;
  const EventLog::Put put = log_.is_heard() ? log_.put(name, payload, flags) : EventLog::Put::unheard;
  if (put == EventLog::Put::ok) return BP_OK;
  const bp_status status = result_of(put, name, payload.size);
  if (put != EventLog::Put::full) return status;
  set_stuck(true);
  heavy_fence();  // pairs with the light fences of the readers: one sees stuck_, or this sees the released events
  look_if_still_stuck();
  return status;
}

bp_status EventBus::emit_lossless(std::string_view name, bp_bytes payload, std::uint32_t flags, EmitTry& attempt) {
  if (!lossless_.any() && !options_.refuses) {
    if (attempt.turn != 0) lossless_.leave(attempt);
    return emit(name, payload, flags);
  }
  if (!can_be_emitted(name, payload, flags)) return BP_INVALID_ARGUMENT;
  LosslessListeners::Offer offer;
  try {
    offer = lossless_.offer(name, payload, flags, attempt);
  } catch (const std::bad_alloc&) {
    offer.put = EventLog::Put::no_memory;
  }
  for (const std::uint64_t id : offer.given_up) {
    given_up_.fetch_add(1, std::memory_order_relaxed);
    listeners_.end_lossless(id);
    tell_given_up(id);
  }
  if (offer.put != EventLog::Put::full) return result_of(offer.put, name, payload.size);
  blocked_.fetch_add(1, std::memory_order_relaxed);
  return BP_WOULD_BLOCK;
}

bp_status EventBus::credit(std::uint64_t listener, std::uint64_t bytes) {
  const bp_status status = lossless_.credit(listener, bytes);
  return status == BP_OK || listeners_.has(listener) ? status : bp_status{BP_INVALID_HANDLE};
}

bp_status EventBus::result_of(EventLog::Put put, std::string_view name, std::size_t size) {
  if (put == EventLog::Put::ok) return BP_OK;
  if (put == EventLog::Put::unheard) {
    unheard_.fetch_add(1, std::memory_order_relaxed);
    return BP_OK;
  }
  refused_.fetch_add(1, std::memory_order_relaxed);
  if (put == EventLog::Put::closed) return BP_CLOSED;
  if (put == EventLog::Put::no_memory) return BP_OUT_OF_MEMORY;
  if (put == EventLog::Put::too_large) tell_too_large(name, size);
  return BP_OVERFLOW;
}

void EventBus::tell_given_up(std::uint64_t id) try {
  log::warn("event", listeners_.describe(id) + " has taken no event while emitters waited for it for " +
                         std::to_string(lossless_.stall_ms()) + " ms; it is not lossless any more");
} catch (const std::bad_alloc&) {
  // The status shows it.
}

void EventBus::look_if_still_stuck() {
  if (stuck_.load() && log_.is_half_empty()) set_stuck(false);
}

Culprit EventBus::who_is_behind() {
  const MutexLock lock(own_mutex_);
  std::uint64_t position = reader_.position();
  std::thread::id slowest = thread_.load();
  for (const auto& [id, own] : own_threads_) {
    if (!own->reader || own->reader->position() >= position) continue;
    position = own->reader->position();
    slowest = own->thread.get_id();
  }
  return listeners_.running_on(slowest);
}

void EventBus::set_stuck(bool stuck) {
  const MutexLock lock(stuck_mutex_);
  if (stuck_.exchange(stuck) == stuck) return;
  if (stuck) stuck_culprit_ = who_is_behind();
  owner_.stuck(stuck);
}

void EventBus::deliver_now(std::string_view name, bp_bytes payload, std::uint32_t flags) {
  listeners_.call_now(native({0, 0, flags, name, payload, {}}), log_.match(name));
}

void EventBus::tell_now(std::string_view name, bp_bytes payload, std::uint32_t flags) {
  std::vector<EventLog::PatternId> ids = log_.match(name);
  const std::vector<EventLog::PatternId> of_any = log_.match("-");  // only "*" matches that
  std::erase_if(ids,
                [&](EventLog::PatternId id) { return std::find(of_any.begin(), of_any.end(), id) != of_any.end(); });
  listeners_.call_now(native({0, 0, flags, name, payload, {}}), ids);
}

std::uint64_t EventBus::listen(const Subscription& subscription) try {
  // Before the listener, so that it reads all its events.
  auto own = subscription.own_thread ? std::make_unique<OwnThread>(log_, spin_) : nullptr;
  EventLog::PatternId pattern = 0;
  const std::uint64_t id = listeners_.add(
      subscription,
      [&] {
        const EventLog::Start start = log_.subscribe(subscription.pattern);
        pattern = start.pattern;
        return start;
      },
      [&](const EventLog::Start& start) { log_.unsubscribe(start.pattern); });
  try {
    if (subscription.lossless) {
      lossless_.add(id, pattern, own == nullptr ? reader_ : *own->reader, subscription.lossless_options);
      // Its own callback may have removed it before it was added here.
      if (!listeners_.has(id)) lossless_.remove(id);
    }
    if (own != nullptr) listen_on_own_thread(id, std::move(own));
  } catch (...) {
    unlisten(id);
    throw;
  }
  return id;
} catch (const PatternTable::Full&) {
  patterns_refused_.fetch_add(1, std::memory_order_relaxed);
  throw;
}

void EventBus::listen_on_own_thread(std::uint64_t id, std::unique_ptr<OwnThread> own) {
  own->listener = id;
  const MutexLock lock(own_mutex_);
  join_ended();
  OwnThread& added = *own_threads_.emplace(id, std::move(own)).first->second;
  try {
    added.thread = std::thread([this, &added] { run_own(added); });
  } catch (...) {
    own_threads_.erase(id);
    throw;
  }
}

void EventBus::join_ended() {
  std::erase_if(own_threads_, [](const auto& each) {
    OwnThread& own = *each.second;
    if (own.reader || own.thread.get_id() == std::this_thread::get_id()) return false;
    own.thread.join();
    return true;
  });
}

bool EventBus::unlisten(std::uint64_t id) {
  EventLog::PatternId pattern = 0;
  if (!listeners_.remove(id, pattern)) return false;
  lossless_.remove(id);
  log_.unsubscribe(pattern);
  const MutexLock lock(own_mutex_);
  const auto own = own_threads_.find(id);
  if (own != own_threads_.end() && own->second->reader) own->second->reader->stop();
  return true;
}

void EventBus::run_own(OwnThread& own) {
  using Next = EventLog::Reader::Next;
  HostThread host_thread("bp-listener");
  const SignalStack signal_stack;
  current_bus = this;
  EventLog::Reader& reader = *own.reader;
  bool goes_on = true;
  while (goes_on) {
    const Next next = reader.take();
    if (next == Next::none) break;
    if (next == Next::gap) {
      goes_on = listeners_.tell_gap_to_one(own.listener, reader.gap());
      continue;
    }
    const auto& event = reader.event();
    goes_on = listeners_.call_one(own.listener, native(event), event.patterns, event.position);
    reader.release();
    lossless_.released(reader, event);
    if (!options_.refuses) continue;
    light_fence();
    look_if_still_stuck();
  }
  reader.stop();  // nobody waits for it any more, from here on
  lossless_.ends(reader);
  heavy_fence();
  look_if_still_stuck();
  const MutexLock lock(own_mutex_);
  own.reader.reset();  // it must not keep a part of the log
  own_ended_.notify_all();
}

bool EventBus::end_own_threads(std::chrono::steady_clock::time_point until) {
  MutexLock lock(own_mutex_);
  for (const auto& [id, own] : own_threads_) {
    if (own->reader) own->reader->stop();
  }
  const auto all_ended = [this]() BP_REQUIRES(own_mutex_) {
    return std::none_of(own_threads_.begin(), own_threads_.end(),
                        [](const auto& each) { return each.second->reader.has_value(); });
  };
  if (!own_ended_.wait_until(lock, until, all_ended)) return false;
  join_ended();
  return true;
}

bool EventBus::settle(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  return log_.settle(timeout) && end_own_threads(until);
}

void EventBus::rest() noexcept {
  end_own_threads(std::chrono::steady_clock::time_point::max());  // of a listen that came while the context stopped
  lossless_.clear();
  listeners_.clear();
  log_.unsubscribe_all();
}

void EventBus::renew() noexcept {
  for (auto* const count : {&unheard_, &refused_, &patterns_refused_, &blocked_, &given_up_, &given_, &lost_})
    count->store(0);
  begin_.store(log_.end());
  stuck_.store(false);
  told_too_large_.store(0);
  log_.open();
}

EventCounts EventBus::counts() const noexcept {
  const std::uint64_t given = given_.load(std::memory_order_relaxed);
  const std::uint64_t lost = lost_.load(std::memory_order_relaxed);
  const std::uint64_t unheard = unheard_.load(std::memory_order_relaxed);
  const std::uint64_t refused = refused_.load(std::memory_order_relaxed);
  const std::uint64_t appended = log_.end() - begin_.load(std::memory_order_relaxed);
  return {appended + unheard + refused,
          given + unheard,
          lost,
          refused,
          patterns_refused_.load(std::memory_order_relaxed),
          blocked_.load(std::memory_order_relaxed),
          given_up_.load(std::memory_order_relaxed)};
}

std::vector<EventBus::ListenerReport> EventBus::report(std::size_t most) {
  std::vector<ListenerReport> reports;
  const auto known = listeners_.report();
  // Read later, so that no difference is negative.
  const auto matched = log_.matched();
  reports.reserve(known.size());
  for (const auto& each : known) {
    reports.push_back({each, matched[each.pattern_id] - each.seen, lossless_.report(each.id)});
  }
  if (reports.size() <= most) return reports;
  const auto end = reports.begin() + static_cast<std::ptrdiff_t>(most);
  std::nth_element(reports.begin(), end, reports.end(),
                   [](const auto& a, const auto& b) { return a.behind + a.lost > b.behind + b.lost; });
  reports.erase(end, reports.end());
  std::sort(reports.begin(), reports.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return reports;
}

void EventBus::run() {
  using Next = EventLog::Reader::Next;
  current_bus = this;
  thread_ = std::this_thread::get_id();
  heartbeat_.begin_here();
  for (;;) {
    Next next = reader_.look();
    if (next == Next::none) {
      heartbeat_.idle();
      next = reader_.take();
      if (next == Next::none) break;
      heartbeat_.busy();
      watchdog_.active();
    }
    heartbeat_.beat();
    if (next == Next::gap) {
      add_single_writer(lost_, reader_.gap().events);
      listeners_.tell_gap(reader_.gap(), &heartbeat_);
      continue;
    }
    const auto& event = reader_.event();
    listeners_.call(native(event), event.patterns, event.position, &heartbeat_);
    add_single_writer(given_);
    reader_.release();
    lossless_.released(reader_, event);
    heartbeat_.beat();
    if (!options_.refuses) continue;
    light_fence();
    look_if_still_stuck();
  }
  current_bus = nullptr;
}

}  // namespace backplane::host
