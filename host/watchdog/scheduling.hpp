// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>

#include "sync/clock.hpp"

namespace backplane::host {

/// What the kernel says of a thread.
struct Scheduling {
  char state = 0;    ///< R runs or would like to, S and D wait, T and t are stopped; proc(5)
  Nanos ran = 0;     ///< on a core, since the thread began
  Nanos waited = 0;  ///< for a core; without the wait that it may be in now
};

/// Reads it of a thread of this process from /proc; nullopt if it is not to be had. Allocates nothing.
std::optional<Scheduling> scheduling_of(::pid_t tid) noexcept;

}  // namespace backplane::host
