// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sync/mutex.hpp"

namespace backplane::host {

/// The right to touch data that belongs to one kind of thread. It costs nothing at run time: clang's thread safety
/// analysis follows it. Data say BP_GUARDED_BY(role), functions say BP_REQUIRES(role).
class BP_CAPABILITY("role") ThreadRole {
 public:
  /// From here on the compiler takes the role as held. Call it where a thread begins, and where a callback arrives
  /// that runs on that thread alone.
  void assume() const BP_ASSERT_CAPABILITY(this) {}
};

}  // namespace backplane::host
