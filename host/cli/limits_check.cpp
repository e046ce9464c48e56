// SPDX-License-Identifier: Apache-2.0
#include "cli/limits_check.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

/// The value of `key` must be at most the share of the value of `bound`: else it never takes effect, or is lowered.
struct Rule {
  std::string_view key;
  std::string_view bound;
  std::uint64_t share;  // 1: all of it; 2: half; 4: a quarter
};

constexpr std::array rules{
    Rule{"suspended_per_name", "suspended_limit", 1},
    Rule{"suspended_per_name", "calls_per_name", 1},
    Rule{"calls_per_connection", "calls_of_connections", 1},
    Rule{"bytes_per_connection", "bytes_of_connections", 1},
    Rule{"request_window_bytes", "bytes_per_connection", 1},
    Rule{"part_output_bytes", "output_bytes", 1},
    Rule{"event_output_bytes", "output_bytes", 1},
    Rule{"lossless_window_bytes", "output_bytes", 1},
    Rule{"lossless_window_bytes", "event_log_bytes", 2},
    Rule{"output_bytes", "answer_output_bytes", 1},
    Rule{"connection_memory", "memory_limit", 1},
    Rule{"context_memory", "memory_limit", 1},
    Rule{"event_log_bytes", "memory_limit", 1},
    Rule{"bytes_of_connections", "memory_limit", 1},
    Rule{"lossless_listeners", "listeners_per_connection", 1},
    Rule{"log_queue_bytes", "memory_limit", 1},
    Rule{"frame_bytes", "context_memory", 1},
    Rule{"frame_bytes", "connection_memory", 2},
    Rule{"output_bytes", "connection_memory", 4},
    Rule{"bytes_per_connection", "connection_memory", 4},
};

struct Value {
  std::uint64_t number = 0;
  std::string origin;          // for messages; empty: the file has it
  bool is_of_machine = false;  // it is another one on another machine
};

class Limits {
 public:
  explicit Limits(const GivenLimits& given) : given_(given) {}

  const GivenLimit* given(std::string_view key) const {
    const auto at = given_.find(key);
    return at == given_.end() ? nullptr : &at->second;
  }

  /// The value that holds; none: it follows from the others.
  std::optional<Value> effective(std::string_view key) const {
    if (const GivenLimit* const it = given(key)) return Value{it->value, {}};
    const ServerOptions usual;
    if (key == "suspended_limit") return by_default(262'144);
    if (key == "event_log_bytes") return by_default(8 << 20);
    if (key == "calls_of_connections") return by_default(usual.calls_of_connections);
    if (key == "bytes_of_connections") return by_default(usual.bytes_of_connections);
    if (key == "bytes_per_connection") return by_default(usual.bytes_per_connection);
    if (key == "listeners_per_connection") return by_default(usual.max_listeners);
    if (key == "output_bytes") return by_default(usual.max_output);
    if (key == "memory_limit") return Value{bp_memory_limit(), " on this machine", true};
    if (key == "connection_memory") {
      const Value memory = *effective("memory_limit");
      return Value{memory.number / 4, cat(", a quarter of memory_limit", memory.origin), memory.is_of_machine};
    }
    return std::nullopt;
  }

 private:
  static Value by_default(std::uint64_t number) { return {number, " by default"}; }

  const GivenLimits& given_;
};

std::string share_of(std::uint64_t share) { return share == 1 ? "" : share == 2 ? "half of " : "a quarter of "; }

// `of_machine`: looks at the bounds that depend on the machine alone; else at the others.
void check(const Rule& rule, const Limits& limits, bool of_machine, std::vector<std::string>& warnings) {
  const GivenLimit* const given = limits.given(rule.key);
  if (given == nullptr) return;
  const std::optional<Value> bound = limits.effective(rule.bound);
  if (!bound || bound->is_of_machine != of_machine || given->value <= bound->number / rule.share) return;
  const std::string text =
      cat(given->where, ": ", rule.key, ": found ", std::to_string(given->value), ", expected at most ",
          share_of(rule.share), rule.bound, ", which is ", std::to_string(bound->number), bound->origin);
  if (!of_machine) throw usage(text, cat("lower ", rule.key, ", or raise ", rule.bound));
  warnings.push_back(cat(text, "; the smaller one holds"));
}

// A bound that the file has, below the default of what it bounds.
void check_default(std::string_view key, std::string_view bound, const Limits& limits) {
  const GivenLimit* const given = limits.given(bound);
  if (given == nullptr || limits.given(key) != nullptr) return;
  const std::optional<Value> usual = limits.effective(key);
  if (!usual || given->value >= usual->number) return;
  throw usage(cat(given->where, ": ", bound, ": found ", std::to_string(given->value), ", expected at least ", key,
                  ", which is ", std::to_string(usual->number), usual->origin),
              cat("raise ", bound, ", or set ", key));
}

void warn_of_no_effect(const Limits& limits, std::string_view key, const char* without,
                       std::vector<std::string>& warnings) {
  if (const GivenLimit* const given = limits.given(key)) {
    warnings.push_back(cat(given->where, ": ", key, " has no effect ", without, " on_event_overflow = \"refuse\""));
  }
}

}  // namespace

void check_limits(const ConfigFile& file, std::vector<std::string>& warnings) {
  const Limits limits(file.limits);
  for (const Rule& rule : rules) check(rule, limits, false, warnings);
  check_default("output_bytes", "answer_output_bytes", limits);
  if (file.context.on_event_overflow == BP_OVERFLOW_REFUSE) {
    warn_of_no_effect(limits, "event_log_events", "with", warnings);
  } else {
    warn_of_no_effect(limits, "event_queue_depth", "without", warnings);
  }
}

std::vector<std::string> warnings_of_memory(const GivenLimits& given) {
  const Limits limits(given);
  std::vector<std::string> warnings;
  for (const Rule& rule : rules) check(rule, limits, true, warnings);
  return warnings;
}

}  // namespace backplane::host::cli
