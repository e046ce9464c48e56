// SPDX-License-Identifier: Apache-2.0
//
// Loads, reloads and unloads modules: maps the file, runs init, creates instances, publishes the generation, and ends
// it.
#include "modules/loader.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "modules/blocking_start.hpp"
#include "modules/file.hpp"
#include "modules/left_behind.hpp"
#include "modules/libraries.hpp"
#include "modules/object.hpp"
#include "modules/old_first.hpp"
#include "modules/reports.hpp"
#include "modules/static_calls.hpp"
#include "modules/thrown.hpp"
#include "support/forked_child.hpp"
#include "support/if_memory.hpp"
#include "support/log.hpp"
#include "support/result.hpp"
#include "support/running_code.hpp"

namespace backplane::host {
namespace {

// A request thread that needs longer to create an instance is stuck, and the load is refused.
constexpr std::chrono::milliseconds instance_timeout{10'000};

[[noreturn]] void refuse(bp_status status, std::string message) { throw Failure{status, std::move(message)}; }

// The object of a generation that has run must not be unmapped without this look. A refused one is, without memory: the
// refusal must be told.
std::vector<PinReason> left_behind_when_memory(const Generation& generation) {
  for (;;) try {
      return left_behind(generation);
    } catch (const std::bad_alloc&) {
      if (generation.state == Generation::State::loading) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

// The end of a generation that has run cannot stop half-way.
std::vector<PinReason> unmap_when_memory(Generation& generation) {
  for (;;) try {
      return unmap_object(generation);
    } catch (const std::bad_alloc&) {
      if (generation.state == Generation::State::loading) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

Loader::Loader(Registry& registry, Mutex& catalog, ModuleCalls& calls, const bp_host_api& api,
               std::function<std::vector<InstanceHost*>()> hosts,
               std::function<std::function<void()>(std::function<void()>)> prepare,
               std::function<void(const std::filesystem::path&)> made_directory,
               std::function<std::string(const std::string& module)> make_data_dir, KeptByThreads& kept_by_threads)
    : registry_(registry),
      catalog_(catalog),
      calls_(calls),
      api_(api),
      instance_hosts_(std::move(hosts)),
      prepare_(std::move(prepare)),
      make_data_dir_(std::move(make_data_dir)),
      kept_by_threads_(kept_by_threads),
      copies_(std::move(made_directory)) {}

Loader::~Loader() = default;

std::vector<std::uint8_t> Loader::load(const LoadRequest& request) {
  ModuleFile file = ModuleFile::read(request, {}, allowed_, api_.extension);
  Ready ready = start(request, open(file, Purpose::load));
  publish(*ready.generation);
  return std::move(ready.report);
}

void check_offers(const Registry& registry, const Manifest& manifest, const Module& module) {
  for (const std::string& name : manifest.offers) {
    if (const Generation* const other = registry.offered_by_other(name, module)) {
      refuse(BP_NAME_TAKEN, "it offers the host function \"" + name + "\", which " + other->label() +
                                " already offers; unload that module first");
    }
  }
}

// Only the operation that replaces it ends this.
void check_not_held(const Module& module) {
  if (module.held.load() == 0) return;
  refuse(BP_OVERLOADED, "the module \"" + module.name +
                            "\" is being replaced, the old generation first; wait for that operation, or cancel it "
                            "(status lists it)");
}

Generation& Loader::running(std::string_view name) const {
  const Module* const module = registry_.find_module(name);
  if (module != nullptr) check_not_held(*module);
  Generation* const running = module == nullptr ? nullptr : module->current.load();
  if (running == nullptr) {
    const std::string hangs = module == nullptr ? std::string() : module->hang_words();
    refuse(BP_NOT_LOADED, hangs.empty() ? "no module \"" + std::string(name) + "\" is loaded; load it first" : hangs);
  }
  return *running;
}

Loader::Reload::Reload(const Loader& loader, std::string_view name, const LoadRequest& request)
    : old(loader.running(name)),
      file(ModuleFile::read(request.after(old), {std::string(name), true}, loader.allowed_, loader.api_.extension)) {
  file.compare_with(old);
}

Loader::Swap Loader::reload(Reload wanted) {
  Ending ending = new_ending(wanted.old);
  Ready ready = start(wanted.file.request, open(wanted.file, Purpose::reload));
  publish(*ready.generation);
  retire(wanted.old, ending, ready.hosts);
  return {std::move(ready.report), std::move(ending)};
}

// Creates the instances. Then everything is done except publishing the generation.
Loader::Ready Loader::start(const LoadRequest& request, Ready ready) {
  try {
    start_instances(ready, request);
    request.check_canceled();
  } catch (Failure& failure) {
    name_file(failure, request.path);
    throw Refusal{std::move(failure), give_up(ready)};
  } catch (const std::bad_alloc&) {
    throw Refusal{{BP_OUT_OF_MEMORY, "no memory"}, give_up(ready)};  // short text, so that it needs no allocation
  }
  return ready;
}

// Everything before the instances: maps the file and runs init.
Loader::Ready Loader::open(ModuleFile& file, Purpose purpose) try {
  Ready ready = enter(file.generation(), purpose);
  try {
    open_object(ready, file.request, &file);
  } catch (...) {
    remove(*ready.generation);
    throw;
  }
  return ready;
} catch (Failure& failure) {
  name_file(failure, file.request.path);
  throw;
}

// Adds the generation to the catalog, where other operations and reports find it. `made` is left if that fails.
Loader::Ready Loader::enter(std::unique_ptr<Generation>&& made, Purpose purpose) {
  Generation& generation = *made;
  generation.make_data_dir = make_data_dir_;
  const MutexLock lock(catalog_);
  Module& module = registry_.module(generation.manifest.name);
  generation.module = &module;
  if (purpose != Purpose::next_of_held) check_not_held(module);
  if (const Generation* const running = module.current.load(); running && purpose == Purpose::load) {
    refuse(BP_NAME_TAKEN, "the module \"" + module.name + "\" is already loaded (generation " +
                              std::to_string(running->number) + ", from " + running->path +
                              "); reload it, or unload it first");
  }
  OldFirst::check_none_is_loading(*this, module);
  generation.number = module.last_generation + 1;
  generation.slot = free_slot();
  generations_.push_back(std::move(made));
  Ready ready;
  ready.generation = &generation;
  return ready;
}

// A refused generation that must stay mapped is left.
void Loader::remove(const Generation& generation) noexcept {
  std::unique_ptr<Generation> gone;  // destroyed without the lock: it may still hold the object
  const MutexLock lock(catalog_);
  for (auto& each : generations_) {
    if (each.get() == &generation && generation.state != Generation::State::pinned) gone = std::move(each);
  }
  if (gone) std::erase(generations_, nullptr);
}

// The instances that exist end on their request threads. The object is unmapped after the last of them.
Loader::Ending Loader::give_up(Ready& ready) {
  Generation& refused = *ready.generation;
  refused.module->last_generation = refused.number;
  refused.refused = true;
  retire(refused, ready.ending, ready.hosts);
  return std::move(ready.ending);
}

// Runs code of the module. Returns false if it took too long; then other operations may have run meanwhile.
template <class F>
bool Loader::call_module(const Generation& generation, const char* what, bool in_dynamic_loader, F code) {
  ModuleCall call;
  call.what = what;
  call.generation = &generation;
  call.in_dynamic_loader = in_dynamic_loader;
  struct Guard {
    explicit Guard(ModuleCalls& c, ModuleCall& of) : calls(c), call(of) { calls.begin(call); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { end(); }
    bool end() noexcept {
      if (!std::exchange(ended, true)) in_time = calls.end(call);
      return in_time;
    }
    ModuleCalls& calls;
    ModuleCall& call;
    bool ended = false;
    bool in_time = true;
  };
  const RunningCode running{what, generation.manifest.name, generation.number, {}};
  Guard guard(calls_, call);
  {
    const RunningCodeNote note(running);
    code();
    leave_to_parent();
  }
  return guard.end();
}

// The same in a load, which is then undone.
template <class F>
void Loader::call_in_time(const Generation& generation, const char* what, bool in_dynamic_loader, F code) {
  if (call_module(generation, what, in_dynamic_loader, std::move(code))) return;
  refuse(BP_LOAD_REFUSED, "its " + std::string(what) + " took too long (load_timeout_ms), so it is not loaded");
}

// Writes the private copy, finds the libraries, and loads both for a trial. `leaving`: a generation that will have
// ended by the time this one is mapped.
Dependencies::Plan Loader::try_out(Generation& generation, const ModuleFile& file, const Generation* leaving) {
  generation.copy_path = copies_.add(generation.manifest.name, generation.number, file.bytes).string();
  Dependencies::Plan libraries = dependencies_.prepare(generation.manifest, file.request.path, allowed_);
  if (workers_ != 0 && generation.settings.workers > workers_) {
    generation.manifest.warnings.push_back("found " + std::to_string(generation.settings.workers) +
                                           " workers for it, expected at most the " + std::to_string(workers_) +
                                           " worker threads of the host (workers); it gets no more than these");
  }
  for (const std::string& warning : generation.manifest.warnings) log::warn(generation.source(), warning);
  trial_.run_once(calls_, generation, libraries, file.request.canceled, leaving);
  return libraries;
}

// `untried`: the file, if try_out() has not run.
void Loader::open_object(Ready& ready, const LoadRequest& request, const ModuleFile* untried) {
  Generation& generation = *ready.generation;
  bool initialised = false;
  try {
    if (untried != nullptr) ready.libraries = try_out(generation, *untried, nullptr);
    trial_.note_mapped(generation, ready.libraries);
    ++mapped_;
    call_in_time(generation, "constructors", true, [&] {
      Dependencies::open(ready.libraries);
      map_object(generation);
      read_entry(generation);
    });
    run_init(generation);
    initialised = true;
    check_registered(generation);
    request.check_canceled();
    const MutexLock lock(catalog_);
    registry_.bind(generation);
    ready.report = load_report(generation);
    generation.compared = {};
    ready.hosts = instance_hosts_();
    ready.ending = new_ending(generation);
  } catch (...) {
    if (initialised) {
      end_refused(generation);
    } else {
      close_refused(generation);
    }
    throw;
  }
}

// What must stay mapped stays as a generation that has ended, which an unload tries again.
void Loader::close_refused(Generation& generation) {
  const bool keeps = generation.unload_never() && generation.deinited;
  const auto kept = keeps ? std::vector<PinReason>{generation.kept_by_intent()} : close_object(generation);
  for (const PinReason& reason : kept) {
    if_memory([&] { log::warn(generation.source(), "refused, but stays mapped: " + reason.what); });
  }
  if (kept.empty()) return trial_.drop_copy(generation);
  const MutexLock lock(catalog_);
  generation.module->last_generation = generation.number;
  generation.refused = true;
  generation.pinned_by_thread = KeptByThreads::may_be(kept);
  kept_by_threads_.note_below(generation, kept);
  generation.state = Generation::State::pinned;
}

// After init has succeeded.
void Loader::end_refused(Generation& generation) {
  call_deinit(generation);
  close_refused(generation);
}

// What open() has made.
void Loader::discard(Ready& ready) noexcept {
  Generation& generation = *ready.generation;
  try {
    end_refused(generation);
  } catch (...) {
    // Without memory. The refusal is told all the same.
  }
  remove(generation);
}

void Loader::call_deinit(Generation& generation) {
  if (generation.deinited.exchange(true) || generation.entry.deinit == nullptr) return;
  std::string thrown;
  call_module(generation, "deinit", false,
              [&] { thrown = thrown_by([&] { generation.entry.deinit(generation.data); }); });
  if (!thrown.empty()) if_memory([&] { log::error(generation.source(), "its deinit threw " + thrown); });
}

std::vector<PinReason> Loader::close_object(Generation& generation) {
  std::vector<PinReason> kept;
  call_module(generation, "threads", false, [&] { kept = left_behind_when_memory(generation); });
  if (kept.empty()) call_module(generation, "destructors", true, [&] { kept = unmap_when_memory(generation); });
  return kept;
}

void Loader::run_init(Generation& generation) {
  bp_status status = BP_OK;
  std::string thrown;
  const bool in_time = call_module(generation, "init", false, [&] {
    generation.in_init = true;
    thrown = thrown_by([&] { status = generation.entry.init(&api_, &generation.identity, &generation.data); });
    generation.in_init = false;
  });
  const Registration registration = std::exchange(generation.registration, {});
  if (!thrown.empty()) {
    refuse(BP_LOAD_REFUSED, "its init threw " + thrown + "; catch it, and return a status");
  }
  if (!in_time) {
    if (status == BP_OK) call_deinit(generation);
    refuse(BP_LOAD_REFUSED, "its init took too long (load_timeout_ms), so it is not loaded");
  }
  if (status == BP_OK && registration.refused.empty()) return;
  if (status == BP_OK) {
    call_deinit(generation);
    refuse(BP_LOAD_REFUSED, "its init failed to register a name, but returned no failure: " +
                                registration.refused.begin()->second + "; return the status of the registration");
  }
  const std::string why = generation.take_failure();
  refuse(BP_LOAD_REFUSED, "its init failed with status " + std::to_string(status) +
                              (why.empty() ? std::string(" and without a reason") : ": " + why));
}

void Loader::check_registered(const Generation& generation) const {
  std::vector<std::string_view> handlers;
  std::vector<std::string_view> functions;
  for (const auto& handler : generation.registered) handlers.push_back(handler->name);
  for (const auto& function : generation.functions) functions.push_back(function->name);
  const auto compare = [](const char* key, const auto& said, const auto& done) {
    const std::unordered_set<std::string_view> all_said(said.begin(), said.end());
    const std::unordered_set<std::string_view> all_done(done.begin(), done.end());
    for (const std::string_view name : said) {
      if (!all_done.contains(name)) {
        refuse(BP_LOAD_REFUSED, std::string("its manifest has ") + key + "=" + std::string(name) +
                                    ", but its init did not register that name; correct one of them");
      }
    }
    for (const std::string_view name : done) {
      if (!all_said.contains(name)) {
        refuse(BP_LOAD_REFUSED, "its init registered \"" + std::string(name) + "\", but its manifest lacks " + key +
                                    "=" + std::string(name) + "; correct one of them");
      }
    }
  };
  compare("provides", generation.manifest.provides, handlers);
  compare("offers", generation.manifest.offers, functions);
  check_offers(registry_, generation.manifest, *generation.module);
}

void Loader::start_instances(Ready& ready, const LoadRequest& request) {
  Generation& generation = *ready.generation;
  if ((generation.entry.flags & BP_MODULE_CREATES_BLOCKING) != 0) {
    return start_on_workers(generation, ready.hosts, request, calls_);
  }
  for (InstanceHost* const host : ready.hosts) {
    if (host->closed()) {
      host->start_instance(generation, closed_instance_timeout, true);
      continue;
    }
    const std::string why = host->start_instance(generation, instance_timeout, false);
    if (!why.empty()) refuse(BP_LOAD_REFUSED, "its instance could not be created: " + why);
  }
}

void Loader::publish(Generation& next) {
  {
    const MutexLock lock(catalog_);
    next.module->last_generation = next.number;
    next.module->last_running = next.number;
    next.module->gone_untold = 0;
    next.module->hang = Module::Hang::none;
    next.state = Generation::State::running;
    registry_.publish(*next.module, &next);
  }
  try {
    log::info("modules", next.label() + " loaded from " + next.path);
  } catch (const std::bad_alloc&) {
    // The module runs even without the log line.
  }
}

std::vector<std::uint8_t> Loader::list() const {
  std::vector<const Generation*> all;
  const MutexLock lock(catalog_);
  for (const auto& generation : generations_) all.push_back(generation.get());
  std::stable_sort(all.begin(), all.end(), [](const Generation* a, const Generation* b) {
    return std::tie(a->module->name, a->number) < std::tie(b->module->name, b->number);
  });
  return module_list(all);
}

void Loader::populate(InstanceHost& host) {
  std::vector<Generation*> running;
  for_each_running([&running](Generation& generation) { running.push_back(&generation); });
  for (Generation* const generation : running) {
    const bool blocks = (generation->entry.flags & BP_MODULE_CREATES_BLOCKING) != 0;
    const auto timeout = blocks ? calls_.timeout() : instance_timeout;
    if (const std::string why = host.start_instance(*generation, timeout, true); !why.empty()) {
      log::error(generation->source(), "could not start in a new context: " + why);
    }
  }
}

std::size_t Loader::free_slot() const {
  std::size_t slot = 0;
  while (std::any_of(generations_.begin(), generations_.end(), [&](const auto& g) { return g->slot == slot; })) ++slot;
  return slot;
}

}  // namespace backplane::host
