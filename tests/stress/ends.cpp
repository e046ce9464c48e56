// SPDX-License-Identifier: Apache-2.0
//
// Contexts made, and ended in every way there is; and the reckoning once they are gone.
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "life.hpp"
#include "status.hpp"

namespace stress {

using Draws = std::array<std::uint64_t, 6>;

namespace {

// Settled lives kept: a callback after the end of its context would still find its record, and is seen.
constexpr std::size_t kept = 6;

bp_context_options options_of(const Draws& draws) {
  const auto one_of = [](std::uint64_t draw, auto... all) {
    const std::common_type_t<decltype(all)...> values[] = {all...};
    return values[draw % sizeof...(all)];
  };
  bp_context_options options{};
  options.struct_size = sizeof options;
  options.queue_depth = one_of(draws[0], 0u, 0u, 0u, 48u);
  options.on_event_overflow =
      one_of(draws[1], BP_OVERFLOW_GAP, BP_OVERFLOW_GAP, BP_OVERFLOW_REFUSE, BP_OVERFLOW_REFUSE);
  options.event_log_events = one_of(draws[1], 0u, 64u, 0u, 0u);
  options.event_queue_depth = one_of(draws[1], 0u, 0u, 128u, 16u);
  options.stale_interval_ms = one_of(draws[2], 0u, 2u, 5u);
  options.stop_timeout_ms = one_of(draws[3], 0u, 300u, 5u);
  options.spin_us = one_of(draws[4], 0, 0, -1);
  return options;
}

void wait_until_unused(const Life& life) {
  while (life.uses != 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

std::shared_ptr<Life> take_out(Slot& slot) {
  const std::lock_guard lock(slot.mutex);
  return std::exchange(slot.life, nullptr);
}

void destroy(World& world, const std::shared_ptr<Life>& life) {
  life->closing = true;
  life->forced = true;
  const bp_status status = bp_context_destroy(life->native);
  if (bp_context_close(life->native) != BP_INVALID_HANDLE) life->problem("a destroyed context's handle is not stale");
  const std::lock_guard lock(world.graves_mutex);
  if (status == BP_OK) {
    world.graves.push_back(life);
    return;
  }
  if (status != BP_TIMEOUT) life->problem(std::string("bp_context_destroy returned ") + bp_status_name(status));
  ++world.totals.quarantined;
  world.quarantined.push_back(life);
}

bool events_are_even(const Life& life) { return life.stats.emit_taken == life.own.events_seen + life.own.events_lost; }

void settle_events(Life& life) {
  if (!events_are_even(life))
    life.problem("does not hold: emits taken = events seen + lost, at the end of a context: " +
                 std::to_string(life.stats.emit_taken) + " and " + std::to_string(life.own.events_seen) + " + " +
                 std::to_string(life.own.events_lost));
  if (life.stats.emit_waited != life.own.events_waited)
    life.problem("does not hold: events that emitters waited for = those seen, at the end of a context: " +
                 std::to_string(life.stats.emit_waited) + " and " + std::to_string(life.own.events_waited));
  if (life.own.completed + life.stats.offered_answered > life.own.handed + life.stats.offered)
    life.problem("more completions were taken than tokens were handed out");
  life.world.totals.events_seen += life.own.events_seen;
  life.world.totals.events_lost += life.own.events_lost;
  life.world.totals.events_taken += life.stats.emit_taken;
  life.world.totals.events_waited += life.stats.emit_waited;
}

void settle(Life& life) {
  ++life.world.totals.lives;
  settle_events(life);
  const std::lock_guard lock(life.calls_mutex);
  for (Call& call : life.calls) stress::settle(call);
}

// Nothing may have come since it was settled.
void look_again(Life& life) {
  for (const Call& call : life.calls) {
    if (call.terminal > 1 || call.after != 0 || (!call.accepted && call.terminal != 0))
      life.problem("a reply after the context was destroyed");
  }
  if (!events_are_even(life)) life.problem("an event after the context was destroyed");
}

bool all_ended(Life& life) {
  const std::lock_guard lock(life.calls_mutex);
  for (const Call& call : life.calls) {
    if (call.accepted && call.terminal == 0) return false;
  }
  return events_are_even(life);
}

// Those that were set aside end by themselves as soon as what held them up returns.
void settle_quarantined(World& world) {
  const auto until = std::chrono::steady_clock::now() + world.patience();
  for (const auto& life : world.quarantined) {
    while (!all_ended(*life) && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    settle(*life);
  }
}

}  // namespace

Use use(Slot& slot) {
  const std::lock_guard lock(slot.mutex);
  return Use(slot.life);
}

void begin_life(World& world, Slot& slot, const Draws& draws) {
  auto life = std::make_shared<Life>(world);
  const bp_context_options options = options_of(draws);
  {
    const std::lock_guard lock(world.creating);
    Result why;
    if (bp_context_create(&options, &life->native, &why) != BP_OK)
      return world.problems.add("a context could not be made: " + std::string(view(why.message)));
    // A context does not know its id in the report, but ids grow.
    const StatusReport report = read_status(world.keeper);
    for (const Numbers& each : report.contexts) life->report_id = std::max(life->report_id, each["id"]);
    if (life->report_id <= world.newest_report) life->problem("a new context has no new id in the status report");
    world.newest_report = life->report_id;
    if (const Numbers* const fresh = report.context(life->report_id)) {
      for (const char* const name :
           {"accepted", "replied", "errors", "refused", "listeners", "events.emitted", "events.delivered",
            "events.lost", "events.refused", "parts.sent", "parts.received", "parts.would_block", "tokens.open",
            "tokens.answered", "tokens.failed", "tokens.refused"}) {
        if ((*fresh)[name] != 0) life->problem(std::string("a new context begins with a count of ") + name);
      }
    }
  }
  if (listen_to_all(*life) != BP_OK) life->problem("a new context takes no listener");
  for (std::size_t i = 0; i + 1 < Life::source_count; ++i) {
    if (bp_source_open(life->native, &life->sources[i]) != BP_OK) life->problem("a new context opens no source");
  }
  const std::lock_guard lock(slot.mutex);
  slot.life = std::move(life);
}

void end_life(World& world, Slot& slot, const Draws& draws) {
  const auto nap = std::chrono::microseconds(draws[1] % 5'000);
  std::shared_ptr<Life> life;
  {
    const std::lock_guard lock(slot.mutex);
    life = slot.life;
  }
  if (life == nullptr) return;
  if (draws[3] % 4 == 0) submit_wedge(*life, draws[4]);
  switch (draws[0] % 8) {
    case 0:  // under fire, at once
      destroy(world, life);
      take_out(slot);
      return;
    case 1:  // under fire, in steps
      life->closing = true;
      if (bp_context_close(life->native) != BP_OK) life->problem("bp_context_close failed");
      std::this_thread::sleep_for(nap);
      [[fallthrough]];
    case 2: {
      life->closing = true;
      life->forced = true;
      const bp_status status = bp_context_stop(life->native, 1 + static_cast<std::uint32_t>(draws[2] % 50));
      if (status != BP_OK && status != BP_TIMEOUT) life->problem("bp_context_stop neither stopped nor timed out");
      std::this_thread::sleep_for(nap);
      take_out(slot);
      return destroy(world, life);
    }
    case 3:  // closed under fire, then in peace
    case 4:
      life->closing = true;
      if (bp_context_close(life->native) != BP_OK) life->problem("bp_context_close failed");
      std::this_thread::sleep_for(nap);
      [[fallthrough]];
    default:  // in peace
      take_out(slot);
      wait_until_unused(*life);
      audit(*life);
      return destroy(world, life);
  }
}

void bury(World& world, bool last) {
  const std::lock_guard lock(world.graves_mutex);
  std::erase_if(world.graves, [&](const std::shared_ptr<Life>& life) {
    if (life->uses != 0) return false;
    settle(*life);
    world.settled.push_back(life);
    return true;
  });
  while (world.settled.size() > (last ? 0 : kept)) {
    look_again(*world.settled.front());
    world.settled.erase(world.settled.begin());
  }
  if (last) settle_quarantined(world);
}

void settle_everything(World& world) {
  for (Slot& slot : world.slots) {
    const std::lock_guard lock(slot.mutex);
    if (slot.life != nullptr) settle(*slot.life);
  }
  const std::lock_guard lock(world.graves_mutex);
  for (const auto& life : world.graves) settle(*life);
  for (const auto& life : world.quarantined) settle(*life);
}

}  // namespace stress
