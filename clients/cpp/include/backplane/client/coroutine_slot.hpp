// SPDX-License-Identifier: Apache-2.0
//
// A coroutine that waits for what threads of the host bring, one piece after another.
#pragma once

#include <coroutine>
#include <thread>

#include "executor.hpp"

namespace backplane::client::detail {

/// At most one coroutine that waits. Its owner guards it with a mutex, and keeps it alive as long as a thread uses it.
class CoroutineSlot final : Job {
 public:
  explicit CoroutineSlot(std::mutex& mutex) noexcept : Job(run), mutex_(mutex) {}

  /// Where a coroutine of this promise resumes: on the executor of the call, else on its Task's, else on the context's.
  template <class Promise>
  static Executor* executor_of(std::coroutine_handle<Promise> waiting, Executor* of_call,
                               Executor* of_context) noexcept {
    if constexpr (requires { waiting.promise().executor(); }) {
      if (of_call == nullptr) of_call = waiting.promise().executor();
    }
    return of_call != nullptr ? of_call : of_context;
  }

  // All with the lock
  bool is_taken() const noexcept { return waiting_ != nullptr; }
  /// Without an executor, it resumes on the thread that calls wake().
  void put(std::coroutine_handle<> waiting, Executor* executor) noexcept {
    waiting_ = waiting;
    executor_ = executor;
    woken_ = false;
  }
  /// What it waits for is there. Unlocks. `owner` holds this object until the executor has run the job.
  void wake(std::unique_lock<std::mutex>& lock, std::shared_ptr<void> owner) noexcept {
    if (executor_ == nullptr) return resume(lock);
    woken_ = true;
    if (owner_ != nullptr) return lock.unlock();  // an executor has the job
    owner_ = owner;
    Executor* const executor = posted_to_ = executor_;
    const std::uint64_t mine = posting_ = ++posts_;
    lock.unlock();
    executor->post(*this);
    lock.lock();
    if (posting_ == mine) posting_ = 0;  // else the job has run, and may have been posted again
    lock.unlock();
  }
  /// The coroutine is destroyed, where it would resume. The executor may be gone when this returns.
  void forget(std::unique_lock<std::mutex>& lock) noexcept {
    while (posting_ != 0) {
      lock.unlock();
      std::this_thread::yield();
      lock.lock();
    }
    waiting_ = nullptr;
  }

 private:
  void resume(std::unique_lock<std::mutex>& lock) noexcept {
    const std::coroutine_handle<> waiting = std::exchange(waiting_, nullptr);
    lock.unlock();
    const InCallback inside;
    waiting.resume();
  }
  /// Meanwhile the coroutine may have been destroyed, and another one may wait, for another executor.
  static void run(Job& job) noexcept {
    auto& self = static_cast<CoroutineSlot&>(job);
    std::unique_lock lock(self.mutex_);
    const std::shared_ptr<void> held = std::move(self.owner_);
    // An executor may run it at once, inside of post().
    self.posting_ = 0;
    if (self.waiting_ == nullptr || !self.woken_) return lock.unlock();  // before it may be freed
    self.executor_ == self.posted_to_ ? self.resume(lock) : self.wake(lock, held);
  }

  std::mutex& mutex_;
  std::coroutine_handle<> waiting_;
  Executor* executor_ = nullptr;
  Executor* posted_to_ = nullptr;  // has the job while `owner_` is set
  bool woken_ = false;
  std::uint64_t posts_ = 0, posting_ = 0;  // the number of the post() that has not returned; 0: none
  std::shared_ptr<void> owner_;
};

}  // namespace backplane::client::detail
