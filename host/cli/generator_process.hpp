// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backplane::host::cli {

/// Runs backplane-bindgen, which stands beside this executable, with `input` as its standard input. What it writes goes
/// where this program writes. Returns its exit code. Throws CommandFailure if it cannot run, or is killed.
int run_generator(const std::vector<std::string>& arguments, std::string_view input);

}  // namespace backplane::host::cli
