// SPDX-License-Identifier: Apache-2.0
//
// The log of the process. A line goes into a bounded queue, and a thread of the log writes it to stderr. So no caller
// waits for whoever reads stderr.
#pragma once

#include <backplane/backplane.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host::log {

/// Who writes a line: a generation of a module, or, without a generation, a part of the host.
struct Source {
  explicit(false) Source(const char* part) noexcept : name(part) {}
  explicit(false) Source(std::string_view part, std::uint64_t number = 0) noexcept : name(part), generation(number) {}
  std::string_view name;
  std::uint64_t generation = 0;
};

/// Drops lines below `level` (BP_LOG_…) from now on, also those of modules that had a level of their own. Any thread.
void set_level(int level) noexcept;
/// Whether a line of this level may be written: the level of its source may still be higher. Costs one load.
bool enabled(int level) noexcept;

/// Queues one line. Control characters in `text` are escaped when it is written. Any thread. Neither waits nor throws:
/// without memory, the line is counted as dropped.
void write(int level, const Source& source, std::string_view text) noexcept;

struct Extra {
  /// Members of the line in JSON, such as `"call":7`.
  std::string_view members;
  /// Write it whatever the level.
  bool always = false;
};
void write(int level, const Source& source, std::string_view text, const Extra& extra) noexcept;

inline void warn(const Source& source, std::string_view text) noexcept { write(BP_LOG_WARN, source, text); }
inline void info(const Source& source, std::string_view text) noexcept { write(BP_LOG_INFO, source, text); }
inline void error(const Source& source, std::string_view text) noexcept { write(BP_LOG_ERROR, source, text); }

struct ModuleLevel {
  std::string name;
  int level;
};
struct Levels {
  int level;
  std::vector<ModuleLevel> modules;  ///< that have a level of their own, by name
};
Levels levels();
/// How many modules may have a level of their own.
inline constexpr std::size_t most_module_levels = 256;
/// Sets the level of one module or part of the host, and returns what it was. Returns -1 if there are
/// most_module_levels already. Throws std::bad_alloc; nothing has changed then.
int set_level_of(std::string_view name, int level);

struct Settings {
  bool json = false;
  std::size_t lines = 0;  ///< of the queue; 0: the default, also for the next
  std::size_t bytes = 0;
};
/// False if there is no memory for the queue: nothing has changed.
bool configure(const Settings& settings) noexcept;
bool is_json() noexcept;
/// As bp_log_to.
void set_sink(bp_log_fn sink, void* user);

struct Counts {
  std::uint64_t waiting;  ///< lines that wait to be written
  std::uint64_t dropped;  ///< lines that are lost
};
Counts counts() noexcept;

/// Waits until all lines so far are written, for this long at most. Returns whether they are.
bool flush(std::chrono::milliseconds most) noexcept;
/// The same for a signal handler: takes no lock and no memory. The last repeats may be missing.
bool flush_in_signal_handler(std::chrono::milliseconds most) noexcept;

}  // namespace backplane::host::log
