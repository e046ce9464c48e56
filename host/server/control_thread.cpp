// SPDX-License-Identifier: Apache-2.0
#include "server/control_thread.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <set>
#include <utility>
#include <vector>

#include "sync/mutex.hpp"

namespace backplane::host {

struct ControlThread::State {
  struct Wait {
    std::uint64_t operation;
    Clock::time_point until;
    Job job;
  };

  Mutex mutex;
  Condition wake;
  std::deque<Job> jobs BP_GUARDED_BY(mutex);
  std::vector<Wait> waits BP_GUARDED_BY(mutex);
  std::set<std::uint64_t> watched BP_GUARDED_BY(mutex);  // operations whose end on_end() will tell
  bool stopping BP_GUARDED_BY(mutex) = false;
  std::atomic<std::uint64_t> done{0};

  // Makes jobs of the waits that are over.
  template <class F>
  void take_waits(F is_over) BP_REQUIRES(mutex) {
    for (Wait& wait : waits) {
      if (!is_over(wait)) continue;
      jobs.push_back(std::move(wait.job));
      wait.job = nullptr;
    }
    std::erase_if(waits, [](const Wait& wait) { return wait.job == nullptr; });
  }
};

// Of one operation, until it ends.
struct ControlThread::Watch {
  std::shared_ptr<State> state;
  std::uint64_t operation;
};

ControlThread::ControlThread(bp_context context)
    : context_(context), state_(std::make_shared<State>()), thread_([state = state_] { loop(*state); }) {}

void ControlThread::push(Job job) {
  {
    const MutexLock lock(state_->mutex);
    if (!state_->stopping) {
      state_->jobs.push_back(std::move(job));
      state_->wake.notify_one();
      return;
    }
  }
  job(false);
}

void ControlThread::push_after(std::uint64_t operation, Clock::time_point until, Job job) {
  auto fresh = std::make_unique<Watch>(Watch{state_, operation});
  bool watch = false;
  {
    const MutexLock lock(state_->mutex);
    if (state_->stopping) {
      state_->jobs.push_back(std::move(job));
      return;
    }
    watch = state_->watched.insert(operation).second;
    try {
      state_->waits.push_back({operation, until, std::move(job)});
    } catch (...) {
      if (watch) state_->watched.erase(operation);
      throw;
    }
  }
  if (!watch) return;
  const bp_status status = bp_operation_then(context_, {operation}, on_end, fresh.get());
  if (status == BP_OK) {
    fresh.release();
  } else if (status == BP_OUT_OF_MEMORY) {
    const MutexLock lock(state_->mutex);
    state_->watched.erase(operation);  // the job runs at its timeout
  } else {
    on_end(fresh.release());  // it is unknown by now: the job says so
  }
}

// Any thread.
void ControlThread::on_end(void* watch) {
  const std::unique_ptr<Watch> own(static_cast<Watch*>(watch));
  State& state = *own->state;
  const MutexLock lock(state.mutex);
  state.watched.erase(own->operation);
  try {
    state.take_waits([&own](const State::Wait& wait) { return wait.operation == own->operation; });
  } catch (const std::exception&) {
    // No memory: the jobs run at their timeouts.
  }
  state.wake.notify_one();
}

std::uint64_t ControlThread::jobs_done() const noexcept { return state_->done.load(std::memory_order_relaxed); }

void ControlThread::stop() {
  {
    const MutexLock lock(state_->mutex);
    state_->stopping = true;
    state_->wake.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ControlThread::loop(State& state) {
  MutexLock lock(state.mutex);
  for (;;) {
    const auto now = Clock::now();
    try {
      const bool all = state.stopping;
      state.take_waits([now, all](const State::Wait& wait) { return all || wait.until <= now; });
    } catch (const std::exception&) {
      // No memory: they are taken later.
    }
    if (state.jobs.empty()) {
      if (state.stopping && state.waits.empty()) return;
      const auto first = std::min_element(state.waits.begin(), state.waits.end(),
                                          [](const auto& a, const auto& b) { return a.until < b.until; });
      const auto has_news = [&state]() BP_REQUIRES(state.mutex) { return state.stopping || !state.jobs.empty(); };
      if (first == state.waits.end()) {
        state.wake.wait(lock, has_news);
      } else {
        const auto until = first->until;
        state.wake.wait_until(lock, until, has_news);
      }
      continue;
    }
    const Job job = std::move(state.jobs.front());
    state.jobs.pop_front();
    const bool run = !state.stopping;
    lock.unlock();
    try {
      job(run);
    } catch (const std::exception&) {
      // A job answers for itself. What it could not do must not end the host.
    }
    state.done.fetch_add(1, std::memory_order_relaxed);
    lock.lock();
  }
}

}  // namespace backplane::host
