// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace backplane::host {

namespace woken_detail {
// Uses the initial-exec TLS model, because the function call of other models costs as much as the work itself.
inline constinit thread_local bool woke [[gnu::tls_model("initial-exec")]] = false;
}  // namespace woken_detail

/// Notes that the calling thread has woken another thread.
inline void note_wake() noexcept { woken_detail::woke = true; }

/// Whether the calling thread has woken another since the last has_woken(). That thread may be scheduled on this core.
inline bool has_woken() noexcept { return std::exchange(woken_detail::woke, false); }

}  // namespace backplane::host
