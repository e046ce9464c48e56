// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "modules/dependencies.hpp"
#include "modules/module_call.hpp"
#include "modules/trial_helper.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host {

struct Generation;

/// Loads files for a trial, in a process of their own. That process runs the program backplane-trial. First it maps
/// the generations that share a library with the file, in the order in which this host mapped them, because some
/// libraries end the process when they meet a second generation. Then it maps the file, looks at its entry, and unmaps
/// it. Used by one operation at a time.
class Trial {
 public:
  Trial() = default;
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// Opens the program; an empty path means the one that is installed with this library. Throws Failure (BP_IO) if it
  /// cannot be run.
  static std::shared_ptr<const UniqueFd> open(const std::string& program);
  /// From now on, files are tried with this program; null: they are not. `on_used`: its process waits for the next
  /// trial; call rest() when there is none for a while.
  void use(std::shared_ptr<const UniqueFd> program, std::function<void()> on_used) noexcept {
    program_ = std::move(program);
    on_used_ = std::move(on_used);
  }
  /// Ends the process that waits, unless it was used since the last of these calls. Returns false if it was.
  bool rest() noexcept;
  bool on() const noexcept { return program_ != nullptr; }

  /// Tries the private copy of a generation that is not mapped, unless this file was tried with success in the same
  /// company. `leaving`: a generation that will be gone by the time this one is mapped; may be null. Throws Failure:
  /// BP_LOAD_REFUSED says what went wrong, BP_IO that the trial could not be made. It takes 5 seconds at most; twice
  /// this if others are mapped first and it fails. Short work goes on meanwhile.
  void run_once(ModuleCalls& calls, const Generation& generation, const Dependencies::Plan& libraries,
                const std::atomic<bool>* canceled, const Generation* leaving);

  /// The generation is about to be mapped.
  void note_mapped(const Generation& generation, const Dependencies::Plan& libraries);
  /// It is not mapped any more. Removes its private copy, unless a library that it has used still is in the process:
  /// then further trials need the same history.
  void drop_copy(const Generation& generation) noexcept;

 private:
  struct Known {
    std::string label;
    std::string sha256;
    std::string path;
    std::vector<std::string> needed;  ///< the names in DT_NEEDED
    Dependencies::Plan libraries;
    std::uint64_t mapped = 0;  ///< when
    std::uint64_t gone = 0;    ///< when; 0: it is mapped
  };
  struct Step;
  struct Outcome;

  void run(const Generation& generation, const Dependencies::Plan& libraries, const std::vector<Step>& steps,
           const std::atomic<bool>* canceled);
  bool note_gone(const Generation& generation);
  std::vector<Step> steps_for(const Generation& generation, const Generation* leaving) const;
  static std::string key_of(const Generation& generation, const Dependencies::Plan& libraries,
                            const std::vector<Step>& steps);
  Outcome try_after(const std::vector<Step>& steps, const Generation& generation, const Dependencies::Plan& libraries,
                    const std::atomic<bool>* canceled);

  std::shared_ptr<const UniqueFd> program_;
  std::function<void()> on_used_;
  TrialHelper helper_;
  bool used_ = false;
  std::vector<Known> known_;  // by time; those that need nothing but base libraries are left out
  std::uint64_t clock_ = 0;
  std::set<std::string> good_;
};

}  // namespace backplane::host
