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
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

class IdleWait;

/// The instances of modules in one context. They are made, used and ended on the request thread.
class Instances {
 public:
  using Milliseconds = std::chrono::milliseconds;

  Instances(InstanceHost& host, TaskInbox& inbox, const StopState& stop, IdleWait& idle_wait, MethodCache& methods,
            Heartbeat& heartbeat, Nanos spin) noexcept
      : host_(host),
        inbox_(inbox),
        stop_(stop),
        idle_wait_(idle_wait),
        methods_(methods),
        heartbeat_(heartbeat),
        spin_(spin) {}
  Instances(const Instances&) = delete;
  Instances& operator=(const Instances&) = delete;

  // ---- The control thread; see InstanceHost in modules/instance.hpp ----
  std::string start(Generation& generation, Milliseconds timeout, bool keep_failed);
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
    if (instance.retirement == nullptr || instance.ending || instance.has_work()) return;
    instance.ending = true;
    idle_.push(&instance);
  }
  /// Ends those. False: there were none.
  bool end_idle() BP_REQUIRES(on_request_thread);
  void end_all() BP_REQUIRES(on_request_thread);
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
  std::string make(Generation& generation, bool keep_failed) BP_REQUIRES(on_request_thread);
  template <class F>
  std::string run_there(Milliseconds timeout, bool in_time, F what);
  void destroy(bp_instance& instance) BP_REQUIRES(on_request_thread);

  InstanceHost& host_;
  TaskInbox& inbox_;
  const StopState& stop_;
  IdleWait& idle_wait_;
  MethodCache& methods_;
  Heartbeat& heartbeat_;
  const Nanos spin_;
  std::vector<std::unique_ptr<Retire>> retires_;  // the control thread's; by Generation::slot; null: none was started
  std::vector<std::unique_ptr<bp_instance>> all_ BP_GUARDED_BY(on_request_thread);  // by Generation::slot
  Fifo<bp_instance> idle_ BP_GUARDED_BY(on_request_thread);                         // to be ended in this turn
};

}  // namespace backplane::host
