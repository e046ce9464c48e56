// SPDX-License-Identifier: Apache-2.0
#include "request/workers.hpp"

#include "support/signal_stack.hpp"
#include "sync/mutex.hpp"
#include "sync/thread_name.hpp"

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

void Workers::run(std::function<void()> job) {
  const MutexLock lock(mutex_);
  jobs_.push(std::move(job));
  try {
    grow();
  } catch (const std::system_error&) {
    if (threads_.empty()) {
      jobs_ = {};  // the one just pushed: without a thread there are no others
      throw;
    }  // else those there are get to it
  }
  changed_.notify_one();
}

// One thread more, if there is a job that none is free for.
void Workers::grow() {
  const std::size_t free = threads_.size() - running_;
  if (jobs_.size() <= free || threads_.size() - waiting_ >= limit_ || threads_.size() >= most_threads) return;
  threads_.emplace_back([this] { work(); });
}

void Workers::begin_wait() {
  const MutexLock lock(mutex_);
  ++waiting_;
  try {
    grow();
  } catch (const std::system_error&) {
    // Then the job waits until a thread is free.
  }
}

void Workers::end_wait() {
  const MutexLock lock(mutex_);
  --waiting_;
}

Workers::Load Workers::load() {
  const MutexLock lock(mutex_);
  return {threads_.size(), jobs_.size(), running_};
}

void Workers::work() {
  name_thread("bp-worker");
  const SignalStack signal_stack;
  MutexLock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this]() BP_REQUIRES(mutex_) { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop();
    ++running_;
    lock.unlock();
    job();
    lock.lock();
    --running_;
  }
}

}  // namespace backplane::host
