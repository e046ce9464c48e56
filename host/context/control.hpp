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

/// The control thread. It loads, unloads and reloads modules, one operation at a time. Short work may run on the
/// caller's thread instead, if no other operation runs (try_here()).
class Control {
 public:
  /// Work for the control thread. Its owner allocates it in advance, so that posting it cannot fail.
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
  /// Runs all posted jobs, then ends the thread.
  ~Control() {
    {
      const MutexLock lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  /// Runs `job` after all jobs posted earlier. Any thread, including the control thread.
  void post(Job& job) noexcept {
    const MutexLock lock(mutex_);
    jobs_.push(&job);
    if (!taken_) changed_.notify_one();
  }

  /// Runs `job` on the calling thread, excluding all other jobs. Returns false without running it if a job runs or
  /// waits. Exceptions of `job` pass through. Not from the control thread.
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

  /// Returns a function that posts `job` to the control thread. Any thread may call it, at most once. It cannot fail.
  std::function<void()> prepare(std::function<void()> job) {
    struct Prepared final : Job {
      explicit Prepared(std::function<void()> f) : body(std::move(f)) {}
      void run() override {
        const std::shared_ptr<Prepared> last = std::move(self);
        body();
      }
      std::function<void()> body;
      std::shared_ptr<Prepared> self;  // keeps the job alive from the post until it has run
    };
    return [this, job = std::make_shared<Prepared>(std::move(job))] {
      job->self = job;
      post(*job);
    };
  }

  /// Runs `job` on the control thread, waits for it, and returns its value. Exceptions of `job` pass through. Not from
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
        // Notify under the lock: when the caller sees `done`, it destroys this object.
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

  /// Whether the calling thread runs a job.
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
  bool taken_ BP_GUARDED_BY(mutex_) = false;  // a job runs, on the control thread or on a caller of try_here()
  bool stop_ BP_GUARDED_BY(mutex_) = false;
  std::atomic<std::thread::id> runner_{};  // the thread that runs a job; only that thread may rely on the value
  std::thread thread_;
};

}  // namespace backplane::host
