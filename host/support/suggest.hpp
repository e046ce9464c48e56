// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

/// The name in `known` that `given` probably means; empty if none is similar. At most a third of the letters may be
/// inserted, left out, changed, or swapped with the next letter.
std::string nearest(std::string_view given, const std::vector<std::string>& known);

/// "did you mean X?", or empty if no name is similar or `given` is a known name.
std::string did_you_mean(std::string_view given, const std::vector<std::string>& known);

}  // namespace backplane::host
