// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>

namespace backplane {

/// A struct from outside as this library knows it: what an older caller's header did not have is zero,
/// what a newer one's has beyond ours is left out. T begins with struct_size.
template <class T>
T sized(const T& from) noexcept {
  T all{};
  std::memcpy(&all, &from, std::min<std::size_t>(from.struct_size, sizeof(T)));
  return all;
}

}  // namespace backplane
