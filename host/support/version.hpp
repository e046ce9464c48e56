// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

namespace backplane::host {

/// The version of the library and of the executable.
inline constexpr const char* version = BP_VERSION_STRING;

}  // namespace backplane::host
