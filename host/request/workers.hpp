// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include "modules/registry.hpp"
#include "request/worker_thread.hpp"
#include "support/histogram.hpp"
#include "support/ticks.hpp"
#include "sync/clock.hpp"
#include "sync/mutex.hpp"
#include "watchdog/heartbeat.hpp"
#include "watchdog/watchdog.hpp"

namespace backplane::host {

/// The threads that run handlers declared blocking, and instance functions declared so. They are started as work comes.
///
/// Each module has a *line* of jobs for its handlers, and one for its instances. A line takes a thread if
///   - it has none: then also beyond the limit of the pool, so that no module waits for the slow handlers of others;
///   - else if fewer threads than the limit of the pool are taken, and the line has not reached its own limit.
/// Of several lines, the one with the fewest threads is next, then the one whose job has waited longest. Handlers that
/// wait do not count, here and below.
///
/// With those that wait, there are at most `most` threads, or as many as the system gives. The last of them are a
/// reserve: only lines that have no thread at all take one of these. So each line gets on, also if the handlers of one
/// wait for those of another. If all threads wait nevertheless, nothing moves, and no job can start, then a handler
/// that waits for a job is to give it up: see stands_still().
///
/// A blocking handler may take as long as it likes. But if jobs of a line wait, and none of its handlers returns,
/// begins or waits for long, then that module does not respond. So each line has a heartbeat. It is busy while jobs
/// wait that get no thread. It beats when a handler of the line begins, returns, waits or goes on.
class Workers {
 public:
  static constexpr std::size_t most_threads = 1'024;

  explicit Workers(std::size_t limit, std::size_t most = most_threads) : limit_(limit), most_(most) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  /// Waits for the jobs that run. Drops the jobs that have not begun.
  ~Workers();

  /// Ends the threads that are idle, and waits for them: a thread_local of a module keeps its object mapped as long as
  /// the thread runs. Those that run a job end after it; then `on_left` of set_on_left() is called. Returns whether a
  /// thread has ended. Not from a worker thread.
  bool end_idle();
  /// Waits for threads that end after end_idle(). Returns whether there were any. Not from a worker thread.
  bool join_left();
  /// Once, before the first run(). `on_left` runs on the worker thread that is about to end; then call join_left().
  void set_on_left(std::function<void()> on_left) { on_left_ = std::move(on_left); }

  /// How many threads the handlers of a module may take at once.
  std::size_t limit_of(const Module& module) const noexcept;

  /// The run of a handler of `method`; or, without a method, of an instance function.
  struct Job {
    std::function<void()> run;
    const Module* module;
    const Method* method;
    std::uint64_t generation;
    Ticks since;                 ///< it waits for a thread since then
    bool waited = false;         ///< it found none
    const void* call = nullptr;  ///< see has_queued()
  };
  /// Throws std::system_error or std::bad_alloc if there is no thread at all to run it.
  void run(Job job);
  /// Whether the job of this call has not begun.
  bool has_queued(const void* call) noexcept;
  /// How many threads there may be.
  std::size_t most() const noexcept { return most_; }

  /// Around a wait of a handler on one of the threads, on that thread: meanwhile it does not count against the limits,
  /// so that handlers that wait for handlers cannot take all threads there are. Begin before another thread can learn
  /// what is waited for. Returns whether all handlers on threads wait now. Then this one asks stands_still() now and
  /// then: of handlers that wait for each other's jobs, it is the last, or follows the last.
  bool begin_wait();
  /// What a handler waits for has come: it goes on as soon as its thread runs. Any thread, once before end_wait().
  void wait_is_over() noexcept;
  void end_wait();
  /// How often it asks.
  static constexpr std::chrono::milliseconds wait_check{250};
  /// Whether no job can get a thread, and no handler has begun, ended or gone on since the last call with this `seen`,
  /// which begins as 0. One thread alone is told so; another one only when something has moved.
  bool stands_still(std::uint64_t& seen);
  /// Whether all handlers on threads wait, and jobs wait that cannot have a thread.
  bool no_job_can_start();
  /// A handler has given up a wait because of stands_still(). Returns the number of threads.
  std::size_t note_refused() noexcept;

  /// A call of that module waits for one of the threads, and is not a job yet. And it waits no longer.
  void call_waits(const Module& module) noexcept;
  void call_goes(const Module& module) noexcept;

  /// The handlers of one module.
  struct ModuleLoad {
    const Module* module;
    std::size_t limit;
    std::size_t queued;
    std::size_t running;
    std::uint64_t waited;  ///< calls that found no free thread
    Distribution wait;     ///< for a thread, in ticks
  };
  struct Load {
    std::size_t threads;
    std::size_t most;    ///< that there may be
    std::size_t queued;  ///< with the calls that are no jobs yet
    std::size_t running;
    std::size_t waiting;    ///< of those that run
    std::uint64_t refused;  ///< waits that were given up because all threads waited
    std::vector<ModuleLoad> modules;
  };
  Load load();
  /// How many calls of a module wait.
  std::size_t queued_of(const Module& module);

