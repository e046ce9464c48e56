// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace backplane::host {

namespace woken_detail {
// Of that TLS model because the call that others take costs as much as what it is needed for.
inline constinit thread_local bool woke [[gnu::tls_model("initial-exec")]] = false;
}  // namespace woken_detail

/// The calling thread has woken another.
inline void note_wake() noexcept { woken_detail::woke = true; }

/// Whether it has since it was asked last. The other may have been put on this very core.
inline bool has_woken() noexcept { return std::exchange(woken_detail::woke, false); }

}  // namespace backplane::host
