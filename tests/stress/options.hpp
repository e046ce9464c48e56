// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace stress {

struct Options {
  double seconds = 10;
  std::uint64_t operations = 0;  ///< for each thread; 0: `seconds` count
  std::uint64_t seed = 0;
  unsigned threads = 4;
  std::string modules;  ///< the directory that the stress modules are in
};

/// Reads the command line. Nothing if the program is over: help was asked for, or the arguments are wrong,
/// which has been said; `exit_code` is then set.
std::optional<Options> parse(int argc, char** argv, int& exit_code);

}  // namespace stress
