// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/plugin.h>

#include <atomic>
#include <boost/dll/shared_library.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "modules/call_stats.hpp"
#include "modules/manifest.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

struct Generation;
struct Module;

/// A wire name, from its first registration until the process ends: method handles point here. What a lookup and a
/// call need lies in one cache line.
struct alignas(64) Method {
  std::string name;
  Module* module = nullptr;
  std::uint32_t number = 0;  ///< its place in Generation::handlers
  std::uint64_t index = 0;   ///< its place in the registry
  // Written by the control thread. A generation may be looked into by request threads alone; these two
  // tell everybody else.
  std::atomic<bool> answers{false};   ///< the running generation has it
  std::atomic<bool> answered{false};  ///< some generation that ran had it
  // What became of the calls of this name, in all contexts.
  mutable CallStatsList stats_list;
  mutable std::atomic<std::uint64_t> refused{0};  ///< that no handler was begun for
};

/// What one generation does for one wire name.
struct Handler {
  std::string name;
  const Method* method = nullptr;  ///< once bound
  Generation* generation = nullptr;
  bp_handler_fn function = nullptr;
  void* data = nullptr;
  std::uint32_t flags = 0;
};

/// What one generation does for one host function.
struct Function {
  std::string name;
  Generation* generation = nullptr;
  bp_function_fn function = nullptr;
  void* data = nullptr;
};

/// One thing that keeps a withdrawn generation from going.
struct PinReason {
  std::string kind;
  std::uint64_t count;
  std::string what;
};

/// How the end of a generation goes: one count down for each context that still has an instance, then
/// `on_last`, then finish(). Any thread.
class Retirement {
 public:
  explicit Retirement(std::function<void()> on_last) : on_last_(std::move(on_last)) {}

  void add_context() noexcept { contexts_.fetch_add(1, std::memory_order_relaxed); }
  /// There is no instance in one of the contexts any more.
  void context_done() {
    if (contexts_.fetch_sub(1, std::memory_order_acq_rel) == 1) on_last_();
  }

  /// The object is unmapped, or kept for reasons.
  void finish(std::vector<PinReason> kept_because) {
    const MutexLock lock(mutex_);
    finished_ = true;
    kept_because_ = std::move(kept_because);
    changed_.notify_all();
  }
  /// Whether it is over by then.
  bool wait(std::chrono::milliseconds timeout) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this]() BP_REQUIRES(mutex_) { return finished_; });
  }
  bool finished() {
    const MutexLock lock(mutex_);
    return finished_;
  }
  /// Empty if the object is gone. Only once it is over.
  std::vector<PinReason> kept_because() {
    const MutexLock lock(mutex_);
    return kept_because_;
  }

 private:
  const std::function<void()> on_last_;
  std::atomic<unsigned> contexts_{0};
  Mutex mutex_;
  Condition changed_;
  bool finished_ BP_GUARDED_BY(mutex_) = false;
  std::vector<PinReason> kept_because_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host

/// The identity that module code holds; see backplane::host::Generation.
struct bp_module {
  backplane::host::Generation* generation;
};

namespace backplane::host {

/// One loaded generation of a module. The control thread makes, publishes and ends it; handlers read
/// what is constant after init.
struct Generation {
  enum class State {
    loading,   ///< not to be seen by requests yet
    running,   ///< Module::current
    draining,  ///< withdrawn; instances end as their work does
    pinned,    ///< withdrawn and ended, but its object stays mapped
  };

  Module* module = nullptr;
  std::uint64_t number = 0;
  std::size_t slot = 0;  ///< its place in each context's table of instances; reused after its end
  std::atomic<State> state{State::loading};
  Manifest manifest;
  std::string path;       ///< as the operator gave it
  std::string copy_path;  ///< what is mapped
  std::vector<std::uint8_t> config;
  std::function<std::string(const std::string& module)> make_data_dir;  ///< see Loader
  std::string data_dir BP_GUARDED_BY(data_dir_mutex);                   ///< made on first use
  std::string data_dir_failure BP_GUARDED_BY(data_dir_mutex);           ///< why it could not be
  Mutex data_dir_mutex;

  boost::dll::shared_library object;
  bp_module_entry entry{};  ///< a copy, its tail zero where the module's header had none
  void* data = nullptr;
  bp_module identity{this};

  std::vector<std::unique_ptr<Handler>> registered;       ///< in order of registration
  std::unordered_set<std::string_view> registered_names;  ///< the names of these; during init only
  std::vector<const Handler*> handlers;                   ///< by Method::number; null where it has none
  std::vector<std::unique_ptr<Function>> functions;
  std::string failure BP_GUARDED_BY(failure_mutex);  ///< what bp_host_api.fail said last
  Mutex failure_mutex;
  bool in_init = false;
  bool deinited = false;

  std::uint64_t static_calls = 0;          ///< that run without a context; guarded by Module::static_mutex
  bool static_calls_awaited = false;       ///< the retirement counts them as a context; same guard
  std::shared_ptr<Retirement> retirement;  ///< once draining
  bool told_pinned = false;                ///< an unload has been answered "pinned" while it drained
  bool refused = false;                    ///< an instance could not be made: it never ran

  /// nullptr if it has none for that name.
  const Handler* handler(const Method& method) const noexcept {
    return method.number < handlers.size() ? handlers[method.number] : nullptr;
  }
  /// The module's own table of the extension `id`; nullptr if it has none, and after deinit. The table is valid until
  /// deinit. Control thread, after init.
  const void* extension(const char* id) const;
  std::string label() const;  ///< "echo (generation 2)"
  std::string take_failure();
};

/// All generations of one name, from its first load until the process ends.
struct Module {
  std::string name;
  std::atomic<Generation*> current{nullptr};  ///< the swap that a reload is
  Mutex static_mutex;
  std::uint64_t last_generation = 0;
  std::uint64_t gone_untold = 0;  ///< a generation that was told to be pinned, and has gone since; 0: none
  std::vector<Method*> methods;   ///< by number; grows only
};

}  // namespace backplane::host
