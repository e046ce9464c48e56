// SPDX-License-Identifier: Apache-2.0
//
// Protects a forked child. The child has the host's memory but not its threads, and a lock that one of them held stays
// locked forever. So the C functions ask a ForkGuard before they take any lock.
#pragma once

namespace backplane::host {

/// Counts one use: a C call that creates or configures something of the host. Construct it before the first lock.
class ForkGuard {
 public:
  ForkGuard() noexcept;
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard();
  /// False in a process that was forked from one with a host, or during a use. The call must then fail.
  explicit operator bool() const noexcept;
  /// Call this when host threads exist. From then on, every forked child is affected.
  void keep_for_good() noexcept;
};

inline constexpr const char* forked_text =
    "this process was forked from a process with a host, and has none of the host's threads; call exec first, or fork "
    "before the first context is created";

}  // namespace backplane::host
