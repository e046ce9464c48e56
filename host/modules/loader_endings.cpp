// SPDX-License-Identifier: Apache-2.0
//
// How generations end: they are withdrawn, drain, and are unmapped; and how an unload is taken back.
#include <algorithm>
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "modules/loader.hpp"
#include "modules/old_first.hpp"
#include "modules/reports.hpp"
#include "modules/static_calls.hpp"
#include "support/if_memory.hpp"
#include "support/log.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

// The thread of a closed context may be stuck forever. It must not block an operation for the other contexts.
constexpr std::chrono::milliseconds closed_context_timeout{100};
// An unload is canceled because a handler hangs. Its thread learns of it later.
constexpr std::chrono::milliseconds keep_timeout{500};
// How long a report may wait for the counts of request threads.
constexpr std::chrono::milliseconds count_timeout{200};
// How long a report is made without them, if they have not come. So a thread that hangs delays few reports.
constexpr std::chrono::seconds count_pause{2};

[[noreturn]] void refuse(bp_status status, std::string message) { throw Failure{status, std::move(message)}; }

}  // namespace

Loader::Ending Loader::begin_unload(std::string_view name) {
  Module* const module = registry_.find_module(name);
  if (module == nullptr) refuse(BP_NOT_LOADED, "no module \"" + std::string(name) + "\" is loaded");
  check_not_held(*module);
  retry_pinned([module](const Generation& generation) { return generation.module == module; });
  if (Generation* const current = module->current.load()) {
    Ending ending = new_ending(*current);
    const std::vector<InstanceHost*> hosts = instance_hosts_();
    {
      const MutexLock lock(catalog_);
      registry_.publish(*module, nullptr);
    }
    retire(*current, ending, hosts);
    return ending;
  }
  const MutexLock lock(catalog_);
  Generation* newest = nullptr;
  for (const auto& generation : generations_) {
    if (generation->module != module || generation->state == Generation::State::loading) continue;
    newest = generation.get();
  }
  if (newest != nullptr) {
    kept_by_threads_.note_tried(*newest, true);
    module->hang = Module::Hang::none;
    return {module->name, newest->number, newest->retirement};
  }
  const bool hung = module->hang.exchange(Module::Hang::none) != Module::Hang::none;  // nothing comes back
  std::uint64_t number = std::exchange(module->gone_untold, 0);
  if (hung && number == 0) number = module->last_running;
  if (number != 0) {
    const auto over = std::make_shared<Retirement>([] {});
    over->finish({});
    return {module->name, number, over};
  }
  refuse(BP_NOT_LOADED, "no module \"" + std::string(name) + "\" is loaded");
}

std::size_t Loader::retry_pinned(const std::function<bool(const Generation&)>& wanted) {
  std::size_t tried = 0;
  const MutexLock lock(catalog_);
  for (const auto& generation : generations_) {
    if (generation->state != Generation::State::pinned) continue;
    if (generation->unload_never() && generation->retirement != nullptr) continue;  // it was tried, and was told
    if (!wanted(*generation)) continue;
    ++tried;
    kept_by_threads_.note_tried(*generation, false);
    set_retirement(*generation, new_ending(*generation).retirement);
    generation->state = Generation::State::draining;  // a concurrent unload joins this attempt
    generation->retirement->add_context();
    generation->retirement->context_done();
  }
  return tried;
}

std::string Loader::why_not_undone(const Ending& ending) const {
  const MutexLock lock(catalog_);
  Generation* generation = nullptr;
  return find_to_undo(ending, generation);
}

