// SPDX-License-Identifier: Apache-2.0
#include "request/workers.hpp"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "support/signal_stack.hpp"
#include "sync/host_thread.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {
namespace {

// Threads that wait in a handler do not count against the limit; this one holds for all.
constexpr std::size_t most_threads = 1'024;

}  // namespace

Workers::~Workers() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void Workers::run(Job job) {
  const MutexLock lock(mutex_);
  jobs_.push(std::move(job));
  try {
    grow();
  } catch (const std::exception&) {
    if (threads_.empty()) {
      jobs_ = {};  // the one just pushed: without a thread there are no others
      throw;
    }  // else those there are get to it
  }
  changed();
  changed_.notify_one();
}

// One thread more, if there is a job that none is free for.
void Workers::grow() {
  const std::size_t free = threads_.size() - running_.size();
  if (jobs_.size() <= free || threads_.size() - waiting_ >= limit_ || threads_.size() >= most_threads) return;
  running_.reserve(threads_.size() + 1);
  threads_.emplace_back([this] { work(); });
}

void Workers::begin_wait() {
  const MutexLock lock(mutex_);
  ++waiting_;
  set_waits(true);
  try {
    grow();
  } catch (const std::exception&) {
    // Then the job waits until a thread is free.
  }
  moved();
}

void Workers::end_wait() {
  const MutexLock lock(mutex_);
  --waiting_;
  set_waits(false);
  moved();
}

void Workers::call_waits() noexcept {
  const MutexLock lock(mutex_);
  ++calls_;
  changed();
}

void Workers::call_goes() noexcept {
  const MutexLock lock(mutex_);
  --calls_;
  changed();
}

Workers::Load Workers::load() {
  const MutexLock lock(mutex_);
  return {threads_.size(), queued(), running_.size()};
}

Culprit Workers::culprit() {
  const MutexLock lock(mutex_);
  const Running* const found = oldest();
  if (found == nullptr) return {};
  return {Holder::handler, found->method->module, found->generation, found->method->name, 0};
}

Workers::Running* Workers::oldest() noexcept {
  const auto found = std::find_if(running_.begin(), running_.end(), [](const Running& each) { return !each.waits; });
  return found == running_.end() ? nullptr : &*found;
}

void Workers::set_waits(bool waits) noexcept {
  const ::pid_t me = ::gettid();
  for (Running& each : running_) {
    if (each.tid == me) each.waits = waits;
  }
}

// A call more or less waits, or a thread more or less is free. Alone this is no progress of the threads.
void Workers::changed() noexcept {
  const bool full = queued() != 0 && !threads_.empty() && running_.size() == threads_.size();
  if (full == std::exchange(full_, full)) return;
  if (!full) return heartbeat_.idle();
  heartbeat_.busy();
  if (watchdog_ != nullptr) watchdog_->active();
}

void Workers::moved() noexcept {
  heartbeat_.beat();
  // On a machine without a free core, handlers may run late. So the time that this one waits for a core does not count.
  if (const Running* const found = oldest()) heartbeat_.follow(found->tid);
  changed();
}

void Workers::work() {
  HostThread host_thread("bp-worker");
  const SignalStack signal_stack;
  const ::pid_t me = ::gettid();
  MutexLock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this]() BP_REQUIRES(mutex_) { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop();
    running_.push_back({job.method, job.generation, me, false});
    moved();
    lock.unlock();
    job.run();
    lock.lock();
    std::erase_if(running_, [me](const Running& each) { return each.tid == me; });
    moved();
  }
}

}  // namespace backplane::host
