// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "modules/loader.hpp"

namespace backplane::host {

/// Ends Module::held: the calls that wait in these contexts go on.
void release_held(Module& module, const std::vector<InstanceHost*>& hosts) noexcept;

/// A reload in which the old generation ends before the new one starts, for a module that owns something exclusive,
/// such as a port, a device or a lock. New calls of its names wait meanwhile. Calls that the old generation makes
/// itself, directly or through others, are answered by it: else it would wait for ever.
///
/// hold(), and when the retirement of ending() has finished, start(). If that fails, restore(). Or instead of start(),
/// while the old generation still drains, Loader::undo_unload(): it runs again, and the calls go on. Control thread.
class Loader::OldFirst {
 public:
  /// Checks the new file as far as that needs none of its code in this process, and tries it. Keeps the bytes of the
  /// old one. Throws Failure; then the old generation has not noticed.
  OldFirst(Loader& loader, Reload wanted);
  OldFirst(const OldFirst&) = delete;
  OldFirst& operator=(const OldFirst&) = delete;

  const Ending& ending() const noexcept { return ending_; }
  /// From here on, calls wait, and the old generation ends.
  void hold() noexcept;
  /// Starts the new generation and lets the calls go on. Returns a load-report. Throws as Loader::load(); then the
  /// calls still wait. The instances of a Refusal must end before restore(): they may have what the old generation
  /// needs.
  std::vector<std::uint8_t> start();

  /// What restore() has done.
  struct Restored {
    bool wanted = true;                ///< false: somebody has given the module up while the new code hung
    std::vector<std::uint8_t> report;  ///< a load-report; empty: it is not loaded
    std::string path;
    std::string words;  ///< how it went, for people; without memory empty
  };
  /// Loads the old file again, and lets the calls go on in any case.
  Restored restore() noexcept;
  /// The reload is over. If calls still wait because of it, code of the module hangs: they are answered that the module
  /// is gone.
  void end() noexcept;

  /// What hangs now does not come back when it returns. Any thread.
  static void give_up_hanging(Loader& loader) noexcept;
  /// Throws Failure (BP_NAME_TAKEN). A load whose code does not return keeps the name.
  static void check_none_is_loading(const Loader& loader, const Module& module) BP_REQUIRES(loader.catalog_);

 private:
  /// The new generation until start(). If that does not come, its private copy goes.
  struct Draft {
    Draft() = default;
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() { drop(); }
    void drop() noexcept {
      if (generation != nullptr && !generation->copy_path.empty()) CopyStore::drop(generation->copy_path);
      generation.reset();
    }
    std::unique_ptr<Generation> generation;
    Dependencies::Plan libraries;
    std::uint64_t mapped = 0;  ///< Loader::mapped_ when it was tried
  };

  std::vector<std::uint8_t> publish(const LoadRequest& request, Ready opened);
  Ready map_new();
  void restore_once(Restored& done);
  bool is_wanted() noexcept;
  void release(Module::Hang hang) noexcept;

  Loader& loader_;
  Module& module_;
  Generation* old_;         // until hold()
  std::uint64_t hold_ = 0;  // which of Module::holds this is
  Module::Hang phase_ = Module::Hang::ending;
  LoadRequest wanted_;
  Draft draft_;
  LoadRequest before_;  // how the old file was loaded
  std::vector<std::uint8_t> old_bytes_;
  Ending ending_;
  std::vector<InstanceHost*> hosts_;
};

}  // namespace backplane::host
