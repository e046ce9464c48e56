// SPDX-License-Identifier: Apache-2.0
//
// Mutexes that clang's thread safety analysis understands, so that it is the compiler who says that what is
// guarded is touched with its lock held (scripts/checks/thread_safety.py). Under g++ the attributes are nothing,
// and the classes are std::mutex and std::condition_variable.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define BP_THREAD_ATTRIBUTE(what) __attribute__((what))
#else
#define BP_THREAD_ATTRIBUTE(what)
#endif

/// Of a class: its objects can be held.
#define BP_CAPABILITY(name) BP_THREAD_ATTRIBUTE(capability(name))
/// Of a class: its objects hold something as long as they live.
#define BP_SCOPED_CAPABILITY BP_THREAD_ATTRIBUTE(scoped_lockable)
/// Of a member: touched only with that mutex held.
#define BP_GUARDED_BY(mutex) BP_THREAD_ATTRIBUTE(guarded_by(mutex))
/// Of a function, or a lambda behind its parameters: called only with that mutex held.
#define BP_REQUIRES(...) BP_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define BP_ACQUIRE(...) BP_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define BP_RELEASE(...) BP_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
/// Of a function: after it, the capability counts as held.
#define BP_ASSERT_CAPABILITY(what) BP_THREAD_ATTRIBUTE(assert_capability(what))
/// Of a function: not looked into, for the reason that stands with it.
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

/// Holds a mutex for its life, but for where it is told not to.
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

/// As std::condition_variable. The conditions given are called with the lock held: say so of a lambda by
/// BP_REQUIRES.
class Condition {
 public:
  void notify_one() noexcept { native_.notify_one(); }
  void notify_all() noexcept { native_.notify_all(); }

  template <class F>
  void wait(MutexLock& lock, F condition) {
    native_.wait(lock.native_, condition);
  }
  /// Whether the condition came to hold in time.
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
