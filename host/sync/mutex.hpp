// SPDX-License-Identifier: Apache-2.0
//
// Mutexes with annotations for clang's thread safety analysis, which checks that guarded members are used with their
// mutex locked (scripts/checks/thread_safety.py). With g++, the attributes are empty, and the classes are std::mutex
// and std::condition_variable.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define BP_THREAD_ATTRIBUTE(what) __attribute__((what))
#else
#define BP_THREAD_ATTRIBUTE(what)
#endif

/// For a class: its objects can be locked.
#define BP_CAPABILITY(name) BP_THREAD_ATTRIBUTE(capability(name))
/// For a class: its objects hold a lock while they exist.
#define BP_SCOPED_CAPABILITY BP_THREAD_ATTRIBUTE(scoped_lockable)
/// For a member: it may be used only with this mutex locked.
#define BP_GUARDED_BY(mutex) BP_THREAD_ATTRIBUTE(guarded_by(mutex))
/// For a function, or a lambda after its parameters: it may be called only with this mutex locked.
#define BP_REQUIRES(...) BP_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define BP_ACQUIRE(...) BP_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define BP_RELEASE(...) BP_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
/// For a function: after a call, the capability counts as locked.
#define BP_ASSERT_CAPABILITY(what) BP_THREAD_ATTRIBUTE(assert_capability(what))
/// For a function: it is not analysed. A comment must give the reason.
#define BP_NO_THREAD_SAFETY_ANALYSIS BP_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace backplane::host {

class BP_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() BP_ACQUIRE() { native_.lock(); }
  void unlock() BP_RELEASE() { native_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex native_;
};

/// Locks a mutex while it exists, except between unlock() and lock().
class BP_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) BP_ACQUIRE(mutex) : native_(mutex.native_) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() BP_RELEASE() = default;

  void unlock() BP_RELEASE() { native_.unlock(); }
  void lock() BP_ACQUIRE() { native_.lock(); }

 private:
  friend class Condition;
  std::unique_lock<std::mutex> native_;
};

/// As std::condition_variable. It calls `condition` with the mutex locked, so mark a lambda with BP_REQUIRES.
class Condition {
 public:
  void notify_one() noexcept { native_.notify_one(); }
  void notify_all() noexcept { native_.notify_all(); }

  template <class F>
  void wait(MutexLock& lock, F condition) {
    native_.wait(lock.native_, condition);
  }
  /// Returns false if the condition is still false after `duration`.
  template <class Duration, class F>
  bool wait_for(MutexLock& lock, const Duration& duration, F condition) {
    return native_.wait_for(lock.native_, duration, condition);
  }
  template <class Time, class F>
  bool wait_until(MutexLock& lock, const Time& time, F condition) {
    return native_.wait_until(lock.native_, time, condition);
  }

 private:
  std::condition_variable native_;
};

}  // namespace backplane::host
