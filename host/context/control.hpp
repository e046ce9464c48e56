// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "sync/mpsc.hpp"
#include "sync/mutex.hpp"
#include "sync/thread_name.hpp"

namespace backplane::host {

/// The control thread: loads, unloads and reloads, one operation at a time. What needs no thread of its own is
/// done by the caller meanwhile, if nothing else is going on.
class Control {
 public:
  /// Something to run on the control thread. Whoever owns one has it ready before it is needed, so that
  /// posting it cannot fail.
  struct Job {
    Job() = default;
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    virtual ~Job() = default;
    /// Called once for each post; may delete the job.
    virtual void run() = 0;
    Job* next = nullptr;
  };

  Control() : thread_([this] { run(); }) {}
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  /// What has been posted still runs.
  ~Control() {
    {
      const MutexLock lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  /// Runs `job` after what was posted before. Any thread, the control thread too.
  void post(Job& job) noexcept {
    const MutexLock lock(mutex_);
    jobs_.push(&job);
    if (!taken_) changed_.notify_one();
  }

  /// Runs `job` on the calling thread, as the control thread would, unless something is running or waiting: then it
  /// does not, and returns false. Throws what it throws. Not from the control thread.
  template <class F>
  bool try_here(F job) {
    {
      const MutexLock lock(mutex_);
      if (taken_ || !jobs_.empty()) return false;
      take();
    }
    struct Turn {
      explicit Turn(Control& c) : control(c) {}
      Turn(const Turn&) = delete;
      Turn& operator=(const Turn&) = delete;
      ~Turn() {
        const MutexLock lock(control.mutex_);
        control.give_back();
        if (control.stop_ || !control.jobs_.empty()) control.changed_.notify_one();
      }
      Control& control;
    };
    const Turn turn(*this);
    job();
    return true;
  }

  /// A function to be called once at most, by any thread, that has `job` run on the control thread, and
  /// cannot fail.
  std::function<void()> prepare(std::function<void()> job) {
    struct Prepared final : Job {
      explicit Prepared(std::function<void()> f) : body(std::move(f)) {}
      void run() override {
        const std::shared_ptr<Prepared> last = std::move(self);
        body();
      }
      std::function<void()> body;
      std::shared_ptr<Prepared> self;  // from the post until it has run
    };
    return [this, job = std::make_shared<Prepared>(std::move(job))] {
      job->self = job;
      post(*job);
    };
  }

  /// Runs `job`, which gives a value, on the control thread and waits for it; throws what it throws. Not from
  /// the control thread.
  template <class F>
  auto run_now(F job) -> decltype(job()) {
    struct Now final : Job {
      explicit Now(F& f) : body(f) {}
      void run() override {
        try {
          value = body();
        } catch (...) {
          error = std::current_exception();
        }
        // Under the lock to the end: the caller goes on, and this with it, as soon as it sees `done`.
        const MutexLock lock(mutex);
        done = true;
        changed.notify_all();
      }
      F& body;
      std::optional<decltype(job())> value;
      std::exception_ptr error;
      Mutex mutex;
      Condition changed;
      bool done BP_GUARDED_BY(mutex) = false;
    };
    Now now(job);
    post(now);
    {
      MutexLock lock(now.mutex);
      now.changed.wait(lock, [&now]() BP_REQUIRES(now.mutex) { return now.done; });
    }
    if (now.error != nullptr) std::rethrow_exception(std::move(now.error));
    return std::move(*now.value);
  }

  /// Whether the calling thread is in the midst of a job.
  bool on_thread() const noexcept { return std::this_thread::get_id() == runner_.load(std::memory_order_relaxed); }

 private:
  void run() {
    name_thread("bp-control");
    MutexLock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this]() BP_REQUIRES(mutex_) { return !taken_ && (stop_ || !jobs_.empty()); });
      Job* const job = jobs_.pop();
      if (job == nullptr) return;
      take();
      lock.unlock();
      job->run();
      lock.lock();
      give_back();
    }
  }

  void take() noexcept BP_REQUIRES(mutex_) {
    taken_ = true;
    runner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  void give_back() noexcept BP_REQUIRES(mutex_) {
    taken_ = false;
    runner_.store({}, std::memory_order_relaxed);
  }

  Mutex mutex_;
  Condition changed_;
  Fifo<Job> jobs_ BP_GUARDED_BY(mutex_);
  bool taken_ BP_GUARDED_BY(mutex_) = false;  // a job runs, here or on another thread
  bool stop_ BP_GUARDED_BY(mutex_) = false;
  std::atomic<std::thread::id> runner_{};  // whose thread it runs on; of meaning to that thread alone
  std::thread thread_;
};

}  // namespace backplane::host
