// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <link.h>

#include <cstddef>
#include <exception>

namespace backplane::host {

/// Calls `use(info)` for each object that the dynamic loader has loaded, until one call returns true. Returns whether
/// one did. What `use` throws comes out of this function: passed through dl_iterate_phdr, it would leave the dynamic
/// loader locked for ever.
template <class Use>
bool any_loaded_object(const Use& use) {
  struct Looking {
    const Use& use;
    std::exception_ptr thrown;
  } looking{use, nullptr};
  const auto look = [](dl_phdr_info* info, std::size_t, void* data) noexcept {
    auto& now = *static_cast<Looking*>(data);
    try {
      return now.use(static_cast<const dl_phdr_info&>(*info)) ? 1 : 0;
    } catch (...) {
      now.thrown = std::current_exception();
      return 1;
    }
  };
  const bool found = ::dl_iterate_phdr(look, &looking) != 0;
  if (looking.thrown) std::rethrow_exception(looking.thrown);
  return found;
}

}  // namespace backplane::host
