// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "modules/generation.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// Keeps a generation mapped while its static handler runs on a thread without a context. Other requests are counted by
/// request threads, which the end of a generation asks one by one. Static calls have no request thread, so a mutex of
/// the module orders them: a call that finds the generation current is counted before retire_static_calls() looks.
class StaticCall {
 public:
  explicit StaticCall(const Method& method) : module_(*method.module) {
    const MutexLock lock(module_.static_mutex);
    Generation* const running = module_.current.load(std::memory_order_acquire);
    module_runs_ = running != nullptr;
    if (module_runs_) handler_ = running->handler(method);
    if (handler_ != nullptr) ++running->static_calls;
  }
  StaticCall(const StaticCall&) = delete;
  StaticCall& operator=(const StaticCall&) = delete;
  ~StaticCall() {
    if (handler_ == nullptr) return;
    Generation& generation = *handler_->generation;
    std::shared_ptr<Retirement> awaited;
    {
      const MutexLock lock(module_.static_mutex);
      if (--generation.static_calls == 0 && generation.static_calls_awaited) awaited = generation.retirement;
    }
    if (awaited != nullptr) awaited->context_done();  // do not use the generation after this: it may be freed
  }

  /// Null if the name had no handler.
  const Handler* handler() const noexcept { return handler_; }
  bool module_runs() const noexcept { return module_runs_; }

 private:
  Module& module_;
  const Handler* handler_ = nullptr;
  bool module_runs_ = false;
};

/// Makes the retirement wait for static calls as well. Control thread, after the generation has its retirement and is
/// no longer current.
inline void retire_static_calls(Generation& generation) {
  const MutexLock lock(generation.module->static_mutex);
  if (generation.static_calls == 0) return;
  generation.static_calls_awaited = true;
  generation.retirement->add_context();
}

/// Sets or takes back the retirement that static calls of the generation count down. Control thread.
inline void set_retirement(Generation& generation, std::shared_ptr<Retirement> retirement) {
  const MutexLock lock(generation.module->static_mutex);
  generation.static_calls_awaited = false;
  generation.retirement.swap(retirement);
}

inline std::uint64_t static_calls_of(Generation& generation) {
  const MutexLock lock(generation.module->static_mutex);
  return generation.static_calls;
}

}  // namespace backplane::host
