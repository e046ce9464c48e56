// SPDX-License-Identifier: Apache-2.0
#include "watchdog/watchdog.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "support/thread_name.hpp"

namespace backplane {

Watchdog::Watchdog(const WatchdogOptions& options) : options_(options), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

Watchdog::Id Watchdog::watch(Heartbeat& heartbeat, const char* thread, std::function<void(const Liveness&)> tell) {
  auto watched = std::make_shared<Watched>();
  watched->heartbeat = &heartbeat;
  watched->thread = thread;
  watched->tell = std::move(tell);
  watched->judged_from = now() + options_.start_grace;
  watched->seen_beats = heartbeat.beats();
  const std::lock_guard lock(mutex_);
  entries_.push_back({++last_id_, std::move(watched)});
  return last_id_;
}

bool Watchdog::unwatch(Id id, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  std::erase_if(entries_, [id](const Entry& entry) { return entry.id == id; });
  std::erase_if(jobs_, [id](const Job& job) { return job.owner == id; });
  return returned_.wait_for(lock, timeout, [this, id] { return running_ != id; });
}

void Watchdog::post(Id owner, std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back({owner, std::move(job)});
  woken_ = true;
  changed_.notify_all();
}

void Watchdog::flush() {
  std::promise<void> reached;
  post(0, [&reached] { reached.set_value(); });
  reached.get_future().wait();
}

void Watchdog::wake() noexcept {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void Watchdog::run() {
  name_thread("bp-watchdog");
  std::unique_lock lock(mutex_);
  Nanos before = now();
  while (!stop_) {
    lock.unlock();
    // Sleep without a timeout only if nothing is busy now and nothing has moved since the last look:
    // under steady traffic with short pauses, each wake-up would otherwise have to wake this thread too.
    asleep_.store(true, std::memory_order_seq_cst);
    if (anything_moves()) asleep_.store(false, std::memory_order_seq_cst);
    lock.lock();
    const auto due = [this] { return stop_ || woken_ || !jobs_.empty(); };
    if (asleep_.load(std::memory_order_seq_cst)) {
      changed_.wait(lock, due);
      before = now();  // what happened meanwhile is nobody's stall
    } else {
      changed_.wait_for(lock, std::chrono::nanoseconds(options_.period), [this] { return stop_ || !jobs_.empty(); });
    }
    asleep_.store(false, std::memory_order_seq_cst);
    woken_ = false;
    for (std::size_t count = jobs_.size(); count > 0 && !jobs_.empty(); --count) {
      const Job job = std::move(jobs_.front());
      jobs_.erase(jobs_.begin());
      running_ = job.owner;
      lock.unlock();
      run_unlocked(job.run);
      lock.lock();
    }
    lock.unlock();
    const Nanos time = now();
    // A look that comes much later than asked for means that the whole process stood still, in a
    // debugger or stopped, and says nothing of any one thread.
    look(time - before > 2 * options_.period ? 0 : time - before);
    before = time;
    lock.lock();
  }
}

bool Watchdog::anything_moves() {
  const std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    const Watched& watched = *entry.watched;
    return watched.silent || watched.heartbeat->is_busy() || watched.heartbeat->beats() != watched.seen_beats;
  });
}

void Watchdog::look(Nanos elapsed) {
  struct Finding {
    Entry entry;
    Liveness liveness;
  };
  std::vector<Finding> findings;
  {
    const std::lock_guard lock(mutex_);
    const Nanos time = now();
    for (const Entry& entry : entries_) {
      Liveness liveness;
      if (judge(*entry.watched, elapsed, time, liveness)) findings.push_back({entry, liveness});
    }
  }
  for (const Finding& finding : findings) {
    {
      const std::lock_guard lock(mutex_);
      const auto same = [&](const Entry& entry) { return entry.id == finding.entry.id; };
      if (std::none_of(entries_.begin(), entries_.end(), same)) continue;  // unwatched meanwhile
      running_ = finding.entry.id;
    }
    run_unlocked([&] { finding.entry.watched->tell(finding.liveness); });
  }
}

// Runs what may be the application's code with no lock held; running_ says whose it is.
void Watchdog::run_unlocked(const std::function<void()>& job) {
  job();
  const std::lock_guard lock(mutex_);
  running_ = 0;
  returned_.notify_all();
}

bool Watchdog::judge(Watched& watched, Nanos elapsed, Nanos time, Liveness& liveness) const {
  const std::uint64_t beats = watched.heartbeat->beats();
  const bool moved = beats != watched.seen_beats || !watched.heartbeat->is_busy();
  watched.seen_beats = beats;
  // It stood still for part of the time before the look that saw it move again, too: how much of it,
  // nobody knows.
  if (!moved || watched.silent) watched.still_for += elapsed;
  liveness = {moved, watched.thread, watched.heartbeat->method(), watched.heartbeat->generation(),
              watched.still_for / nanos_per_ms};
  if (moved) {
    watched.still_for = 0;
    liveness.method = watched.culprit;  // what ran then, not what happens to run now
    liveness.generation = watched.culprit_generation;
    return std::exchange(watched.silent, false);
  }
  if (watched.silent || watched.still_for < options_.threshold || time < watched.judged_from) return false;
  watched.culprit = liveness.method;
  watched.culprit_generation = liveness.generation;
  watched.silent = true;
  return true;
}

}  // namespace backplane
