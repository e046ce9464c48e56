// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace backplane::host::cli {

/// The text that a host has written to stderr, with each line of its log once. Lines that differ only in their time and
/// in the numbers of generations are one: the first stays, and ends with how often it was there. All else stays as it
/// is.
std::string without_repeats(std::string_view text);

}  // namespace backplane::host::cli
