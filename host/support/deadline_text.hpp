// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace backplane::host {

/// The message of a call that its own deadline has ended.
inline constexpr std::string_view deadline_text = "no answer within the call's timeout";

}  // namespace backplane::host
