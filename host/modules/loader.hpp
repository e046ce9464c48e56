// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "modules/copy_store.hpp"
#include "modules/dependencies.hpp"
#include "modules/instance.hpp"
#include "modules/kept_by_threads.hpp"
#include "modules/module_call.hpp"
#include "modules/module_file.hpp"
#include "modules/registry.hpp"
#include "modules/trial.hpp"
#include "support/result.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// Throws Failure (BP_OVERLOADED) if the module is being replaced, the old generation first.
void check_not_held(const Module& module);
/// Throws Failure (BP_NAME_TAKEN) if another module offers one of its host functions. Control thread.
void check_offers(const Registry& registry, const Manifest& manifest, const Module& module);

/// Loads, publishes and ends generations. Everything here runs as an operation of Control, one at a time, unless a
/// function says otherwise. No lock is held while module code runs. Errors are thrown as Failure, which names the file;
/// a failed operation leaves nothing behind.
class Loader {
 public:
  /// `api`: the table that modules get. `hosts`: returns the current contexts. `prepare`: wraps a function so that
  /// calling the result from any thread runs the function later as an operation. `prepare` may throw; its result does
  /// not. `made_directory`: see CopyStore. `make_data_dir`: creates a module's data directory if it does not exist. Any
  /// thread may call it, and it may throw Failure. `catalog` guards what other threads read: the generations, the
  /// modules of the registry, and the contexts. Operations hold it to write, and never while module code runs.
  Loader(Registry& registry, Mutex& catalog, ModuleCalls& calls, const bp_host_api& api,
         std::function<std::vector<InstanceHost*>()> hosts,
         std::function<std::function<void()>(std::function<void()>)> prepare,
         std::function<void(const std::filesystem::path&)> made_directory,
         std::function<std::string(const std::string& module)> make_data_dir, KeptByThreads& kept_by_threads);
  /// What is loaded stays mapped: the process is about to end.
  ~Loader();

  struct Options {
    std::vector<std::filesystem::path> allowed;     ///< load from these directories only; none: from anywhere
    std::size_t workers = 0;                        ///< worker threads of the host; 0: not known
    std::shared_ptr<const UniqueFd> trial_program;  ///< see Trial; null: no trial loads
    std::function<void()> on_trial;                 ///< see Trial::use()
    std::filesystem::path module_cache;             ///< see CopyStore::use(); empty: the default
  };
  /// Before the first load.
  void set(Options options) {
    allowed_ = std::move(options.allowed);
    workers_ = options.workers;
    copies_.use(std::move(options.module_cache));
    trial_.use(std::move(options.trial_program), std::move(options.on_trial));
  }

  /// Tries the pinned generations again that are `wanted`. Returns how many. Control thread.
  std::size_t retry_pinned(const std::function<bool(const Generation&)>& wanted);
  /// See Trial::rest(). Control thread.
  bool rest_trials() noexcept { return trial_.rest(); }

  /// The end of a generation after a reload or an unload. Wait on its retirement, then call report_ending().
  struct Ending {
    std::string module;
    std::uint64_t generation = 0;
    std::shared_ptr<Retirement> retirement;
  };

  /// A refusal after some instances were created. They and the object end later.
  struct Refusal : Failure {
    Ending ending;
  };

  /// Loads a module and returns the load-report.
  std::vector<std::uint8_t> load(const LoadRequest& request);

  /// Withdraws the module's names and begins to end its instances. If no generation runs, retries all of the module
  /// that are pinned; the end is that of the newest.
  Ending begin_unload(std::string_view name);

  /// Gives a generation that begin_unload() has withdrawn its names back, with new instances where they have ended.
  /// Returns an empty text, or why it cannot: it has ended meanwhile, or another generation has the name.
  std::string undo_unload(const Ending& ending);
  /// What undo_unload() would return now. Any thread.
  std::string why_not_undone(const Ending& ending) const;

  struct Swap {
    std::vector<std::uint8_t> report;  ///< a load-report of the new generation
    Ending old;
  };
  /// A reload whose file was read, and fits as far as that can be told without its code. To be made at once.
  struct Reload {
    /// An empty path or configuration of the request, and settings that it lacks: those of the running generation.
    Reload(const Loader& loader, std::string_view name, const LoadRequest& request);
    /// Whether one of the two manifests asks for the old generation to end first.
    bool asks_old_first() const noexcept { return old.manifest.reload_old_first || file.manifest.reload_old_first; }
    Generation& old;
    ModuleFile file;
  };
  Swap reload(Reload wanted);

  class OldFirst;  ///< see modules/old_first.hpp

