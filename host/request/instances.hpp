// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "modules/instance.hpp"
#include "request/method_cache.hpp"
#include "request/stop_state.hpp"
#include "request/workers.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

class IdleWait;

/// The instances of modules in one context. They are made, used and ended on the request thread. Only the functions of
/// a module run on a worker thread, if the module says so; the request thread goes on when they have returned.
class Instances {
 public:
  using Milliseconds = std::chrono::milliseconds;

  Instances(InstanceHost& host, TaskInbox& inbox, const StopState& stop, IdleWait& idle_wait, MethodCache& methods,
            Workers& workers, Heartbeat& heartbeat, Nanos spin) noexcept
      : host_(host),
        inbox_(inbox),
        stop_(stop),
        idle_wait_(idle_wait),
        methods_(methods),
        workers_(workers),
        heartbeat_(heartbeat),
        spin_(spin) {}
  Instances(const Instances&) = delete;
  Instances& operator=(const Instances&) = delete;

  // ---- The control thread; see InstanceHost in modules/instance.hpp ----
  std::shared_ptr<InstanceStart> begin(Generation& generation, bool keep_failed);
  void retire(Generation& generation);
  void prepare(Generation& generation);
  std::string keep(Generation& generation, Milliseconds timeout);
  // ---- Any thread ----
  void count_work(const Generation& generation, std::chrono::steady_clock::time_point until, std::uint64_t& requests,
                  std::uint64_t& tokens);

  // ---- The request thread ----
  /// Null if the generation has none here.
  bp_instance* of(const Generation& generation) const noexcept BP_REQUIRES(on_request_thread) {
    return generation.slot < all_.size() ? all_[generation.slot].get() : nullptr;
  }
  /// Ends a retired instance that has no work. Later in this turn, because the caller may stand on a fiber, or in the
  /// middle of a list that the end would change.
  void end_if_idle(bp_instance& instance) noexcept BP_REQUIRES(on_request_thread) {
    if (instance.retirement == nullptr || instance.ending || instance.on_worker || instance.has_work()) return;
    instance.ending = true;
    idle_.push(&instance);
  }
  /// Ends those. False: there were none.
  bool end_idle() BP_REQUIRES(on_request_thread);
  /// Ends all. Returns false while a worker thread creates or ends one: then the request thread gets a task, and calls
  /// this again.
  bool end_all() BP_REQUIRES(on_request_thread);
  /// Gives back the table. No instance may be left.
  void clear() noexcept BP_REQUIRES(on_request_thread) { all_.clear(); }

 private:
  // Retires one instance. It is made before the instance, because a retirement cannot fail for want of memory.
  struct Retire final : Task {
    Retire(Instances& in, Generation& of) noexcept;
    Instances& instances;
    Generation& generation;
    std::shared_ptr<Retirement> retirement;
  };
  void retire_here(Generation& generation, const std::shared_ptr<Retirement>& retirement)
      BP_REQUIRES(on_request_thread);
  // An instance function on a worker thread, and the task that tells of its return.
  struct Creation;
  struct End;

  void make(Generation& generation, bool keep_failed, const std::shared_ptr<InstanceStart>& start)
      BP_REQUIRES(on_request_thread);
  void create_on_worker(bp_instance& instance, bool keep_failed, const std::shared_ptr<InstanceStart>& start)
      BP_REQUIRES(on_request_thread);
  void created(bp_instance& instance, bp_status status, bool keep_failed, InstanceStart& start)
      BP_REQUIRES(on_request_thread);
  template <class F>
  void post(const std::shared_ptr<InstanceStart>& start, F what);
  template <class F>
  void run_on_worker(bp_instance& instance, Task& after, F function);
  void destroy(bp_instance& instance) BP_REQUIRES(on_request_thread);
  bool end_on_worker(std::unique_ptr<bp_instance>& instance) BP_REQUIRES(on_request_thread);
  static void end(bp_instance& instance);
  static void forget(std::unique_ptr<bp_instance> instance);

  InstanceHost& host_;
  TaskInbox& inbox_;
  const StopState& stop_;
  IdleWait& idle_wait_;
  MethodCache& methods_;
  Workers& workers_;
  Heartbeat& heartbeat_;
  const Nanos spin_;
  std::vector<std::unique_ptr<Retire>> retires_;  // the control thread's; by Generation::slot; null: none was started
  std::vector<std::unique_ptr<bp_instance>> all_ BP_GUARDED_BY(on_request_thread);      // by Generation::slot
  Fifo<bp_instance> idle_ BP_GUARDED_BY(on_request_thread);                             // to be ended in this turn
  std::vector<std::unique_ptr<bp_instance>> leaving_ BP_GUARDED_BY(on_request_thread);  // a worker thread ends them
};

}  // namespace backplane::host
