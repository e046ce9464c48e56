// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/copy_store.hpp"
#include "modules/instance.hpp"
#include "modules/registry.hpp"
#include "support/result.hpp"

namespace backplane::host {

/// The arguments of a load.
struct LoadRequest {
  std::string path;
  std::vector<std::uint8_t> config;  ///< a CBOR map; no bytes mean the empty map
};

/// Loads, publishes and ends generations. Everything here runs on the control thread, one operation at a time. No lock
/// is held while module code runs. Errors are thrown as Failure, which names the file; a failed operation leaves
/// nothing behind.
class Loader {
 public:
  /// `api` is what modules get. `sites` gives the contexts of this moment. `prepare` makes what
  /// runs a function on the control thread afterwards, called from any thread; it may throw, what it makes
  /// does not. `made_directory`: see CopyStore. `make_data_dir` makes the directory of a module if it is missing,
  /// called from any thread; it may throw Failure.
  Loader(Registry& registry, const bp_host_api& api, std::function<std::vector<InstanceHost*>()> sites,
         std::function<std::function<void()>(std::function<void()>)> prepare,
         std::function<void(const std::filesystem::path&)> made_directory,
         std::function<std::string(const std::string& module)> make_data_dir);
  /// What is loaded stays mapped: the process is about to end.
  ~Loader();

  /// Allows loading only from these directories. No directories: from anywhere.
  void allow(std::vector<std::filesystem::path> directories) { allowed_ = std::move(directories); }

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

  /// Withdraws the module's names and begins to end its instances. If no generation runs, retries one that is draining
  /// or pinned.
  Ending begin_unload(std::string_view name);

  struct Swap {
    std::vector<std::uint8_t> report;  ///< a load-report of the new generation
    Ending old;
  };
  Swap reload(std::string_view name, const std::optional<std::string>& path, std::span<const std::uint8_t> config);

  /// Makes the unload-report for the current state. Returns true if the object is unmapped.
  bool report_ending(const Ending& ending, std::vector<std::uint8_t>& report);

  /// The module-list.
  std::vector<std::uint8_t> list() const;
  std::size_t running_count() const;

  /// Creates an instance of every running generation in a new context.
  void populate(InstanceHost& site);

 private:
  /// A generation with its instances, and all memory for the following steps, so that these cannot fail.
  struct Ready {
    std::unique_ptr<Generation> generation;
    std::vector<std::uint8_t> report;  ///< a load-report
    std::vector<InstanceHost*> sites;
    Ending ending;  ///< used if the generation is given up
  };

  Ready prepare(const LoadRequest& request, std::string_view expected_name);
  void open_object(Ready& ready, std::span<const std::uint8_t> bytes);
  void run_init(Generation& generation);
  void check_registered(const Generation& generation) const;
  void start_instances(Ready& ready);
  Ending give_up(Ready& ready);
  void publish(std::unique_ptr<Generation> generation);
  Ending new_ending(Generation& generation);
  void retire(Generation& generation, const Ending& ending, const std::vector<InstanceHost*>& sites);
  void finish(Generation& generation);
  std::size_t free_slot() const;

  Registry& registry_;
  const bp_host_api& api_;
  std::function<std::vector<InstanceHost*>()> sites_;
  std::function<std::function<void()>(std::function<void()>)> prepare_;
  std::function<std::string(const std::string& module)> make_data_dir_;
  std::vector<std::filesystem::path> allowed_;
  CopyStore copies_;
  std::vector<std::unique_ptr<Generation>> generations_;  // running, draining or pinned
};

}  // namespace backplane::host
