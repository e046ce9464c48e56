// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>
#include <backplane/plugin.h>

#include <cstddef>
#include <cstring>

namespace backplane::host {

/// The size of a struct in the first version of the ABI. Where a version adds members, it is the offset of the first.
template <class T>
inline constexpr std::size_t core_size = sizeof(T);
template <>
inline constexpr std::size_t core_size<bp_submission> = offsetof(bp_submission, source);
template <>
inline constexpr std::size_t core_size<bp_subscription> = offsetof(bp_subscription, window_bytes);
template <>
inline constexpr std::size_t core_size<bp_handler_desc> = offsetof(bp_handler_desc, stack_size);
template <>
inline constexpr std::size_t core_size<bp_load_options> = offsetof(bp_load_options, stack_size);
template <>
inline constexpr std::size_t core_size<bp_host_options> = offsetof(bp_host_options, trial_program);
template <>
inline constexpr std::size_t core_size<bp_operation_request> = offsetof(bp_operation_request, changes);

/// Whether a caller's struct is not null and has all members of the first version. Those of later versions may be
/// missing.
template <class T>
bool covers_core(const T* given) noexcept {
  return given != nullptr && given->struct_size >= core_size<T>;
}

/// A caller's struct, converted to this version. Members that an older caller lacks are zero; further members of a
/// newer caller are ignored. T begins with struct_size.
template <class T>
T widened(const T& from) noexcept {
  if (from.struct_size >= sizeof(T)) [[likely]]
    return from;
  T all{};
  std::memcpy(&all, &from, from.struct_size);
  return all;
}

/// The same without a copy, if the caller's struct has all members. `room` is for the others.
template <class T>
const T& widened(const T& from, T& room) noexcept {
  if (from.struct_size >= sizeof(T)) [[likely]]
    return from;
  return room = widened(from);
}

}  // namespace backplane::host
