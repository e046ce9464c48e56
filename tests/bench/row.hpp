// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace bench {

/// How much trouble a row takes. `smoke` only shows that it runs: its figures mean nothing.
enum class Effort { smoke, quick, full };

/// What a row has measured, both in the row's unit. The floor is measured in the same run, in turns with it.
struct Figure {
  double value = 0;
  std::optional<double> floor;
};

/// What is to be reached: of `value / floor`, or, where there is no floor, of the value.
struct Reach {
  enum class Of { ratio, value } of;
  enum class Side { at_most, at_least } side;
  double limit;
};

/// One line of the table.
struct Row {
  const char* name;     ///< group.thing.variant: each beginning of it up to a dot is a group
  const char* unit;     ///< of value and floor
  const char* what;     ///< what is measured
  const char* against;  ///< what the floor is; "" if there is none
  Reach reach;
  /// Measures, in a process of its own that has no host yet. Throws std::exception if it cannot, or if an answer
  /// was wrong.
  Figure (*measure)(Effort effort);
};

// ---- The rows, a file of rows/ each; rows.cpp lists them ----

std::span<const Row> request_echo_rows();
std::span<const Row> fiber_switch_rows();
std::span<const Row> fiber_create_rows();
std::span<const Row> fiber_many_rows();
std::span<const Row> server_rows();

}  // namespace bench
