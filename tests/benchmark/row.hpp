// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bench {

/// How much trouble a row takes. `smoke` only shows that it runs: its figures mean nothing.
enum class Effort { smoke, quick, full };

/// Ours and the floor, both in the row's unit. The floor is measured in the same run, in turns with ours.
struct Measured {
  double value = 0;
  std::optional<double> floor;
};

/// What a row has measured.
struct Figure {
  double value = 0;
  std::optional<double> floor;
  std::vector<Measured> tail = {};  ///< of a row of quantiles: p99 and p99.9
};

/// What is to be reached: of `value / floor`, or of the value. `none`: the figure is only told.
struct Reach {
  enum class Of { ratio, value, none } of;
  enum class Side { at_most, at_least } side;
  double limit;
};

constexpr Reach no_reach{Reach::Of::none, Reach::Side::at_most, 0};

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
  /// The value is the median of many samples, and p99 and p99.9 stand in lines of their own below it, `name`.p99
  /// and `name`.p999. Nothing is to be reached of these: on a shared machine they are the machine's.
  bool quantiles = false;
};

/// What the names of the lines of a row of quantiles end in, after the first.
constexpr const char* tails[] = {".p99", ".p999"};

// ---- The rows, a file of rows/ each; rows.cpp lists them ----

std::span<const Row> request_echo_rows();
std::span<const Row> roundtrip_rows();
std::span<const Row> typed_rows();
std::span<const Row> client_call_rows();
std::span<const Row> payload_rows();
std::span<const Row> events_rows();
std::span<const Row> hostfn_rows();
std::span<const Row> lookup_rows();
std::span<const Row> lookup_handle_rows();
std::span<const Row> reload_rows();
std::span<const Row> fiber_switch_rows();
std::span<const Row> fiber_create_rows();
std::span<const Row> fiber_many_rows();
std::span<const Row> codec_rows();
std::span<const Row> life_rows();
std::span<const Row> start_rows();
std::span<const Row> waiting_rows();
std::span<const Row> server_rows();
std::span<const Row> stream_rows();
std::span<const Row> overload_rows();

}  // namespace bench