  /// Once, before the first run(): watches the lines. `tell` gets the module, and runs on the watchdog thread.
  void set_watchdog(Watchdog& watchdog, std::function<void(const Module&, const Liveness&)> tell, unsigned patience) {
    watchdog_ = &watchdog;
    tell_ = std::move(tell);
    patience_ = patience;
  }

 private:
  struct Line {
    explicit Line(const Module& of, bool of_instances) noexcept : module(of), instances(of_instances) {}
    const Module& module;
    const bool instances;
    std::deque<Job> jobs;
    std::size_t calls = 0;    // that wait to become jobs
    std::size_t running = 0;  // without those that wait
    std::size_t waiting = 0;  // handlers that wait on their threads
    bool stuck = false;       // jobs or calls wait, and get no thread
    std::uint64_t waited = 0;
    Histogram wait;
    Heartbeat heartbeat;

    std::size_t queued() const noexcept { return jobs.size() + calls; }
    std::size_t threads() const noexcept { return running + waiting; }
  };
  struct Running {
    Line* line;
    const Method* method;
    std::uint64_t generation;
    ::pid_t tid;
    bool waits;
  };
  struct Worker {
    WorkerThread thread;
    bool busy = false;
    bool leave = false;  // it ends when it is idle, unless it is needed
    bool left = false;   // it is in left_
  };

  void work(Worker& self);
  Job begin_next(Line& line, Worker& self) BP_REQUIRES(mutex_);
  void end_running(Line& line, Worker& self) BP_REQUIRES(mutex_);
  bool try_leave(Worker& self) noexcept BP_REQUIRES(mutex_);
  Line& line_of(const Module& module, bool instances);
  Line* find_line(const Module& module, bool instances) noexcept BP_REQUIRES(mutex_);
  std::size_t limit_of(const Line& line) const noexcept;
  bool may_start(const Line& line) const noexcept BP_REQUIRES(mutex_);
  Line* next_line() noexcept BP_REQUIRES(mutex_);
  std::size_t startable() const noexcept BP_REQUIRES(mutex_);
  std::size_t before_reserve(std::size_t lines_without) const noexcept BP_REQUIRES(mutex_);
  std::size_t idle() const noexcept BP_REQUIRES(mutex_) { return threads_.size() - running_.size(); }
  bool find_no_start() BP_REQUIRES(mutex_);
  void grow() BP_REQUIRES(mutex_);
  void try_grow() noexcept BP_REQUIRES(mutex_);
  void changed() noexcept BP_REQUIRES(mutex_);
  void moved(Line& line) noexcept BP_REQUIRES(mutex_);
  Running* oldest(const Line& line) noexcept BP_REQUIRES(mutex_);
  Running& running_here() noexcept BP_REQUIRES(mutex_);
  Culprit culprit(const Line& line);

  const std::size_t limit_;
  const std::size_t most_;
  Watchdog* watchdog_ = nullptr;
  std::function<void(const Module&, const Liveness&)> tell_;
  unsigned patience_ = 1;
  std::function<void()> on_left_;
  Mutex mutex_;
  Condition work_;
  std::map<std::pair<const Module*, bool>, Line> lines_ BP_GUARDED_BY(mutex_);  // none goes
  std::list<Worker> threads_ BP_GUARDED_BY(mutex_);
  std::list<Worker> left_ BP_GUARDED_BY(mutex_);        // about to end, or ended; not joined
  std::vector<Running> running_ BP_GUARDED_BY(mutex_);  // the oldest first; has room for one of each thread
  std::size_t waiting_ BP_GUARDED_BY(mutex_) = 0;       // of those that run
  std::size_t woken_ BP_GUARDED_BY(mutex_) = 0;         // of those that wait, for what has come
  std::uint64_t moves_ BP_GUARDED_BY(mutex_) = 1;       // handlers that have begun, ended or gone on
  std::size_t without_ BP_GUARDED_BY(mutex_) = 0;       // lines that have no thread
  std::size_t given_ BP_GUARDED_BY(mutex_) = 0;  // how many threads the system gave at most, when it gave no more
  Nanos given_at_ BP_GUARDED_BY(mutex_) = 0;     // when that was; 0: never
  std::uint64_t refused_ BP_GUARDED_BY(mutex_) = 0;
  bool stop_ BP_GUARDED_BY(mutex_) = false;
};

}  // namespace backplane::host
