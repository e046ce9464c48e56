// SPDX-License-Identifier: Apache-2.0
//
// The worker threads: which line of jobs is next, when a further thread is started, what becomes of jobs for which
// there is none, and which line does not respond.
#include "request/workers.hpp"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <tuple>
#include <utility>

#include "support/signal_stack.hpp"
#include "sync/host_thread.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

// The part of the threads that only lines without a thread take.
constexpr std::size_t reserve_part = 8;
// For how long the number of threads counts as all there are, after the system gave no further one.
constexpr Nanos given_for = 1'000 * nanos_per_ms;

}  // namespace

Workers::~Workers() {
  std::list<Worker> threads;
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    work_.notify_all();
    threads.swap(threads_);
    threads.splice(threads.end(), left_);
  }
  for (Worker& each : threads) each.thread.join();
}

bool Workers::end_idle() {
  {
    const MutexLock lock(mutex_);
    for (auto each = threads_.begin(); each != threads_.end();) {
      const auto worker = each++;
      worker->leave = true;
      if (worker->busy) continue;
      worker->left = true;
      left_.splice(left_.end(), threads_, worker);
    }
    try_grow();
    work_.notify_all();
  }
  return join_left();
}

bool Workers::join_left() {
  std::list<Worker> ended;
  {
    const MutexLock lock(mutex_);
    ended.swap(left_);
  }
  for (Worker& each : ended) each.thread.join();
  return !ended.empty();
}

std::size_t Workers::limit_of(const Module& module) const noexcept {
  const std::uint32_t own = module.workers.load(std::memory_order_relaxed);
  return own == 0 ? limit_ : std::min<std::size_t>(own, limit_);
}

std::size_t Workers::limit_of(const Line& line) const noexcept {
  return line.instances ? limit_ : limit_of(line.module);
}

Workers::Line* Workers::find_line(const Module& module, bool instances) noexcept {
  const auto found = lines_.find({&module, instances});
  return found == lines_.end() ? nullptr : &found->second;
}

// Watched from its first use on. Without the lock: the watchdog asks for the culprit under its own.
Workers::Line& Workers::line_of(const Module& module, bool instances) {
  Line* made = nullptr;
  {
    const MutexLock lock(mutex_);
    if (Line* const known = find_line(module, instances)) return *known;
    const std::pair<const Module*, bool> key(&module, instances);
    made = &lines_.try_emplace(key, module, instances).first->second;
    ++without_;
  }
  if (watchdog_ != nullptr) {
    const auto tell = [this, made](const Liveness& liveness) { tell_(made->module, liveness); };
    watchdog_->watch(
        made->heartbeat, "worker", tell, [this, made] { return culprit(*made); }, patience_);
  }
  return *made;
}

// How many threads may run jobs before the reserve begins, if so many lines have none.
std::size_t Workers::before_reserve(std::size_t lines_without) const noexcept {
  const bool none_given = given_at_ != 0 && now() - given_at_ < given_for;
  const std::size_t all = none_given ? std::min(given_, most_) : most_;
  return all - std::min(all, std::max(all / reserve_part, lines_without));
}

bool Workers::may_start(const Line& line) const noexcept {
  if (line.jobs.empty()) return false;
  if (line.threads() == 0) return true;
  const bool within = line.running == 0 || (running_.size() - waiting_ < limit_ && line.running < limit_of(line));
  return within && running_.size() < before_reserve(without_);
}

Workers::Line* Workers::next_line() noexcept {
  Line* next = nullptr;
  const auto before = [](const Line& a, const Line& b) {
    return std::tuple(a.running, a.waiting != 0, a.jobs.front().since) <
           std::tuple(b.running, b.waiting != 0, b.jobs.front().since);
  };
  for (auto& [key, line] : lines_) {
    if (may_start(line) && (next == nullptr || before(line, *next))) next = &line;
  }
  return next;
}

