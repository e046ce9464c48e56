// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>

#include "sync/clock.hpp"

namespace backplane::host {

/// The kernel's scheduling data of a thread.
struct Scheduling {
  char state = 0;    ///< R: running or ready; S, D: waiting; T, t: stopped; see proc(5)
  Nanos ran = 0;     ///< time on a core since the thread began
  Nanos waited = 0;  ///< time spent waiting for a core, without a wait that is still going on
};

/// Reads the data of a thread of this process from /proc. Returns nullopt on an error. Allocates nothing.
std::optional<Scheduling> scheduling_of(::pid_t tid) noexcept;

}  // namespace backplane::host
