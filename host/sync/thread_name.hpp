// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

namespace backplane::host {

/// Names the calling thread, for debuggers and ps. At most 15 bytes.
inline void name_thread(const char* name) noexcept { ::pthread_setname_np(::pthread_self(), name); }

}  // namespace backplane::host
