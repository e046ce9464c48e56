// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <new>

namespace backplane::host {

/// Tells what is done. It is done even if there is no memory to tell it; then nobody is told.
template <class F>
void if_memory(F tell) noexcept {
  try {
    tell();
  } catch (const std::bad_alloc&) {
    // Nobody is told.
  }
}

}  // namespace backplane::host
