// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>

namespace backplane::host {

/// Whether a struct from outside is there, with all that ABI 1.0 gave it. What later versions add it may
/// lack: then this is to ask for the size that 1.0 had.
template <class T>
bool covers_core(const T* given) noexcept {
  return given != nullptr && given->struct_size >= sizeof(T);
}

/// A struct from outside as this library knows it: what an older caller's header did not have is zero,
/// what a newer one's has beyond ours is left out. T begins with struct_size.
template <class T>
T widened(const T& from) noexcept {
  T all{};
  std::memcpy(&all, &from, std::min<std::size_t>(from.struct_size, sizeof(T)));
  return all;
}

}  // namespace backplane::host
