// SPDX-License-Identifier: Apache-2.0
//
// The trial load: what to map first, and what the end of the other process means.
#include "modules/trial.hpp"

#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "modules/copy_store.hpp"
#include "modules/generation.hpp"
#include "modules/libraries.hpp"
#include "modules/trial_place.hpp"
#include "support/log.hpp"
#include "support/quiet_child.hpp"
#include "support/result.hpp"
#include "support/signal_name.hpp"

namespace backplane::host {
namespace {

constexpr std::chrono::seconds time_limit{5};
constexpr std::size_t most_good = 1024;  // one that is forgotten is tried again
// Generations that are gone, and whose copies stay. Of equal files, the last one counts.
constexpr std::size_t most_gone = 8;
constexpr std::size_t most_text = 400;  // bytes of what the other process wrote

[[noreturn]] void refuse(std::string message) { throw Failure{BP_LOAD_REFUSED, std::move(message)}; }

std::string quoted_text(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() > most_text) text = text.substr(0, most_text) + "…";
  std::replace(text.begin(), text.end(), '\n', ' ');
  return cbor::escaped(text, cbor::Escape::line);
}

}  // namespace

struct Trial::Step {
  std::uint64_t when;
  bool close;
  const Known* of;
};

/// What one process found.
struct Trial::Outcome {
  char stage = ' ';  // of its last step: l, o, c, n, t, k or d as in backplane-trial; a blank: it has begun none
  bool good = false;
  std::string refused;  // by the dynamic loader, or because of the entry
  std::string fault;    // how it ended, if neither
  bool killed = false;  // by somebody else
};

std::shared_ptr<const UniqueFd> Trial::open(const std::string& program) {
  const bool installed = program.empty();
  const std::string path = installed ? installed_trial_program() : program;
  if (path.empty()) throw Failure{BP_IO, "the program for trial loads cannot be found without /proc; mount it"};
  auto file = std::make_shared<const UniqueFd>(QuietChild::open(path));
  if (*file) return file;
  throw Failure{BP_IO,
                "the program for trial loads, " + path + ", cannot be run: " + std::generic_category().message(errno) +
                    (installed ? "; it belongs to the library and is installed with it. Without it, switch trial "
                                 "loads off: trial_program = NULL; of the command line --no-trial or "
                                 "trial_load = false"
                               : "; set trial_program to the path of the installed backplane-trial, or to \"\" "
                                 "for the one that is installed with the library, or leave it out")};
}

void Trial::note_mapped(const Generation& generation, const Dependencies::Plan& libraries) {
  const std::vector<std::string>& needed = generation.manifest.libraries;
  if (!on() || std::all_of(needed.begin(), needed.end(), is_base_library)) return;
  known_.push_back({generation.label(), generation.sha256, generation.copy_path, needed, libraries, ++clock_, 0});
}

bool Trial::note_gone(const Generation& generation) {
  const auto self =
      std::find_if(known_.begin(), known_.end(), [&](const Known& each) { return each.path == generation.copy_path; });
  if (self == known_.end()) return false;
  self->gone = ++clock_;
  const auto forget = [this](auto which) {
    const auto found = std::find_if(known_.begin(), known_.end(), which);
    if (found == known_.end()) return;
    CopyStore::drop(found->path);
    known_.erase(found);
  };
  const bool left_nothing = libraries_behind(self->needed).mapped.empty();
  if (left_nothing) {
    known_.erase(self);
    return false;
  }
  forget([&](const Known& each) {
    return each.gone != 0 && each.sha256 == generation.sha256 && each.path != generation.copy_path;
  });
  const auto is_gone = [](const Known& each) { return each.gone != 0; };
  if (static_cast<std::size_t>(std::count_if(known_.begin(), known_.end(), is_gone)) > most_gone) forget(is_gone);
  return std::any_of(known_.begin(), known_.end(),
                     [&](const Known& each) { return each.path == generation.copy_path; });
}

// The generations that share a library, in the order in which they were mapped and unmapped.
std::vector<Trial::Step> Trial::steps_for(const Generation& generation, const Generation* leaving) const {
  std::vector<Step> steps;
  const LibrarySet own = libraries_behind(generation.manifest.libraries);
  if (own.names.empty()) return steps;
  for (const Known& each : known_) {
    const LibrarySet others = libraries_behind(each.needed);
    const bool shares = std::any_of(others.mapped.begin(), others.mapped.end(),
                                    [&](const std::string& name) { return own.names.contains(name); });
    // A library that is not mapped yet may need one that is.
    const bool may_share = own.mapped.size() != own.names.size() && !others.mapped.empty();
    if (!shares && !may_share) continue;
    steps.push_back({each.mapped, false, &each});
    const bool leaves = leaving != nullptr && !leaving->unload_never() && each.path == leaving->copy_path;
    if (each.gone != 0 || leaves) steps.push_back({each.gone != 0 ? each.gone : clock_ + 1, true, &each});
  }
  std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.when < b.when; });
  return steps;
}

std::string Trial::key_of(const Generation& generation, const Dependencies::Plan& libraries,
                          const std::vector<Step>& steps) {
  std::string key = generation.sha256 + (generation.unload_never() ? "!" : "");  // then its destructors are untried
  for (const std::string& library : libraries) key += "|" + library;  // a copy of other bytes has another path
  for (const Step& step : steps) key += (step.close ? "-" : "+") + step.of->sha256;
  return key;
}

