// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "cddl/model.hpp"
#include "cddl/scanner.hpp"

namespace backplane::host::cddl {

/// Reads a CDDL text (RFC 8610), which may come from an untrusted source. Its time and memory are linear in the text.
/// Throws ParseError at the first fault. It also accepts what the RFC does not: names of rules that begin with a digit,
/// as names of modules may; choices as arguments; a text without rules; tabs.
Schema parse(std::string_view text);

}  // namespace backplane::host::cddl
