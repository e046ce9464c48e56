// SPDX-License-Identifier: Apache-2.0
//
// What becomes of the host in a forked child: its memory is there, its threads are not, and a lock that one of
// them held stays held for ever. So the functions of the header ask here before they take any lock.
#pragma once

namespace backplane::host {

/// Around all that makes or sets up something of the host's, from before its first lock is taken.
class ForkGuard {
 public:
  ForkGuard() noexcept;
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard();
  /// False in a process that was forked off one with a host, or in the midst of a use: nothing can be made here.
  explicit operator bool() const noexcept;
  /// There is something now that has threads, and the process has used the host for good.
  void keep_for_good() noexcept;
};

inline constexpr const char* forked_text =
    "this process was forked from one that used the host, whose threads stayed there; call exec first, or fork "
    "before the first context is made";

}  // namespace backplane::host
