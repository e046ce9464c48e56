// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace backplane::host {

struct Generation;
struct PinReason;

/// What would run the object's code after it was unmapped. Each is a reason to keep it mapped. There are two kinds:
/// actions of signals, and threads that are blocked below one of its frames. Call it after deinit. It takes up to 200
/// ms if a thread that the host does not know runs all the time.
///
/// It does not see destructors of pthread keys, callbacks in other libraries, and suspended coroutines of libraries.
/// lint() warns of the imports that lead to these.
std::vector<PinReason> left_behind(const Generation& generation);

}  // namespace backplane::host
