// SPDX-License-Identifier: Apache-2.0
//
// Where coroutines resume and callbacks run: an Executor. Loop is one that runs on the thread that calls it.
#pragma once

#include <backplane/backplane.h>

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "payload.hpp"

namespace backplane::client {

/// A piece of work for an Executor. It belongs to the client. Call run() once; it throws nothing, and the Job may be
/// gone when it returns.
class Job {
 public:
  void run() noexcept { run_(*this); }

 protected:
  using Run = void (*)(Job&) noexcept;
  explicit Job(Run runs) noexcept : run_(runs) {}
  ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

 private:
  friend class Loop;
  Run run_;
  Job* next_ = nullptr;
};

/// Takes Jobs and runs them, each once, on a thread of its choice and in its order. For example, for asio:
///
///   struct Io : client::Executor {
///     void post(client::Job& job) noexcept override { asio::post(io, [&job] { job.run(); }); }
///   };
class Executor {
 public:
  /// Called on threads of the host, with no lock held. It must not wait. A Job that cannot be queued may be run at
  /// once.
  virtual void post(Job& job) noexcept = 0;

 protected:
  ~Executor() = default;
};

/// Runs its jobs on the thread that calls run() or run_until().
class Loop final : public Executor {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// Runs what is queued.
  ~Loop() {
    while (run_one()) {
    }
  }

  void post(Job& job) noexcept override {
    const std::lock_guard lock(mutex_);
    job.next_ = nullptr;
    *last_ = &job;
    last_ = &job.next_;
    changed_.notify_one();
  }

  /// Runs jobs until stop() is called.
  void run() {
    for (;;) {
      Job* job = nullptr;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return first_ != nullptr || stopped_; });
        if (stopped_) {
          stopped_ = false;
          return;
        }
        job = take();
      }
      job->run();
    }
  }
  /// Runs one job if one is queued. Returns whether it was.
  bool run_one() {
    Job* job = nullptr;
    {
      const std::lock_guard lock(mutex_);
      job = take();
    }
    if (job != nullptr) job->run();
    return job != nullptr;
  }
  /// Ends run(), after the job that runs. If nobody runs the loop, the next run() returns at once.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  Job* take() {
    Job* const job = first_;
    if (job == nullptr) return nullptr;
    first_ = job->next_;
    if (first_ == nullptr) last_ = &first_;
    return job;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Job* first_ = nullptr;
  Job** last_ = &first_;
  bool stopped_ = false;
};

namespace detail {

/// Stands in every callback of the client while it runs. What a callback lets go of that may still be running is freed
/// when the outermost one on this thread has returned: an unlisten in a cycle of listeners does not wait (bp_unlisten).
class InCallback {
 public:
  InCallback() noexcept { ++depth(); }
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;
  ~InCallback() {
    if (depth() == 1) {
      // Freeing may run destructors of the application, which let go of more.
      while (!kept().empty()) {
        const auto gone = std::move(kept());
        kept().clear();
      }
    }
    --depth();
  }

  static bool here() noexcept { return depth() != 0; }

  /// Frees `state` now, or after the callback that runs on this thread.
  static void let_go(std::shared_ptr<void> state) noexcept {
    if (depth() == 0) return;
    try {
      kept().push_back(state);
    } catch (...) {
      new (std::nothrow) std::shared_ptr<void>(std::move(state));  // rather lost than freed under a running callback
    }
  }

 private:
  static int& depth() noexcept {
    thread_local int value = 0;
    return value;
  }
  static std::vector<std::shared_ptr<void>>& kept() noexcept {
    thread_local std::vector<std::shared_ptr<void>> value;
    return value;
  }
};

/// Stands in every C callback while it runs: this is a thread of the host.
class OnHostThread {
 public:
  OnHostThread() noexcept { ++depth(); }
  OnHostThread(const OnHostThread&) = delete;
  OnHostThread& operator=(const OnHostThread&) = delete;
  ~OnHostThread() { --depth(); }
  static bool here() noexcept { return depth() != 0; }

 private:
  static int& depth() noexcept {
    thread_local int value = 0;
    return value;
  }
  const InCallback inside_;
};

/// Logs the exception that is being handled, which has left a callback of the application. Call it only inside a catch
/// block.
inline void log_exception(std::string_view whose) noexcept {
  const Failure failure = failure_of_exception(whose, "the callback threw an exception");
  try {
    const std::string text = join(whose, ": ", failure.message);
    bp_log_write(BP_LOG_ERROR, 0, BP_STR("client"), str(text));
  } catch (...) {
    bp_log_write(BP_LOG_ERROR, 0, BP_STR("client"), BP_STR("a callback threw an exception"));
  }
}

/// Runs a callback of the application.
template <class F, class... A>
void guarded(std::string_view whose, F& f, A&&... arguments) noexcept {
  const InCallback inside;
  try {
    f(std::forward<A>(arguments)...);
  } catch (...) {
    log_exception(whose);
  }
}

}  // namespace detail
}  // namespace backplane::client
