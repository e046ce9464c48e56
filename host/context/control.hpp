// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "support/thread_name.hpp"

namespace backplane {

/// The control thread: loads, unloads and reloads, one operation at a time.
class Control {
 public:
  Control() : thread_([this] { run(); }) {}
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  /// What has been posted still runs.
  ~Control() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  /// Runs `job` after what was posted before. Any thread, the control thread too.
  void post(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    changed_.notify_one();
  }

  /// Runs `job`, which gives a value, on the control thread and waits for it; throws what it throws. Not from
  /// the control thread.
  template <class F>
  auto run_now(F job) -> decltype(job()) {
    std::optional<decltype(job())> value;
    // Not the task's own: the control thread would let go of the exception when the caller has it already.
    std::exception_ptr error;
    const auto task = std::make_shared<std::packaged_task<void()>>([&] {
      try {
        value = job();
      } catch (...) {
        error = std::current_exception();
      }
    });
    post([task] { (*task)(); });  // shared, because the caller goes on a moment before the task has returned
    task->get_future().wait();
    if (error != nullptr) std::rethrow_exception(std::move(error));
    return std::move(*value);
  }

  bool on_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  void run() {
    name_thread("bp-control");
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool stop_ = false;                       // guarded by mutex_
  std::thread thread_;
};

}  // namespace backplane
