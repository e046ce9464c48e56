// SPDX-License-Identifier: Apache-2.0
//
// Several loads, unloads and reloads that are made together, or not at all.
#include <algorithm>
#include <backplane/cbor/writer.hpp>
#include <map>
#include <new>
#include <set>
#include <string_view>
#include <utility>

#include "modules/file.hpp"
#include "modules/joint_end.hpp"
#include "modules/loader.hpp"
#include "modules/reports.hpp"
#include "support/report.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

using Kind = Loader::Change::Kind;

[[noreturn]] void refuse(bp_status status, std::string message) { throw Failure{status, std::move(message)}; }

void check_once_each(const std::vector<Loader::Change>& wanted) {
  std::set<std::string_view> names;
  for (const Loader::Change& each : wanted) {
    if (each.module.empty() || names.insert(each.module).second) continue;
    refuse(BP_INVALID_ARGUMENT,
           "found the module \"" + each.module + "\" in two of the changes; expected one for each");
  }
}

// It would cost the old generation before it is known whether the other changes can be made.
[[noreturn]] void refuse_old_first(const std::string& module, const std::string& path) {
  refuse(BP_NOT_SUPPORTED,
         "the old generation of the module \"" + module +
             "\" ends before the new one starts (reload=old_first), which cannot be part of a change; reload it by "
             "itself first, with its file and its configuration: backplane reload " +
             module + " " + path + " --config @CONFIG.json");
}

// Each has looked at the host functions that are published. They must not offer the same among each other, either.
void check_functions(const std::vector<const Generation*>& made) {
  std::map<std::string_view, const Generation*> offered;
  for (const Generation* const each : made) {
    for (const auto& function : each->functions) {
      const auto [at, fresh] = offered.emplace(function->name, each);
      if (fresh) continue;
      refuse(BP_NAME_TAKEN, each->path + ": it offers the host function \"" + function->name + "\", which " +
                                at->second->label() + " offers, too; load one of them");
    }
  }
}

}  // namespace

/// A change on its way.
struct Loader::Step {
  const Change* wanted = nullptr;
  Ready ready;                ///< without a generation: an unload
  Generation* old = nullptr;  ///< of a reload or an unload
  Ending ending;              ///< of that
};

std::vector<Loader::Changed> Loader::change(const std::vector<Change>& wanted, const std::atomic<bool>* canceled) {
  check_once_each(wanted);
  std::vector<Step> steps;
  for (const Change& each : wanted) {
    Step step;
    step.wanted = &each;
    if (each.kind != Kind::load) {
      step.old = &running(each.module);
      if (each.kind == Kind::reload && step.old->manifest.reload_old_first) {
        refuse_old_first(each.module, each.load.after(*step.old).path);
      }
      step.ending = new_ending(*step.old);
    }
    steps.push_back(std::move(step));
  }
  LoadRequest all;
  all.canceled = canceled;
  const std::vector<InstanceHost*> hosts = open_all(steps, all);
  std::vector<Changed> made;
  try {
    for (const Step& step : steps) {
      const std::string& name = step.old != nullptr ? step.old->manifest.name : step.ready.generation->manifest.name;
      made.push_back({step.wanted->kind, name, step.ready.report, step.ending});
    }
  } catch (const std::bad_alloc&) {
    discard_all(steps);
    throw;
  }
  start_all(steps, all);
  for (const Step& step : steps) {
    if (step.ready.generation != nullptr) publish(*step.ready.generation);
  }
  for (const Step& step : steps) {
    if (step.old == nullptr) continue;
    {
      const MutexLock lock(catalog_);
      step.old->changed_away = true;
      if (step.ready.generation == nullptr) registry_.publish(*step.old->module, nullptr);
    }
    retire(*step.old, step.ending, hosts);
  }
  return made;
}

// Contexts may come and go while code of modules runs here. So the contexts count that there are afterwards.
std::vector<InstanceHost*> Loader::open_all(std::vector<Step>& steps, const LoadRequest& all) try {
  for (Step& step : steps) {
    const Change& wanted = *step.wanted;
    if (wanted.kind == Kind::unload) continue;
    LoadRequest request = wanted.load;
    request.canceled = all.canceled;
    if (step.old != nullptr) {
      Reload reload(*this, wanted.module, request);
      if (reload.asks_old_first()) refuse_old_first(wanted.module, reload.file.request.path);
      step.ready = open(reload.file, Purpose::reload);
    } else {
      ModuleFile file = ModuleFile::read(std::move(request), {wanted.module, false}, allowed_, api_.extension);
      step.ready = open(file, Purpose::load);
    }
  }
  std::vector<const Generation*> opened;
  for (const Step& step : steps) {
    if (step.ready.generation != nullptr) opened.push_back(step.ready.generation);
  }
  check_functions(opened);
  all.check_canceled();
  std::vector<InstanceHost*> hosts = instance_hosts_();
  for (Step& step : steps) step.ready.hosts = hosts;
  return hosts;
} catch (...) {
  discard_all(steps);
  throw;
}

// Nothing below gives the turn away, so the contexts stay.
void Loader::start_all(std::vector<Step>& steps, const LoadRequest& all) {
  const auto give_up_all = [&](const std::shared_ptr<Retirement>& joint) {
    Ending ending;
    ending.retirement = joint;
    joint->add_context();
    for (Step& step : steps) {
      if (step.ready.generation != nullptr) count_in(joint, *give_up(step.ready).retirement);
    }
    joint->context_done();
    return ending;
  };
  std::shared_ptr<Retirement> joint;
  try {
    joint = make_joint();
  } catch (const std::bad_alloc&) {
    discard_all(steps);
    throw;
  }
  const Step* current = nullptr;
  try {
    for (Step& step : steps) {
      current = &step;
      if (step.ready.generation != nullptr) start_instances(step.ready, all);
    }
    current = nullptr;
    all.check_canceled();
  } catch (Failure& failure) {
    if (current != nullptr) name_file(failure, current->ready.generation->path);
    throw Refusal{std::move(failure), give_up_all(joint)};
  } catch (const std::bad_alloc&) {
    throw Refusal{{BP_OUT_OF_MEMORY, "no memory"}, give_up_all(joint)};
  }
}

void Loader::discard_all(std::vector<Step>& steps) noexcept {
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (step->ready.generation != nullptr) discard(step->ready);
  }
}

std::vector<std::uint8_t> Loader::configurations() const {
  std::map<std::string_view, const Generation*> all;
  const MutexLock lock(catalog_);
  for (const auto& each : generations_) {
    const bool is_held = each->module->held.load() == each->number;  // its reload goes on
    if (each->state == Generation::State::running || is_held) all.emplace(each->module->name, each.get());
  }
  std::vector<std::uint8_t> report;
  cbor::Writer out(report);
  out.map(1);
  out.text("modules");
  out.array(all.size());
  for (const auto& [name, generation] : all) {
    out.map(6);
    field(out, "name", name);
    field(out, "generation", generation->number);
    path_field(out, generation->path);
    field(out, "sha256", generation->sha256);
    out.text("config");
    out.bytes(generation->config);  // as it is, because it may be nested as deeply as a report may
    settings_field(out, generation->settings);
  }
  return report;
}

}  // namespace backplane::host
