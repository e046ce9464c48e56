// SPDX-License-Identifier: Apache-2.0
#include "request/workers.hpp"

#include "support/thread_name.hpp"

namespace backplane {

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void Workers::run(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  const bool all_taken = running_ + jobs_.size() >= threads_.size();
  if (all_taken && threads_.size() < limit_) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) throw;  // otherwise those there are get to it
    }
  }
  jobs_.push(std::move(job));
  changed_.notify_one();
}

Workers::Load Workers::load() {
  const std::lock_guard lock(mutex_);
  return {threads_.size(), jobs_.size(), running_};
}

void Workers::work() {
  name_thread("bp-worker");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
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

}  // namespace backplane
