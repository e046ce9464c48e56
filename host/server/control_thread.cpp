// SPDX-License-Identifier: Apache-2.0
#include "server/control_thread.hpp"

#include <exception>
#include <utility>

#include "sync/mutex.hpp"

namespace backplane::host {

void ControlThread::push(Job job) {
  {
    const MutexLock lock(mutex_);
    if (!stopping_) {
      jobs_.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  job(false);
}

void ControlThread::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ControlThread::loop() {
  MutexLock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this]() BP_REQUIRES(mutex_) { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    const bool run = !stopping_;
    lock.unlock();
    try {
      job(run);
    } catch (const std::exception&) {
      // A job answers for itself. What it could not do must not end the host.
    }
    lock.lock();
  }
}

}  // namespace backplane::host
