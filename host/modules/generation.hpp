// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/plugin.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "modules/call_stats.hpp"
#include "modules/manifest.hpp"
#include "modules/settings.hpp"
#include "support/log.hpp"
#include "sync/mutex.hpp"

namespace boost::dll {
class shared_library;  // its header is large, and most files read this one
}

namespace backplane::host {

struct Generation;
struct Module;

/// A wire name that was looked up. It exists until the process ends, because method handles refer to it. The members
/// that a lookup and a call need share one cache line.
struct alignas(64) Method {
  std::string name;
  Module* module = nullptr;
  std::uint32_t number = 0;  ///< index in Generation::handlers
  std::uint64_t index = 0;   ///< index in the registry
  // The control thread writes these two. Only request threads may read a generation; all other threads read these.
  std::atomic<bool> answers{false};   ///< the running generation has a handler for it
  std::atomic<bool> answered{false};  ///< some generation that has run had a handler for it
  // Statistics of this name's calls in all contexts.
  mutable CallStatsList stats_list;
  mutable std::atomic<std::uint64_t> refused{0};  ///< requests refused before a handler began
};

/// A generation's handler of one wire name.
struct Handler {
  std::string name;
  /// Noted by the threads that call it; null before its first call.
  mutable std::atomic<const Method*> method{nullptr};
  Generation* generation = nullptr;
  bp_handler_fn function = nullptr;
  void* data = nullptr;
  std::uint32_t flags = 0;
  std::uint32_t stack_size = 0;  ///< of a run on the request thread, a power of two; 0: the context's
};

/// A generation's implementation of one host function.
struct Function {
  std::string name;
  Generation* generation = nullptr;
  bp_function_fn function = nullptr;
  void* data = nullptr;
};

/// What init has registered, and what was refused to it.
struct Registration {
  std::unordered_set<std::string_view> handlers;   ///< names in Generation::registered
  std::unordered_set<std::string_view> functions;  ///< names in Generation::functions
  /// By name, why its registration was refused. A later one that succeeds takes it away. Bounded.
  std::map<std::string, std::string, std::less<>> refused;
};

/// One reason why a withdrawn generation is still mapped.
struct PinReason {
  std::string kind;
  std::uint64_t count;
  std::string what;
};

/// The end of a generation. Counts the contexts that still have an instance. After the last of them, calls `on_last`,
/// which leads to finish(). Any thread.
class Retirement {
 public:
  explicit Retirement(std::function<void()> on_last) : on_last_(std::move(on_last)) {}

  void add_context() noexcept { contexts_.fetch_add(1, std::memory_order_relaxed); }
  /// A context has no instance any more.
  void context_done() {
    if (contexts_.fetch_sub(1, std::memory_order_acq_rel) == 1) on_last_();
  }

  /// Ends the retirement: the object is unmapped, or stays mapped for these reasons.
  void finish(std::vector<PinReason> kept_because) {
    std::vector<std::function<void()>> then;
    {
      const MutexLock lock(mutex_);
      finished_ = true;
      kept_because_ = std::move(kept_because);
      then.swap(then_);
      changed_.notify_all();
    }
    for (const auto& f : then) f();
  }
  /// Calls `f` after finish(), on its thread; at once if it was before. May be called several times.
  void then(std::function<void()> f) {
    {
      const MutexLock lock(mutex_);
      if (!finished_) return then_.push_back(std::move(f));
    }
    f();
  }
  /// Forgets what then() has been given: the end is undone.
  void forget_then() {
    std::vector<std::function<void()>> gone;
    const MutexLock lock(mutex_);
    gone.swap(then_);
  }
  /// A request thread did not say what keeps its instance. It is not asked again before `until`.
  void do_not_count(std::chrono::steady_clock::time_point until) {
    const MutexLock lock(mutex_);
    count_again_ = until;
  }
  bool may_count() {
    const MutexLock lock(mutex_);
    return std::chrono::steady_clock::now() >= count_again_;
  }
  /// Waits for finish(). Returns false after `timeout`.
  bool wait(std::chrono::milliseconds timeout) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this]() BP_REQUIRES(mutex_) { return finished_; });
  }
  bool finished() {
    const MutexLock lock(mutex_);
    return finished_;
  }
  /// Empty if the object is unmapped. Call only after finish().
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
  std::vector<std::function<void()>> then_ BP_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point count_again_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host

/// The handle that module code holds; see backplane::host::Generation.
struct bp_module {
  backplane::host::Generation* generation;
};

namespace backplane::host {

/// One loaded generation of a module. The control thread creates, publishes and ends it. Handlers read only members
/// that are constant after init.
struct Generation {
  enum class State {
    loading,   ///< requests cannot reach it yet
    running,   ///< it is Module::current
    draining,  ///< withdrawn; each instance ends after its work
    pinned,    ///< withdrawn and ended, but its object stays mapped
  };

