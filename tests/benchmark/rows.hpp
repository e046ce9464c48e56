// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "row.hpp"

namespace bench {

/// All rows, in the order of the table.
std::vector<Row> all_rows();

/// Whether the row, or one of its lines, is called `wanted`, or belongs to a group of that name.
bool belongs(const Row& row, std::string_view wanted);

/// A row that has been run: its figure, or why there is none.
struct Outcome {
  Row row;
  Figure figure;
  std::string error;  ///< empty: it was measured

  /// Whether what is to be reached is reached; nothing where nothing is to be.
  std::optional<bool> met() const;
};

/// value / floor, where there is one.
std::optional<double> ratio(const Measured& measured);

/// Runs the row in a child process, so that no row finds caches, pools or memory as another has left them, and one
/// that crashes or hangs takes no other along. The calling process must have no host and no other thread.
Outcome run_apart(const Row& row, Effort effort);

}  // namespace bench
