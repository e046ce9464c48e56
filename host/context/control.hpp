// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "modules/module_call.hpp"
#include "sync/mpsc.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// Work for the control threads. Its owner allocates it in advance, so that posting it cannot fail.
struct ControlJob {
  ControlJob() = default;
  ControlJob(const ControlJob&) = delete;
  ControlJob& operator=(const ControlJob&) = delete;
  virtual ~ControlJob() = default;
  /// Called once for each post; may delete the job.
  virtual void run() = 0;
  /// Its call of a module's code takes too long: other operations go on, and this one only after the call returns.
  /// Called with no lock held, while run() runs on another thread. Must return soon.
  virtual void overdue(const std::string& what) noexcept { static_cast<void>(what); }
  ControlJob* next = nullptr;
  bool queued = false;  ///< of a LaterJob: its time has come, and it waits for its turn, linked by `next`
};

/// One that waits for its time; see Control::post_operation_later().
struct LaterJob : ControlJob {
  std::chrono::steady_clock::time_point due{};
  bool waits = false;
};

/// The control threads, and the turn at what modules and contexts share.
///
/// Work has the *turn* while it runs: nothing else has it. There are two kinds. Short work adds or removes a context.
/// An operation loads, reloads or ends a generation. One operation runs at a time. While it calls a module's code, it
/// gives the turn away, so that short work goes on, and waits for the turn afterwards.
///
/// One thread, the main one, does all work, because modules expect init and deinit on one thread. A second one stands
/// in for it: it watches the calls, and does short work during them. If a call takes longer than `module_timeout`, the
/// main thread is left to it, and the second takes its place. If the call returns after all, its operation waits until
/// it is the only one, and goes on.
class Control final : public ModuleCalls {
 public:
  using Job = ControlJob;
  using Milliseconds = std::chrono::milliseconds;
  using Clock = std::chrono::steady_clock;

  explicit Control(Milliseconds module_timeout = Milliseconds(10'000));
  /// Runs all posted jobs, then ends the threads.
  ~Control();

  /// Runs short work after all that was posted earlier. Any thread, including a control thread.
  void post(Job& job) noexcept;
  /// The same for an operation.
  void post_operation(Job& job) noexcept;

  /// The same, but not before `delay` is over. A job that waits already comes at the earlier of the two times: one
  /// whose time has come already runs once. It is forgotten if the control threads end first.
  void post_operation_later(LaterJob& job, Milliseconds delay) noexcept;

  /// Runs short work on the calling thread. Returns false without running it if somebody has the turn, or other short
  /// work waits for it. Exceptions of `job` pass through. Not from a control thread.
  template <class F>
  bool try_here(F job) {
    {
      const MutexLock lock(mutex_);
      if (taken_ || !short_.empty()) return false;
      taken_ = true;
    }
    const Turn turn(*this);
    job();
    return true;
  }

  /// Returns a function that posts `job` as an operation. Any thread may call it, at most once. It cannot fail.
  std::function<void()> prepare(std::function<void()> job);

  /// Runs short work on a control thread, waits for it, and returns its value. Exceptions of `job` pass through. Not
  /// from a control thread.
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

  /// Whether the calling thread runs work of a Control.
  static bool on_thread() noexcept;

  /// A call of a module's code that has not returned.
  struct Call {
    std::string what;
    std::string module;
    std::uint64_t generation;
    Milliseconds for_time;
    bool overdue;
    bool in_dynamic_loader;
  };
  /// Those that run now. Any thread.
  std::vector<Call> calls() const;
  /// Waits until there are none, for `timeout` at most. Returns those that there are then.
  std::vector<Call> wait_for_calls(Milliseconds timeout);
  /// The overdue call that holds the dynamic loader's lock; empty: none. No object can be mapped or unmapped meanwhile.
  std::string holder_of_dynamic_loader() const;

  void begin(ModuleCall& call) noexcept override;
  bool end(ModuleCall& call) noexcept override;
  Milliseconds timeout() const noexcept override { return module_timeout_; }

 private:
  // Gives the turn back at its end.
  class Turn {
   public:
    explicit Turn(Control& control) noexcept;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn();

   private:
    Control& control_;
    const bool outer_;
  };

  void notify_if_awaited() noexcept BP_REQUIRES(mutex_);
  void serve(std::size_t self) noexcept;
  bool takes(std::size_t self, const Fifo<Job>& queue) const BP_REQUIRES(mutex_);
  Clock::time_point due_of(const ModuleCall& call) const noexcept;
  void post_due() noexcept BP_REQUIRES(mutex_);
  ModuleCall* wait(MutexLock& lock, std::size_t self) BP_REQUIRES(mutex_);
  ModuleCall* leave_overdue(std::size_t self) BP_REQUIRES(mutex_);
  void tell_overdue(const ModuleCall& call) const noexcept;
  void add_thread() BP_REQUIRES(mutex_);
  void try_add_thread() noexcept BP_REQUIRES(mutex_);
  std::vector<Call> copy_calls() const BP_REQUIRES(mutex_);

  const Milliseconds module_timeout_;
  mutable Mutex mutex_;
  Condition changed_;
  Fifo<Job> short_ BP_GUARDED_BY(mutex_);
  Fifo<Job> operations_ BP_GUARDED_BY(mutex_);
  bool taken_ BP_GUARDED_BY(mutex_) = false;             // somebody has the turn
  Job* operation_ BP_GUARDED_BY(mutex_) = nullptr;       // the operation that runs
  ModuleCall* call_ BP_GUARDED_BY(mutex_) = nullptr;     // its call of a module's code
  ModuleCall* overdue_ BP_GUARDED_BY(mutex_) = nullptr;  // calls of earlier operations that have not returned
  unsigned returning_ BP_GUARDED_BY(mutex_) = 0;         // of these, have returned: their operations wait to go on
  unsigned waiting_ BP_GUARDED_BY(mutex_) = 0;           // operations that wait for the turn after a call
  unsigned free_ BP_GUARDED_BY(mutex_) = 0;              // threads without work
  bool stop_ BP_GUARDED_BY(mutex_) = false;
  std::size_t main_ BP_GUARDED_BY(mutex_) = 0;  // index of the main thread
  std::vector<std::thread> threads_ BP_GUARDED_BY(mutex_);
  LaterJob* later_ BP_GUARDED_BY(mutex_) = nullptr;   // operations that are not due
  unsigned later_changes_ BP_GUARDED_BY(mutex_) = 0;  // how often one was added or came nearer
};

}  // namespace backplane::host
