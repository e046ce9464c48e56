// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backplane::host::cli {

/// The one of `known` that `given` was probably meant to be; empty if none is near. Nearness counts
/// letters inserted, left out, changed or swapped with the next: a third of them, at most.
std::string nearest(std::string_view given, const std::vector<std::string>& known);

/// "did you mean X?", or empty; also empty if `given` is one of them.
std::string did_you_mean(std::string_view given, const std::vector<std::string>& known);

}  // namespace backplane::host::cli
