// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace backplane::host {

struct Generation;
struct PinReason;

/// What would run the object's code after it was unmapped, as far as it can be seen: actions of signals, and threads
/// that are blocked below one of its frames. Each is a reason to keep the object mapped. For a generation whose deinit
/// has returned. Takes up to 200 ms if a thread that the host does not know runs all the time.
///
/// Not seen are destructors of pthread keys, callbacks that it has left in other libraries, and coroutines of libraries
/// that are suspended in it; lint() warns of the imports that lead to these.
std::vector<PinReason> left_behind(const Generation& generation);

}  // namespace backplane::host
