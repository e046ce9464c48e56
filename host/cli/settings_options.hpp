// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "cli/module_settings.hpp"

namespace backplane::host::cli {

/// Whether one of the options below is given.
bool gives_settings(const Args& args);
/// `settings` with those that are given. Throws CommandFailure (usage) if one is out of range.
ModuleSettings with_given(ModuleSettings settings, const Args& args);

inline const Option unload_option = {
    "--unload", "HOW",
    "never: the object stays mapped after an unload; drain: it is unmapped, unless its manifest says never",
    &Args::unload};
inline const Option workers_option = {
    "--workers",    "N",   "the most worker threads that its blocking handlers take at once; 0: a share",
    &Args::workers, false, most_workers};
inline const Option stack_size_option = {
    "--stack-size", "BYTES", "the stack of its handlers that ask for none of their own; 0: as its manifest says",
    &Args::stack_size};

}  // namespace backplane::host::cli
