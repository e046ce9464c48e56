// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane::host {

/// The version of the library and the executable, which are released together.
inline constexpr const char* version = "0.1.0";

}  // namespace backplane::host