// Returns an empty text with the generation, or why it cannot get its names back.
std::string Loader::find_to_undo(const Ending& ending, Generation*& generation) const {
  generation = nullptr;
  for (const auto& each : generations_) {
    if (each->retirement == ending.retirement) generation = each.get();
  }
  if (generation == nullptr || generation->deinited || generation->state != Generation::State::draining) {
    return "its last call has ended";
  }
  if (generation->module->current.load() != nullptr) return "another generation has its names";
  if (generation->changed_away) return "it is part of a change that is committed";
  if (generation->refused || generation->number != generation->module->last_running) return "a newer one has run";
  for (const auto& function : generation->functions) {
    if (registry_.offered_by_other(function->name, *generation->module) != nullptr) {
      return "another module offers its host functions by now";
    }
  }
  return {};
}

std::string Loader::undo_unload(const Ending& ending) {
  const std::vector<InstanceHost*> hosts = instance_hosts_();
  Generation* generation = nullptr;
  {
    const MutexLock lock(catalog_);
    if (std::string why = find_to_undo(ending, generation); !why.empty()) return why;
    for (InstanceHost* const host : hosts) host->prepare_instance(*generation);
    set_retirement(*generation, nullptr);
    ending.retirement->forget_then();
    ++generation->endings_undone;
    generation->told_pinned = false;
  }
  for (InstanceHost* const host : hosts) {
    try {
      const std::string why = host->keep_instance(*generation, host->closed() ? closed_context_timeout : keep_timeout);
      if (!why.empty()) log::error(generation->source(), "its unload was canceled, but not in every context: " + why);
    } catch (const std::bad_alloc&) {
      // There, its names answer that it has no instance.
    }
  }
  // By now no request thread is between its look at the module and the handler.
  while (!run_again(*generation)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (generation->module->held.load() != 0) release_held(*generation->module, hosts);
  return {};
}

// Returns false, and changes nothing, if there is no memory for names that were forgotten when it was withdrawn.
bool Loader::run_again(Generation& generation) try {
  const MutexLock lock(catalog_);
  registry_.bind(generation);
  generation.state = Generation::State::running;
  registry_.publish(*generation.module, &generation);
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

// An end that was undone may still come to its last context, when the generation has ended in another way.
Loader::Ending Loader::new_ending(Generation& generation) {
  const Module* const module = generation.module;  // exists as long as the process
  return {module->name, generation.number,
          std::make_shared<Retirement>(
              prepare_([this, module, number = generation.number, undone = generation.endings_undone] {
                Generation* const still = find_generation(*module, number);
                if (still != nullptr && still->endings_undone == undone) finish(*still);
              }))};
}

Generation* Loader::find_generation(const Module& module, std::uint64_t number) const {
  const MutexLock lock(catalog_);
  for (const auto& each : generations_) {
    if (each->module == &module && each->number == number) return each.get();
  }
  return nullptr;
}

// Allocates nothing: it cannot stop half-way.
void Loader::retire(Generation& generation, const Ending& ending, const std::vector<InstanceHost*>& hosts) {
  {
    const MutexLock lock(catalog_);
    generation.state = Generation::State::draining;
    set_retirement(generation, ending.retirement);
  }
  // This extra count keeps the retirement from ending before every context has been asked.
  ending.retirement->add_context();
  for (InstanceHost* const host : hosts) {
    ending.retirement->add_context();
    host->retire_instance(generation);
  }
  retire_static_calls(generation);
  ending.retirement->context_done();
}

namespace {

std::size_t count_kept_by_threads(const std::vector<std::unique_ptr<Generation>>& all) noexcept {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& each) {
    return each->state == Generation::State::pinned && each->pinned_by_thread;
  }));
}