void Trial::run_once(ModuleCalls& calls, const Generation& generation, const Dependencies::Plan& libraries,
                     const std::atomic<bool>* canceled, const Generation* leaving) {
  if (!on()) return;
  const std::vector<Step> steps = steps_for(generation, leaving);
  if (good_.contains(key_of(generation, libraries, steps))) return;
  ModuleCall call;
  call.what = "trial load";
  call.generation = &generation;
  call.bounded = true;
  struct Guard {
    Guard(ModuleCalls& c, ModuleCall& of) : calls(c), call(of) { calls.begin(call); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { calls.end(call); }
    ModuleCalls& calls;
    ModuleCall& call;
  };
  const Guard guard(calls, call);
  run(generation, libraries, steps, canceled);
}

void Trial::drop_copy(const Generation& generation) noexcept try {
  if (!note_gone(generation)) CopyStore::drop(generation.copy_path);
} catch (const std::bad_alloc&) {
  // Then it stays until the process ends.
}

bool Trial::rest() noexcept {
  if (std::exchange(used_, false)) return false;
  helper_.stop();
  return true;
}

Trial::Outcome Trial::try_after(const std::vector<Step>& steps, const Generation& generation,
                                const Dependencies::Plan& libraries, const std::atomic<bool>* canceled) {
  std::vector<std::string> wanted;
  for (const Step& step : steps) {
    for (const std::string& each : step.of->libraries) {
      if (!step.close && !is_base_library(each)) wanted.push_back("library:" + each);
    }
    wanted.push_back((step.close ? "close:" : "open:") + step.of->path);
  }
  for (const std::string& each : libraries) {
    if (!is_base_library(each)) wanted.push_back("need:" + each);
  }
  wanted.push_back((generation.unload_never() ? "keep:" : "try:") + generation.copy_path);
  QuietChild::Ended ended;
  try {
    used_ = true;
    if (on_used_) on_used_();
    ended = helper_.run(program_->get(), wanted, time_limit,
                        [canceled] { return canceled != nullptr && canceled->load(); });
  } catch (const std::system_error& error) {
    throw Failure{BP_IO, "its trial load, in a process of its own, could not be started: " + std::string(error.what()) +
                             "; nothing was loaded. Make room for a process, or restart the host without trial loads "
                             "(--no-trial, trial_load = false)"};
  }
  if (ended.canceled) throw Failure{BP_CANCELED, "canceled; nothing has changed"};
  Outcome outcome;
  std::string_view left = ended.output;
  while (!left.empty()) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(left.size(), line.size() + 1));
    if (line.size() == 1) outcome.stage = line[0];
    if (line == "good") outcome.good = ended.in_time && ended.signal == 0 && ended.code == 0;
    constexpr std::string_view refused = "refused ";
    if (line.starts_with(refused)) outcome.refused = line.substr(refused.size());
  }
  const char* const what = outcome.stage == 'd'   ? "its destructors"
                           : outcome.stage == 'n' ? "mapping a library that it needs"
                                                  : "mapping it, or one of its constructors,";
  if (!ended.in_time) {
    outcome.fault = std::string(what) + " did not return within " + std::to_string(time_limit.count()) + " s";
  } else if (ended.signal != 0) {
    outcome.killed = ended.signal == SIGKILL;
    outcome.fault = std::string(what) + " ended the process by " + signal_name(ended.signal);
  } else {
    outcome.fault = std::string(what) + " ended the process with exit code " + std::to_string(ended.code);
  }
  if (!ended.errors.empty()) outcome.fault += ", after writing \"" + quoted_text(ended.errors) + "\"";
  return outcome;
}

void Trial::run(const Generation& generation, const Dependencies::Plan& libraries, const std::vector<Step>& steps,
                const std::atomic<bool>* canceled) {
  Outcome outcome = try_after(steps, generation, libraries, canceled);
  const bool in_company = !steps.empty();
  std::string alone;
  if (!outcome.good && outcome.refused.empty() && in_company) {
    // Is it the file, or that the others are there?
    const Outcome second = try_after({}, generation, libraries, canceled);
    const bool others_failed =
        outcome.stage != 'n' && outcome.stage != 't' && outcome.stage != 'k' && outcome.stage != 'd';
    if (second.good && !others_failed) {
      std::string names;
      for (const Step& step : steps) {
        if (!step.close) names += (names.empty() ? "" : ", ") + step.of->label;
      }
      alone = "; alone it loads: it shares a library with " + names +
              ", and the library keeps what others have registered. Restart the host to load it, or build it without "
              "such a library (protobuf: use the lite runtime)";
    }
    if (others_failed) {
      log::warn("modules", generation.label() +
                               " was tried alone, because what shares a library with it could not be " +
                               "mapped a second time: " + outcome.fault);
      outcome = second;
    }
  }
  if (outcome.good) {
    if (good_.size() >= most_good) good_.clear();
    good_.insert(key_of(generation, libraries, steps));
    return;
  }
  if (!outcome.refused.empty()) refuse(std::move(outcome.refused));
  if (outcome.stage == ' ' || outcome.killed) {
    throw Failure{BP_IO,
                  "its trial load, in a process of its own, failed by itself: " + outcome.fault +
                      "; nothing was loaded. Perhaps memory is short, or backplane-trial does not fit this host; "
                      "try again, or restart the host without trial loads (--no-trial, trial_load = false)"};
  }
  refuse("its trial load, in a process of its own, failed: " + outcome.fault +
         (alone.empty() ? "; correct the module, or copy the file again if it is damaged" : alone));
}

}  // namespace backplane::host
