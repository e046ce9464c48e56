// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>

namespace backplane::host {

/// Whether a caller's struct is not null and has all members of ABI 1.0. Members of later versions may be missing. When
/// a version adds members, this must compare with the size in ABI 1.0.
template <class T>
bool covers_core(const T* given) noexcept {
  return given != nullptr && given->struct_size >= sizeof(T);
}

/// A caller's struct, converted to this version. Members that an older caller lacks are zero; further members of a
/// newer caller are ignored. T begins with struct_size.
template <class T>
T widened(const T& from) noexcept {
  T all{};
  std::memcpy(&all, &from, std::min<std::size_t>(from.struct_size, sizeof(T)));
  return all;
}

}  // namespace backplane::host
