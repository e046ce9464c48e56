// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "modules/registry.hpp"
#include "support/histogram.hpp"
#include "support/ticks.hpp"
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
/// A blocking handler may take as long as it likes. But if jobs of a line wait, and none of its handlers returns,
/// begins or waits for long, then that module does not respond. So each line has a heartbeat. It is busy while jobs
/// wait that get no thread. It beats when a handler of the line begins, returns, waits or goes on.
class Workers {
 public:
  explicit Workers(std::size_t limit) : limit_(limit) {}
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
    Ticks since;          ///< it waits for a thread since then
    bool waited = false;  ///< it found none
  };
  /// Throws std::system_error or std::bad_alloc if there is no thread at all to run it.
  void run(Job job);

  /// Around a wait of a handler on one of the threads, on that thread: meanwhile it does not count against the limits,
  /// so that handlers that wait for handlers cannot take all threads there are.
  void begin_wait();
  void end_wait();

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
    std::size_t queued;  ///< with the calls that are no jobs yet
    std::size_t running;
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
    bool stuck = false;       // jobs or calls wait, and get no thread
    std::uint64_t waited = 0;
    Histogram wait;
    Heartbeat heartbeat;

    std::size_t queued() const noexcept { return jobs.size() + calls; }
  };
  struct Running {
    Line* line;
    const Method* method;
    std::uint64_t generation;
    ::pid_t tid;
    bool waits;
  };
  struct Worker {
    std::thread thread;
    bool busy = false;
    bool leave = false;  // it ends when it is idle
  };

  void work(Worker& self);
  Line& line_of(const Module& module, bool instances);
  Line* find_line(const Module& module, bool instances) noexcept BP_REQUIRES(mutex_);
  std::size_t limit_of(const Line& line) const noexcept;
  bool may_start(const Line& line) const noexcept BP_REQUIRES(mutex_);
  Line* next_line() noexcept BP_REQUIRES(mutex_);
  std::size_t startable() const noexcept BP_REQUIRES(mutex_);
  std::size_t idle() const noexcept BP_REQUIRES(mutex_) { return threads_.size() - running_.size(); }
  void grow() BP_REQUIRES(mutex_);
  void try_grow() noexcept BP_REQUIRES(mutex_);
  void changed() noexcept BP_REQUIRES(mutex_);
  void moved(Line& line) noexcept BP_REQUIRES(mutex_);
  Running* oldest(const Line& line) noexcept BP_REQUIRES(mutex_);
  Running& running_here() noexcept BP_REQUIRES(mutex_);
  Culprit culprit(const Line& line);

  const std::size_t limit_;
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
  bool stop_ BP_GUARDED_BY(mutex_) = false;
};

}  // namespace backplane::host
