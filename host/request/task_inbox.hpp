// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <thread>
#include <utility>

#include "ingress/task_queue.hpp"
#include "ingress/waker.hpp"

namespace backplane::host {

/// What other threads send to one request thread, and the waker that wakes it for them.
class TaskInbox {
 public:
  TaskInbox() = default;
  TaskInbox(const TaskInbox&) = delete;
  TaskInbox& operator=(const TaskInbox&) = delete;

  // ---- Any thread ----

  void send(Task& task) noexcept {
    tasks_.push(&task);  // never closed
    waker_.wake();
  }
  void send(ReusableTask& task) noexcept {
    if (task.claim()) send(static_cast<Task&>(task));
  }
  /// Runs `run` on the request thread. False: no memory.
  template <class F>
  bool post(F run) {
    auto* const task = new (std::nothrow) CallableTask<F>(std::move(run));
    if (task == nullptr) return false;
    send(*task);
    mark_unsettled();
    return true;
  }
  Waker& waker() noexcept { return waker_; }

  /// Keeps the loop alive for a thread that nothing else keeps from outliving it. Take it while an open request or
  /// token proves that the loop exists; hold it until the request thread is woken.
  class Sender {
   public:
    explicit Sender(TaskInbox& inbox) noexcept : inbox_(inbox) { inbox_.add_sender(); }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender() { inbox_.remove_sender(); }

   private:
    TaskInbox& inbox_;
  };
  void add_sender() noexcept { senders_.fetch_add(1, std::memory_order_relaxed); }
  void remove_sender() noexcept { senders_.fetch_sub(1, std::memory_order_release); }
  void wait_for_senders() const noexcept {
    while (senders_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  }

  /// Whether a task may be queued although the instances have ended. Set after the task is queued.
  bool unsettled() const noexcept { return unsettled_.load(std::memory_order_acquire); }
  void mark_unsettled() noexcept { unsettled_.store(true, std::memory_order_release); }

  // ---- Request thread ----

  /// Everything queued, oldest first, linked by `next`; null if there is nothing.
  Task* take_all() noexcept { return tasks_.take_all(); }
  bool empty() const noexcept { return tasks_.empty(); }
  /// Clears the mark of what was posted before this turn. A sender sets the mark when its task is queued, so a mark
  /// that is lost here belongs to a task that the look behind it finds.
  void settle() noexcept {
    unsettled_.exchange(false, std::memory_order_acq_rel);
    if (!empty()) mark_unsettled();
  }

 private:
  TaskQueue tasks_;
  Waker waker_;
  std::atomic<std::uint32_t> senders_{0};
  std::atomic<bool> unsettled_{false};
};

}  // namespace backplane::host
