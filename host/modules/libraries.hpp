// SPDX-License-Identifier: Apache-2.0
//
// The shared libraries that the dynamic loader has in this process, by the names in DT_NEEDED.
#pragma once

#include <link.h>

#include <set>
#include <span>
#include <string>
#include <string_view>

namespace backplane::host {

/// Whether every module needs it, or the library keeps nothing that two modules could quarrel about: the C library and
/// its parts, the C++ library, and the run-time libraries of sanitizers. They start no threads for modules. `name`:
/// without a directory.
bool is_base_library(std::string_view name);

/// The names to which the dynamic table of a mapped object refers; null: it has none. `address`: of the object.
const char* dynamic_strings(ElfW(Addr) address, const ElfW(Dyn) * table) noexcept;

struct LibrarySet {
  std::set<std::string> names;   ///< without base libraries
  std::set<std::string> mapped;  ///< those of them that are in this process. What the others need is not known
};

/// These libraries, those that they need, and so on.
LibrarySet libraries_behind(std::span<const std::string> needed);

/// Throws Failure (BP_LOAD_REFUSED) if a file needs a sanitizer that this process does not have: such a run-time
/// library ends the process if it is mapped late.
void check_sanitizers(std::span<const std::string> needed);

}  // namespace backplane::host
