// SPDX-License-Identifier: Apache-2.0
#include "watchdog/stall_detector.hpp"

#include <algorithm>
#include <utility>

namespace backplane::host {

// While a thread stands still, look every quarter of the threshold, so that no single look decides. The process may
// have been stopped between two looks without the second one being late.
StallDetector::StallDetector(const WatchdogOptions& options, Probe probe)
    : options_(options),
      short_interval_(std::max<Nanos>(1, std::min(options.period, options.threshold / 4))),
      probe_(std::move(probe)),
      interval_(options.period) {}

StallDetector::Id StallDetector::add(Watched watched, Nanos time) {
  Entry entry;
  entry.seen_beats = watched.heartbeat->beats();
  entry.watched = std::make_shared<const Watched>(std::move(watched));
  entry.exempt_until = time + options_.start_grace;
  entries_.emplace(++last_id_, std::move(entry));
  return last_id_;
}

bool StallDetector::anything_moves() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const auto& each) {
    const Entry& entry = each.second;
    const Heartbeat& heartbeat = *entry.watched->heartbeat;
    return entry.silent || heartbeat.is_busy() || heartbeat.beats() != entry.seen_beats;
  });
}

std::vector<StallDetector::Finding> StallDetector::look(Nanos time) {
  // The margin allows for short delays of the watchdog thread itself, which are usual on a loaded machine.
  const bool late = time - looked_ > interval_ + std::max(interval_, options_.threshold / 4);
  const Nanos before = std::exchange(looked_, time);
  const Nanos elapsed = late ? 0 : time - before;
  interval_ = options_.period;
  std::vector<Finding> findings;
  for (auto& [id, entry] : entries_) {
    Heartbeat& heartbeat = *entry.watched->heartbeat;
    const std::uint64_t beats = heartbeat.beats();
    const bool stood = beats == entry.seen_beats && heartbeat.is_busy();
    heartbeat.note_time(time);
    if (!stood) heartbeat.set_still_since(0);
    if (stood && heartbeat.still_since() == 0) heartbeat.set_still_since(before);
    entry.seen_beats = beats;
    auto liveness = stood ? stands_still(entry, elapsed, time) : moved(entry, elapsed);
    if (entry.still && !entry.silent) interval_ = short_interval_;
    if (liveness) findings.push_back({id, entry.watched, std::move(*liveness)});
  }
  return findings;
}

std::optional<Liveness> StallDetector::moved(Entry& entry, Nanos elapsed) const {
  // The thread also stood still for an unknown part of `elapsed`. Count all of it.
  const Nanos still_for = entry.still_for + elapsed;
  entry.still = false;
  entry.still_for = 0;
  if (!std::exchange(entry.silent, false)) return std::nullopt;
  // Report the code that occupied the thread while it was stuck, not the code that runs now.
  return Liveness{true, entry.watched->thread, std::move(entry.culprit), still_for / nanos_per_ms};
}

std::optional<Liveness> StallDetector::stands_still(Entry& entry, Nanos elapsed, Nanos time) const {
  entry.still_for += elapsed;
  if (entry.silent) return std::nullopt;
  if (!std::exchange(entry.still, true)) {  // the first look that finds it stuck; count from here
    entry.counted = 0;
    entry.before = probe_(entry.watched->heartbeat->tid());
    return std::nullopt;
  }
  entry.counted += counts(entry, elapsed);
  if (entry.counted < options_.threshold * entry.watched->patience || time < entry.exempt_until) return std::nullopt;
  Culprit culprit = culprit_of(*entry.watched);
  // The culprit is valid only if the thread has not moved meanwhile.
  if (entry.watched->heartbeat->beats() != entry.seen_beats) return std::nullopt;
  entry.culprit = culprit;
  entry.silent = true;
  return Liveness{false, entry.watched->thread, std::move(culprit), entry.still_for / nanos_per_ms};
}

// How much of `elapsed` the thread could have used.
Nanos StallDetector::counts(Entry& entry, Nanos elapsed) const {
  const std::optional<Scheduling> now = probe_(entry.watched->heartbeat->tid());
  const std::optional<Scheduling> before = std::exchange(entry.before, now);
  if (!now || !before) return elapsed;
  if (now->state == 'T' || now->state == 't') return 0;
  // The kernel counts a wait for a core only when it ends. A ready thread may be in such a wait, so count only the time
  // that it ran.
  if (now->state == 'R') return std::min(elapsed, now->ran - before->ran);
  return elapsed - std::min(elapsed, now->waited - before->waited);
}

Culprit StallDetector::culprit_of(const Watched& watched) const {
  return watched.culprit ? watched.culprit() : watched.heartbeat->culprit();
}

}  // namespace backplane::host