// How many jobs may start now, if there are threads.
std::size_t Workers::startable() const noexcept {
  std::size_t fresh = 0;   // of lines that have no thread
  std::size_t first = 0;   // of lines whose threads all wait
  std::size_t others = 0;  // as the limits of the lines let them
  for (const auto& [key, line] : lines_) {
    const std::size_t room = std::max(limit_of(line), line.running + 1) - line.running;
    const std::size_t most = std::min(line.jobs.size(), line.running < limit_of(line) || line.running == 0 ? room : 0);
    const std::size_t sure = line.running == 0 && most != 0 ? 1 : 0;
    (line.threads() == 0 ? fresh : first) += sure;
    others += most - sure;
  }
  const std::size_t taken = running_.size() - waiting_ + fresh + first;
  const std::size_t more = first + std::min(others, limit_ - std::min(limit_, taken));
  const std::size_t bound = before_reserve(without_ - std::min(without_, fresh));
  return fresh + std::min(more, bound - std::min(bound, running_.size() + fresh));
}

void Workers::run(Job job) {
  Line& line = line_of(*job.module, job.method == nullptr);
  const MutexLock lock(mutex_);
  line.jobs.push_back(std::move(job));
  line.jobs.back().waited |= line.jobs.size() > 1 || !may_start(line);
  try {
    grow();
  } catch (const std::exception&) {
    if (threads_.empty()) {
      line.jobs.pop_back();
      throw;
    }  // else those there are get to it
  }
  changed();
  work_.notify_one();
}

bool Workers::has_queued(const void* call) noexcept {
  const MutexLock lock(mutex_);
  return std::any_of(lines_.begin(), lines_.end(), [call](const auto& each) {
    const auto& jobs = each.second.jobs;
    return std::any_of(jobs.begin(), jobs.end(), [call](const Job& job) { return job.call == call; });
  });
}

bool Workers::stands_still(std::uint64_t& seen) {
  const MutexLock lock(mutex_);
  if (std::exchange(seen, moves_) != moves_ || !find_no_start()) return false;
  ++moves_;  // so that the others wait for what comes of it
  return true;
}

bool Workers::no_job_can_start() {
  const MutexLock lock(mutex_);
  return find_no_start();
}

bool Workers::find_no_start() {
  if (waiting_ != running_.size() || woken_ != 0) return false;
  if (std::none_of(lines_.begin(), lines_.end(), [](const auto& each) { return !each.second.jobs.empty(); })) {
    return false;
  }
  given_at_ = 0;  // the system may give more threads by now
  try_grow();
  if (startable() == 0 || idle() == 0) return true;
  work_.notify_all();
  return false;
}

std::size_t Workers::note_refused() noexcept {
  const MutexLock lock(mutex_);
  ++refused_;
  return threads_.size();
}

// Further threads, if there are jobs that none is free for.
void Workers::grow() {
  while (startable() > idle() && threads_.size() < most_) {
    running_.reserve(threads_.size() + 1);
    threads_.emplace_back();
    try {
      threads_.back().thread.start([this, &self = threads_.back()] { work(self); });
    } catch (...) {
      threads_.pop_back();
      given_ = threads_.size();
      given_at_ = now();
      throw;
    }
    given_at_ = 0;
  }
}

// Without a thread, the jobs wait until one is free.
void Workers::try_grow() noexcept {
  try {
    grow();
  } catch (const std::exception&) {
  }
}

bool Workers::begin_wait() {
  const MutexLock lock(mutex_);
  Running& self = running_here();
  Line& line = *self.line;
  ++waiting_;
  self.waits = true;
  --line.running;
  ++line.waiting;
  try_grow();  // `self` may be elsewhere from here on
  moved(line);
  work_.notify_one();
  return waiting_ == running_.size();
}

void Workers::wait_is_over() noexcept {
  const MutexLock lock(mutex_);
  ++woken_;
}

void Workers::end_wait() {
  const MutexLock lock(mutex_);
  ++moves_;
  --woken_;
  Running& self = running_here();
  --waiting_;
  self.waits = false;
  ++self.line->running;
  --self.line->waiting;
  moved(*self.line);
}

void Workers::call_waits(const Module& module) noexcept {
  const MutexLock lock(mutex_);
  Line* const line = find_line(module, false);
  if (line == nullptr) return;  // it has no job, so it has room for one
  ++line->calls;
  changed();
}

void Workers::call_goes(const Module& module) noexcept {
  const MutexLock lock(mutex_);
  Line* const line = find_line(module, false);
  if (line == nullptr || line->calls == 0) return;
  --line->calls;
  changed();
}

