// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane::host {

/// Whether the calling thread runs a bp_stop_fn. It is a thread of a server, so it must not wait for the end of a
/// serving or of a context: these wait for it.
inline constinit thread_local bool runs_stop_request = false;

}  // namespace backplane::host
