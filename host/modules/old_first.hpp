// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
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
  /// Whether the manifest of the running generation asks for it. Throws Failure (BP_NOT_LOADED).
  static bool is_asked_for(const Loader& loader, std::string_view name) {
    return loader.running(name).manifest.reload_old_first;
  }

  /// Checks the new file as far as that needs none of its code. Keeps the bytes of the old one. Throws Failure.
  OldFirst(Loader& loader, std::string_view name, const LoadRequest& wanted);
  OldFirst(const OldFirst&) = delete;
  OldFirst& operator=(const OldFirst&) = delete;

  const Ending& ending() const noexcept { return ending_; }
  /// From here on, calls wait, and the old generation ends.
  void hold() noexcept;
  /// Starts the new generation and lets the calls go on. Returns a load-report. Throws as Loader::load(); then the
  /// calls still wait. The instances of a Refusal must end before restore(): they may have what the old generation
  /// needs.
  std::vector<std::uint8_t> start();
  /// Loads the old file again, and lets the calls go on in any case. Returns how it went, to be added to a message.
  std::string restore() noexcept;
  /// If calls still wait because of this, they are answered that the module is gone.
  void release() noexcept;

 private:
  std::vector<std::uint8_t> publish(const LoadRequest& request, Ready opened);

  Loader& loader_;
  Module& module_;
  Generation* old_;         // until hold()
  std::uint64_t hold_ = 0;  // which of Module::holds this is
  LoadRequest wanted_;
  LoadRequest before_;  // how the old file was loaded
  std::vector<std::uint8_t> old_bytes_;
  Ending ending_;
  std::vector<InstanceHost*> hosts_;
};

}  // namespace backplane::host
