// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane::host::cli {

// What `backplane --help` says before and after the list of commands.
extern const char* const help_introduction;
extern const char* const help_ending;

}  // namespace backplane::host::cli