Workers::Load Workers::load() {
  const MutexLock lock(mutex_);
  Load all{threads_.size(), most_, 0, running_.size(), waiting_, refused_, {}};
  for (const auto& [key, line] : lines_) {
    all.queued += line.queued();
    if (line.instances) continue;
    all.modules.push_back({&line.module, limit_of(line), line.queued(), line.threads(), line.waited, {}});
    line.wait.add_to(all.modules.back().wait);
  }
  return all;
}

std::size_t Workers::queued_of(const Module& module) {
  const MutexLock lock(mutex_);
  const Line* const line = find_line(module, false);
  return line == nullptr ? 0 : line->queued();
}

// The handler of the line that has kept a thread for longest.
Culprit Workers::culprit(const Line& line) {
  const MutexLock lock(mutex_);
  const Running* const found = oldest(line);
  if (found == nullptr) return {Holder::none, &line.module, 0, {}, 0};
  if (found->method == nullptr) return {Holder::instance, &line.module, found->generation, {}, 0};
  return {Holder::handler, &line.module, found->generation, found->method->name, 0};
}

Workers::Running* Workers::oldest(const Line& line) noexcept {
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [&](const Running& each) { return each.line == &line && !each.waits; });
  return found == running_.end() ? nullptr : &*found;
}

// Of the calling worker thread, which runs a job.
Workers::Running& Workers::running_here() noexcept {
  const ::pid_t me = ::gettid();
  return *std::find_if(running_.begin(), running_.end(), [me](const Running& each) { return each.tid == me; });
}

// A job or a call more or less waits, or a thread more or less is free. Alone this is no progress of a line.
void Workers::changed() noexcept {
  const bool any_idle = idle() != 0;
  for (auto& [key, line] : lines_) {
    const bool stuck = line.queued() != 0 && !threads_.empty() && !(any_idle && may_start(line));
    if (stuck == std::exchange(line.stuck, stuck)) continue;
    if (!stuck) {
      line.heartbeat.idle();
      continue;
    }
    line.heartbeat.busy();
    if (watchdog_ != nullptr) watchdog_->active();
  }
}

void Workers::moved(Line& line) noexcept {
  line.heartbeat.beat();
  // On a machine without a free core, handlers may run late. So the time that this one waits for a core does not count.
  if (const Running* const found = oldest(line)) line.heartbeat.follow(found->tid);
  changed();
}

// Not while jobs wait that would find no thread in its place.
bool Workers::try_leave(Worker& self) noexcept {
  const auto at = std::find_if(threads_.begin(), threads_.end(), [&](const Worker& each) { return &each == &self; });
  left_.splice(left_.end(), threads_, at);
  try_grow();
  self.left = startable() <= idle();
  if (!self.left) threads_.splice(threads_.end(), left_, at);
  if (startable() != 0) work_.notify_all();  // an idle thread may have been woken when no job could start
  changed();
  return self.left;
}

void Workers::work(Worker& self) {
  HostThread host_thread("bp-worker");
  const SignalStack signal_stack;
  MutexLock lock(mutex_);
  for (;;) {
    Line* line = nullptr;
    work_.wait(lock, [this, &self, &line]() BP_REQUIRES(mutex_) {
      return stop_ || self.left || (line = next_line()) != nullptr || self.leave;
    });
    if (stop_ || self.left) return;
    if (line != nullptr) {
      const Job job = begin_next(*line, self);
      lock.unlock();
      job.run();
      lock.lock();
      end_running(*line, self);
    }
    if (!self.leave || stop_ || !try_leave(self)) continue;
    lock.unlock();
    if (on_left_) on_left_();
    return;
  }
}

Workers::Job Workers::begin_next(Line& line, Worker& self) {
  self.busy = true;
  Job job = std::move(line.jobs.front());
  line.jobs.pop_front();
  ++moves_;
  running_.push_back({&line, job.method, job.generation, ::gettid(), false});
  without_ -= line.threads() == 0 ? 1 : 0;
  ++line.running;
  line.waited += job.waited ? 1 : 0;
  line.wait.record(span(job.since, ticks()));
  moved(line);
  return job;
}

void Workers::end_running(Line& line, Worker& self) {
  ++moves_;
  std::erase_if(running_, [me = ::gettid()](const Running& each) { return each.tid == me; });
  --line.running;
  without_ += line.threads() == 0 ? 1 : 0;
  self.busy = false;
  if (!self.leave) try_grow();
  moved(line);
}

}  // namespace backplane::host
