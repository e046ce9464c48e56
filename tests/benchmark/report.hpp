// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "rows.hpp"

namespace bench {

/// The machine, the system and the compiler, in one line.
std::string machine();

/// A Markdown table with one line for each row, and one for each further quantile.
std::string markdown(const std::vector<Outcome>& outcomes);

/// An array of {row, value, unit, against, floor, ratio, reach, met}, one object for each line of the table. `value` is
/// null if the row failed. `floor` and `ratio` are null without a floor, `reach` and `met` without a goal.
std::string json(const std::vector<Outcome>& outcomes);

}  // namespace bench