// What follows the end of a generation cannot stop half-way. So it begins when there is memory for it.
std::string label_when_memory(const Generation& generation) {
  constexpr std::size_t enough = std::size_t{64} << 10;
  for (;;) try {
      const std::vector<char> probe(enough);
      return generation.label();
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

void Loader::finish(Generation& generation) {
  const std::string label = label_when_memory(generation);
  call_deinit(generation);
  auto kept =
      generation.unload_never() ? std::vector<PinReason>{generation.kept_by_intent()} : close_object(generation);
  const bool by_thread = KeptByThreads::may_be(kept);
  const bool again = generation.pinned_by_thread;  // threads that began since then have not run its code
  if (by_thread && kept_by_threads_.end_threads(again)) kept = close_object(generation);
  const bool was_below = kept_by_threads_.note_below(generation, kept);
  const bool told = (again && by_thread) || (was_below && KeptByThreads::is_below(kept));
  const bool untold_end = kept_by_threads_.end_tried(generation) && !generation.refused;
  const auto retirement = generation.retirement;
  Module& module = *generation.module;  // exists as long as the process
  const std::uint64_t number = generation.number;
  Module::Hang ending = Module::Hang::ending;
  // Its code has returned after all. What hangs is the end of the last that has run; an older one may end meanwhile.
  if (number == module.last_running) module.hang.compare_exchange_strong(ending, Module::Hang::none);
  if (kept.empty()) {
    if_memory([&] { log::info("modules", label + " is gone"); });
    trial_.drop_copy(generation);
    const MutexLock lock(catalog_);
    if (generation.told_pinned && module.current.load() == nullptr) module.gone_untold = number;
    std::erase_if(generations_, [&](const auto& each) { return each.get() == &generation; });
    kept_by_threads_.note(count_kept_by_threads(generations_), false);
  } else {
    for (const PinReason& reason : kept) {
      if (!told) if_memory([&] { log::warn("modules", label + " stays mapped: " + reason.what); });
    }
    const MutexLock lock(catalog_);
    generation.state = Generation::State::pinned;
    generation.told_pinned = true;
    generation.pinned_by_thread = by_thread;
    kept_by_threads_.note(count_kept_by_threads(generations_), by_thread && !again);
  }
  retirement->finish(kept);
  if (kept.empty() && untold_end) if_memory([&] { kept_by_threads_.tell_gone(module.name, number); });
}

void Loader::note_told(const Ending& ending) {
  const MutexLock lock(catalog_);
  Module* const module = registry_.find_module(ending.module);
  if (module != nullptr && module->gone_untold == ending.generation) module->gone_untold = 0;
}

std::chrono::steady_clock::time_point Loader::count_until() { return std::chrono::steady_clock::now() + count_timeout; }

bool Loader::report_ending(const Ending& ending, std::vector<std::uint8_t>& report,
                           std::chrono::steady_clock::time_point until) {
  std::vector<PinReason> reasons;
  const MutexLock lock(catalog_);
  if (ending.retirement->finished()) {
    reasons = ending.retirement->kept_because();
  } else {
    for (const auto& generation : generations_) {
      if (generation->retirement != ending.retirement) continue;
      // Only the caller of an unload asks again. After a reload, the name belongs to the new generation.
      generation->told_pinned = generation->module->current.load() == nullptr;
      std::uint64_t requests = static_calls_of(*generation);
      std::uint64_t tokens = 0;
      if (ending.retirement->may_count()) {
        for (InstanceHost* const host : instance_hosts_()) host->count_work(*generation, until, requests, tokens);
        const auto now = std::chrono::steady_clock::now();
        if (now >= until) ending.retirement->do_not_count(now + count_pause);
      }
      if (requests != 0) reasons.push_back({"requests", requests, "handlers have not ended, or have not answered"});
      if (tokens != 0) reasons.push_back({"tokens", tokens, "it has not answered these host function calls"});
      if (!reasons.empty()) continue;
      if (generation->deinited) {
        reasons.push_back({"deinit", 1, "its deinit or its destructors have not returned"});
      } else {
        reasons.push_back({"instances", 1, "an instance of it has not ended yet"});
      }
    }
  }
  if (reasons.empty() && !ending.retirement->finished()) {
    reasons.push_back({"object", 1, "unmapping it has not finished yet"});
  }
  report = unload_report(ending.module, ending.generation, reasons);
  return reasons.empty();
}

}  // namespace backplane::host
