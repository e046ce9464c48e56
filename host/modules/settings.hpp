// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace backplane::host {

/// What the operator says about a module, beside its configuration. See bp_load_options.
struct ModuleSettings {
  bool unload_never = false;
  std::uint64_t stack_size = 0;  ///< bytes, of its handlers that ask for none of their own; 0: not set
  std::uint32_t workers = 0;     ///< most worker threads of its blocking handlers; 0: a share

  bool operator==(const ModuleSettings&) const = default;
};

}  // namespace backplane::host
