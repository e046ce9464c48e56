// SPDX-License-Identifier: Apache-2.0
//
// Task: a coroutine of the application. run() runs one on the calling thread; detach() lets one run by itself.
#pragma once

#include <coroutine>
#include <exception>

#include "executor.hpp"

namespace backplane::client {

template <class T = void>
class Task;

namespace detail {

class TaskPromiseBase {
 public:
  /// Goes on with who awaits the task.
  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      return ended.promise().continuation_;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }

  /// Where this coroutine resumes; nullptr: as the call or the context says.
  Executor* executor() const noexcept { return executor_; }
  void begin(std::coroutine_handle<> continuation, Executor* executor) noexcept {
    continuation_ = continuation;
    executor_ = executor;
  }

 private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
  Executor* executor_ = nullptr;
};

template <class T>
class TaskPromise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& value) {
    result_.template emplace<1>(std::forward<U>(value));
  }
  void unhandled_exception() noexcept { result_.template emplace<2>(std::current_exception()); }
  T take() {
    if (result_.index() == 2) std::rethrow_exception(std::get<2>(result_));
    return std::move(std::get<1>(result_));
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <>
class TaskPromise<void> final : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  void take() {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

}  // namespace detail

/// A coroutine that gives a T. It begins when it is awaited, run or detached. An exception that leaves it goes to who
/// awaits it. Destroying it ends it at its co_await, and cancels the call that it awaits.
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
    Executor* executor = nullptr;
    if constexpr (requires { waiting.promise().executor(); }) executor = waiting.promise().executor();
    handle_.promise().begin(waiting, executor);
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

/// The outermost coroutine: it starts at once, has an executor, and frees itself.
struct Root {
  struct promise_type {
    template <class... A>
    explicit promise_type(Executor* executor, A&&...) noexcept : executor_(executor) {}
    Root get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { log_exception("a detached task"); }
    Executor* executor() const noexcept { return executor_; }

   private:
    Executor* executor_;
  };
};

template <class T, class Outcome>
Root run_root(Executor*, Task<T> task, Outcome& outcome, Loop& loop) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await task;
      outcome.template emplace<1>();
    } else {
      outcome.template emplace<1>(co_await task);
    }
  } catch (...) {
    outcome.template emplace<2>(std::current_exception());
  }
  loop.stop();
}

inline Root detach_root(Executor*, Task<void> task) { co_await task; }

}  // namespace detail

/// Runs a task on this thread, and waits for it: it resumes here, whatever the executor of its context. Returns its
/// value, or throws its exception. While the task waits, this thread sleeps. Throws CallError (BP_REENTRANT) on a
/// thread of the host.
template <class T>
T run(Task<T> task) {
  if (detail::OnHostThread::here()) {
    throw CallError({BP_REENTRANT, "run() waits, so it is refused on a thread of the host; use detach() there"});
  }
  std::variant<std::monostate, std::conditional_t<std::is_void_v<T>, std::monostate, T>, std::exception_ptr> outcome;
  {
    Loop loop;
    detail::run_root(&loop, std::move(task), outcome, loop);
    loop.run();
  }
  if (outcome.index() == 2) std::rethrow_exception(std::get<2>(outcome));
  if constexpr (!std::is_void_v<T>) return std::move(std::get<1>(outcome));
}

/// Starts a task on this thread, and leaves it to itself. An exception that leaves it is logged. `executor`: where it
/// resumes; nullptr: as the calls that it awaits, or their contexts, say. It must outlive the task.
inline void detach(Task<void> task, Executor* executor = nullptr) { detail::detach_root(executor, std::move(task)); }

}  // namespace backplane::client