  Module* module = nullptr;
  std::uint64_t number = 0;
  std::size_t slot = 0;  ///< index in each context's table of instances; reused after its end
  std::atomic<State> state{State::loading};
  Manifest manifest;
  std::string path;       ///< the operator's path
  std::string sha256;     ///< of the file, in hexadecimal
  std::string copy_path;  ///< path of the mapped private copy
  std::vector<std::uint8_t> config;
  std::vector<std::uint8_t> compared;  ///< of a reload, until its report is made: see ModuleFile
  ModuleSettings settings;             ///< what the operator says
  std::uint64_t stack_size = 0;        ///< the operator's, else the manifest's; 0: the context's
  std::function<std::string(const std::string& module)> make_data_dir;  ///< see Loader
  std::string data_dir BP_GUARDED_BY(data_dir_mutex);                   ///< made on first use
  std::string data_dir_failure BP_GUARDED_BY(data_dir_mutex);           ///< why it could not be
  Mutex data_dir_mutex;

  std::shared_ptr<boost::dll::shared_library> object;  ///< null: not mapped by this
  std::uintptr_t object_begin = 0;                     ///< addresses of the mapped object; 0: it has not been mapped
  std::uintptr_t object_end = 0;
  std::vector<std::string> library_paths;  ///< of the libraries that it needs, as the dynamic loader has them
  bp_module_entry entry{};                 ///< a copy; members that the module's header lacked are zero
  void* data = nullptr;
  bp_module identity{this};

  std::vector<std::unique_ptr<Handler>> registered;  ///< in order of registration
  Registration registration;                         ///< only during init
  std::vector<const Handler*> handlers;              ///< by Method::number; null without a handler
  std::vector<std::unique_ptr<Function>> functions;
  std::string failure BP_GUARDED_BY(failure_mutex);  ///< last text of bp_host_api.fail
  Mutex failure_mutex;
  bool in_init = false;
  std::atomic<bool> deinited{false};

  std::uint64_t static_calls = 0;          ///< running calls without a context; guarded by Module::static_mutex
  bool static_calls_awaited = false;       ///< the retirement counts them as one context; same guard
  std::shared_ptr<Retirement> retirement;  ///< set while draining
  bool told_pinned = false;                ///< an unload was answered "pinned" while this was draining
  bool pinned_by_thread = false;           ///< while pinned: it may go when a thread has ended
  bool refused = false;                    ///< creating an instance failed, so it never ran
  bool changed_away = false;               ///< one of several changes has withdrawn it, so that stays
  unsigned endings_undone = 0;             ///< how often an unload was canceled while this was draining

  /// The handler of a method; nullptr if it has none.
  const Handler* handler(const Method& method) const noexcept {
    return method.number < handlers.size() ? handlers[method.number] : nullptr;
  }
  /// The module's own table of the extension `id`; nullptr if it has none, and after deinit. The table is valid until
  /// deinit. Control thread, after init.
  const void* extension(const char* id) const;
  /// The stack of a handler that asks for `own` bytes of it, or with 0 for none. 0: the context's.
  std::uint32_t handler_stack(std::uint64_t own) const noexcept;
  /// Whether its object is never unmapped, because the operator or the manifest says so, and which of them.
  bool unload_never() const noexcept { return manifest.unload_never || settings.unload_never; }
  PinReason kept_by_intent() const;
  /// Whether it has handlers that run on worker threads. After init.
  bool runs_on_workers() const noexcept;
  std::string label() const;                                               ///< "echo (generation 2)"
  log::Source source() const noexcept { return {manifest.name, number}; }  ///< of its lines in the log
  std::string take_failure();
};

/// All generations of one name, from its first load until the process ends.
struct Module {
  /// Where a reload hangs, the old generation first, so that no generation runs.
  enum class Hang : std::uint8_t {
    none,
    ending,     ///< in code of the old generation; nothing is loaded when it returns
    starting,   ///< in code of the new generation; when it returns, the old file is loaded again
    restoring,  ///< in code of the old file, which is loaded again after a refusal
  };

  std::string name;
  std::atomic<Generation*> current{nullptr};  ///< a reload replaces this pointer
  /// While the old generation ends before the new one starts, the number of the old one; else 0. Then there is no
  /// current one, and calls of the module's names are held. Written by the control thread.
  std::atomic<std::uint64_t> held{0};
  mutable std::atomic<std::uint64_t> held_calls{0};  ///< in all contexts; also those that were canceled since
  std::chrono::steady_clock::time_point held_since;  ///< guarded by the catalog, like the change of `held` to it
  /// The control thread sets it, and anybody may give the return of the old file up by setting it to none.
  std::atomic<Hang> hang{Hang::none};
  /// As ModuleSettings of the running generation, or of the last one. The control thread writes it.
  std::atomic<std::uint32_t> workers{0};
  Mutex static_mutex;
  std::uint64_t holds = 0;  ///< how often it was held
  std::uint64_t last_generation = 0;
  std::uint64_t last_running = 0;  ///< the newest generation that has run
  std::uint64_t gone_untold = 0;   ///< a generation that was reported pinned and has been unmapped since; 0: none
  std::vector<Method*> methods;    ///< those that were looked up; guarded by the mutex of MethodNames

  /// Where it hangs, and what to do, for people; empty: nowhere. Any thread.
  std::string hang_words() const;
};

}  // namespace backplane::host
