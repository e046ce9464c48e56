// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "modules/library_search.hpp"
#include "modules/manifest.hpp"

namespace backplane::host {

class CopyStore;

/// The libraries that modules need (DT_NEEDED). They are mapped before the module, and stay until the process ends:
/// their threads, caches and callbacks outlive the module, and other modules may use them by then. So an unload takes
/// the module away and nothing else. One that lies beside its module gets the same checks as the module, and is mapped
/// from a private copy. Control thread.
class Dependencies {
 public:
  explicit Dependencies(CopyStore& copies) : copies_(copies) {}
  Dependencies(const Dependencies&) = delete;
  Dependencies& operator=(const Dependencies&) = delete;

  /// What open() maps, in this order: paths of private copies and of files, and names that the loader looks for.
  using Plan = std::vector<std::string>;

  /// Finds what the module at `path` needs, and copies what lies beside it. Runs no code of it. Adds a warning if the
  /// process has another library of that name already, which the module will get. Throws Failure (BP_LOAD_REFUSED,
  /// BP_IO).
  Plan prepare(Manifest& manifest, const std::filesystem::path& path,
               const std::vector<std::filesystem::path>& allowed);

  /// Maps them. Their constructors run. What the loader does not find this way is left to map_object().
  static void open(const Plan& plan);

  /// Has all that the object needs, directly or not, stay mapped, and returns the paths of these. `object`: a handle of
  /// dlopen().
  static std::vector<std::string> pin(void* object);

 private:
  struct Copy {
    std::string source;
    std::string sha256;
    std::vector<std::string> needed;
    LibraryPaths paths;  // where it looks for these
  };
  struct Search;

  void add(const std::string& name, const LibraryPaths& paths, Search& search);
  void add_mapped(const std::string& name, const std::string& path, Search& search);
  void add_copy(const std::string& name, const LibraryPaths& paths, const std::string& path, Search& search);
  void compare(const std::string& name, const std::string& mapped, const LibraryPaths& paths, Search& search) const;

  CopyStore& copies_;
  std::map<std::string, Copy> copied_;  // by path of the copy
};

}  // namespace backplane::host
