// SPDX-License-Identifier: Apache-2.0
//
// Compiles where libc++ is installed, and knows enough of C++20.
#include <concepts>
#include <span>
#include <string>

static_assert(std::integral<int>);
std::string text(std::span<const char> of) { return {of.begin(), of.end()}; }