  /// One of several changes that are made together.
  struct Change {
    enum class Kind { load, unload, reload };
    Kind kind = Kind::load;
    std::string module;  ///< empty in a load: whatever the file is
    LoadRequest load;    ///< as in load() and reload(); its `canceled` is not read
  };
  /// A change that is made.
  struct Changed {
    Change::Kind kind;
    std::string module;
    std::vector<std::uint8_t> report;  ///< a load-report of the new generation; empty after an unload
    Ending old;                        ///< without a retirement after a load
  };
  /// Makes all of the changes, or none: first it maps all new objects and runs their inits, then it creates all
  /// instances, and then it publishes and withdraws, which cannot fail. Host functions that one of the modules takes
  /// over from another need two calls. What is withdrawn here cannot be undone by undo_unload().
  std::vector<Changed> change(const std::vector<Change>& wanted, const std::atomic<bool>* canceled);

  /// {name, generation, path, sha256, config, settings} of each module that runs, by name. Any thread.
  std::vector<std::uint8_t> configurations() const;

  /// Makes the unload-report for the current state. Returns true if the object is unmapped. Any thread. Takes up to
  /// 200 ms if a request thread does not answer.
  bool report_ending(const Ending& ending, std::vector<std::uint8_t>& report,
                     std::chrono::steady_clock::time_point until = count_until());
  static std::chrono::steady_clock::time_point count_until();

  /// Somebody was told how this ended. Any thread.
  void note_told(const Ending& ending);

  /// The module-list. Any thread.
  std::vector<std::uint8_t> list() const;
  /// Calls `f` with each running generation. Any thread. `f` must be quick.
  template <class F>
  void for_each_running(F f) const {
    const MutexLock lock(catalog_);
    for (const auto& generation : generations_) {
      if (generation->state == Generation::State::running) f(*generation);
    }
  }

  /// Creates an instance of every running generation in a new context. Short work of Control.
  void populate(InstanceHost& host);

 private:
  /// A generation with its instances, and all memory for the following steps, so that these cannot fail.
  struct Ready {
    Generation* generation = nullptr;  ///< in generations_
    Dependencies::Plan libraries;      ///< as try_out() has returned them
    std::vector<std::uint8_t> report;  ///< a load-report
    std::vector<InstanceHost*> hosts;
    Ending ending;  ///< used if the generation is given up
  };

  struct Step;  ///< of change()
  enum class Purpose { load, reload, next_of_held };

  Ready start(const LoadRequest& request, Ready ready);
  Ready open(ModuleFile& file, Purpose purpose);
  void discard(Ready& ready) noexcept;
  Generation& running(std::string_view name) const;
  std::vector<InstanceHost*> open_all(std::vector<Step>& steps, const LoadRequest& all);
  void start_all(std::vector<Step>& steps, const LoadRequest& all);
  void discard_all(std::vector<Step>& steps) noexcept;
  Ready enter(std::unique_ptr<Generation>&& made, Purpose purpose);
  void remove(const Generation& generation) noexcept;
  Dependencies::Plan try_out(Generation& generation, const ModuleFile& file, const Generation* leaving);
  void open_object(Ready& ready, const LoadRequest& request, const ModuleFile* untried);
  std::vector<PinReason> close_object(Generation& generation);
  void close_refused(Generation& generation);
  void end_refused(Generation& generation);
  void run_init(Generation& generation);
  void check_registered(const Generation& generation) const;
  void start_instances(Ready& ready, const LoadRequest& request);
  Ending give_up(Ready& ready);
  void publish(Generation& generation);
  void call_deinit(Generation& generation);
  template <class F>
  bool call_module(const Generation& generation, const char* what, bool in_dynamic_loader, F code);
  template <class F>
  void call_in_time(const Generation& generation, const char* what, bool in_dynamic_loader, F code);
  std::string find_to_undo(const Ending& ending, Generation*& generation) const BP_REQUIRES(catalog_);
  bool run_again(Generation& generation);
  Ending new_ending(Generation& generation);
  Generation* find_generation(const Module& module, std::uint64_t number) const;
  void retire(Generation& generation, const Ending& ending, const std::vector<InstanceHost*>& hosts);
  void finish(Generation& generation);
  std::size_t free_slot() const BP_REQUIRES(catalog_);

  Registry& registry_;
  Mutex& catalog_;
  ModuleCalls& calls_;
  const bp_host_api& api_;
  std::function<std::vector<InstanceHost*>()> instance_hosts_;
  std::function<std::function<void()>(std::function<void()>)> prepare_;
  std::function<std::string(const std::string& module)> make_data_dir_;
  KeptByThreads& kept_by_threads_;
  std::vector<std::filesystem::path> allowed_;
  std::size_t workers_ = 0;
  CopyStore copies_;
  Dependencies dependencies_{copies_};
  Trial trial_;
  std::uint64_t mapped_ = 0;                                                      // objects, since the process began
  std::vector<std::unique_ptr<Generation>> generations_ BP_GUARDED_BY(catalog_);  // by age
};

}  // namespace backplane::host
