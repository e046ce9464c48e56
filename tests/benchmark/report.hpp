// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "rows.hpp"

namespace bench {

/// The machine, the system and the compiler, in one line.
std::string machine();

/// A markdown table, a line a row, and one for each further quantile.
std::string markdown(const std::vector<Outcome>& outcomes);

/// An array of {row, value, unit, against, floor, ratio, reach, met}, an object for each line of the table; value is
/// null where the row failed, floor and ratio where it has none, reach and met where nothing is to be reached.
std::string json(const std::vector<Outcome>& outcomes);

}  // namespace bench
