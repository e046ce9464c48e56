// SPDX-License-Identifier: Apache-2.0
//
// Listeners that come and go, also from within; one for each context stays and sees all that is delivered.
#include <algorithm>
#include <cstring>
#include <string>
#include <thread>

#include "life.hpp"

namespace stress {

using Draws = std::array<std::uint64_t, 6>;

namespace {

// A typed event is the map {"eventType": name, "payload": bytes}. This is the size of the map before the bytes. A text
// of 24 bytes or more has a head of two bytes (RFC 8949, 3.1).
std::size_t envelope_size(std::string_view name) { return 1 + 10 + (name.size() < 24 ? 1 : 2) + name.size() + 8 + 5; }

bool check_bytes(Life& life, const bp_event& event) {
  const bool typed = (event.flags & BP_EVENT_TYPED) != 0;
  const std::size_t skipped = typed ? envelope_size(view(event.name)) : 0;
  EventHead head;
  if (event.payload.size < skipped + sizeof head) return false;
  const std::uint8_t* const at = event.payload.data + skipped;
  std::memcpy(&head, at, sizeof head);
  if (head.magic != EventHead::right_magic || event.payload.size != skipped + sizeof head + head.size) return false;
  if (typed && (event.payload.data[0] != 0xa2 || std::memcmp(event.payload.data + 1,
                                                             "\x69"
                                                             "eventType",
                                                             10) != 0))
    return false;
  const auto filled = static_cast<std::uint8_t>(head.number);
  const std::uint8_t* const fill = at + sizeof head;
  if (!std::all_of(fill, fill + head.size, [filled](std::uint8_t byte) { return byte == filled; })) return false;
  if (head.ordered != 0) {
    std::uint64_t& last = life.last_number[head.source];
    if (head.number <= last) life.problem("events out of order, or one of them twice");
    last = head.number;
  }
  return true;
}

void on_any_event(void* user, const bp_event* event) {
  auto& life = *static_cast<Life*>(user);
  if (event->payload.data == nullptr) life.problem("an event whose payload has no pointer");
  if ((event->flags & BP_EVENT_GAP) != 0) {
    if (event->lost == 0) life.problem("a gap in which nothing was lost");
    life.own.events_lost += event->lost;
    return;
  }
  if (view(event->name).starts_with("backplane.")) {  // past the queue, on the watchdog's thread
    ++life.world.totals.liveness_events;
    return;
  }
  if (!check_bytes(life, *event)) life.problem("an event that is not what was emitted");
  ++life.own.events_seen;
  if ((event->flags & BP_EVENT_LOSSLESS) != 0) ++life.own.events_waited;
}

void add(Life& life, std::uint64_t behaviour, std::size_t place);

void nap(std::uint64_t microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

bool has_own_thread(std::uint64_t behaviour) { return (behaviour >> 4) % 3 == 0; }

// Ends the subscription in a place, if `only` is null or in it. From its own callback too.
void remove(Life& life, std::size_t place, Listening* only) {
  Listening* taken = nullptr;
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(life.listeners_mutex);
    taken = life.listeners[place];
    if (taken == nullptr || (only != nullptr && taken != only)) return;
    life.listeners[place] = nullptr;
    id = taken->id;
  }
  const bp_status status = bp_unlisten(life.native, {id});
  if (status == BP_OK) {
    --life.own.listeners;
    taken->gone = true;
    if (only == nullptr && taken->inside != 0) life.problem("a listener still ran when it had been removed");
  } else if (status != BP_INVALID_HANDLE || !life.forced) {
    life.problem(std::string("bp_unlisten returned ") + bp_status_name(status));
  }
}

void on_event(void* user, const bp_event* event) {
  auto& listening = *static_cast<Listening*>(user);
  Life& life = *listening.life;
  ++listening.inside;
  if (listening.gone) life.problem("a listener was called after it had been removed");
  if ((event->flags & BP_EVENT_GAP) != 0) {
    if (event->lost == 0) life.problem("a gap in which nothing was lost");
    listening.lost += event->lost;
    --listening.inside;
    return;
  }
  ++listening.seen;
  if (!view(event->name).starts_with("stress_")) life.problem("a listener was called with a name that does not fit");
  const std::uint64_t draw = listening.behaviour >> 16;
  switch (listening.behaviour % 16) {
    case 0:
      nap(draw % 300);
      break;
    case 1:
      if (draw % 8 == 0) nap(10'000 + draw % 30'000);  // holds up the event thread
      [[fallthrough]];
    case 2:
      remove(life, listening.place, &listening);
      break;
    case 3:
      add(life, listening.behaviour + 1, (listening.place + 1) % Life::listener_places);
      break;
    case 5:
      if (has_own_thread(listening.behaviour)) nap(draw % 400'000);  // as good as dead
      break;
    case 4:
      submit(life, {draw % 500, draw, draw % 97, draw, 2, 0}, true);
      break;
    default:
      break;
  }
  --listening.inside;
}

void add(Life& life, std::uint64_t behaviour, std::size_t place) {
  static constexpr std::string_view patterns[] = {"stress_*",          "stress_steady.*",    "stress_steady.raw",
                                                  "stress_coming.raw", "stress_steady.typ*", "stress_coming.typed"};
  Listening* fresh = nullptr;
  {
    const std::lock_guard lock(life.listeners_mutex);
    if (life.listeners[place] != nullptr) return;
    fresh = &life.listenings.emplace_back();
  }
  fresh->life = &life;
  fresh->behaviour = behaviour;
  fresh->place = place;
  bp_listener listener{};
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.flags = has_own_thread(behaviour) ? BP_LISTEN_OWN_THREAD : 0;
  subscription.pattern = str(patterns[(behaviour >> 8) % std::size(patterns)]);
  subscription.on_event = on_event;
  subscription.user = fresh;
  const bp_status status = bp_subscribe(life.native, &subscription, &listener);
  if (status != BP_OK) {
    if (!life.closing) life.problem(std::string("bp_subscribe returned ") + bp_status_name(status));
    return;
  }
  ++life.own.listeners;
  ++life.world.totals.listeners;
  Listening* displaced = fresh;
  {
    const std::lock_guard lock(life.listeners_mutex);
    fresh->id = listener.id;
    if (life.listeners[place] == nullptr) std::swap(life.listeners[place], displaced);
  }
  if (displaced == nullptr) return;
  // Somebody was faster with that place. Whoever called us may be a listener, but not this one.
  if (bp_unlisten(life.native, listener) == BP_OK) --life.own.listeners;
  fresh->gone = true;
}

}  // namespace

bp_status listen_to_all(Life& life) {
  bp_listener listener{};
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.flags = BP_LISTEN_LOSSLESS;
  subscription.pattern = BP_STR("*");
  subscription.on_event = on_any_event;
  subscription.user = &life;
  subscription.window_bytes = 16'384;
  ++life.own.listeners;
  return bp_subscribe(life.native, &subscription, &listener);
}

void listen(Life& life, const Draws& draws) { add(life, draws[0], draws[1] % Life::listener_places); }

void unlisten(Life& life, const Draws& draws) { remove(life, draws[1] % Life::listener_places, nullptr); }

}  // namespace stress
