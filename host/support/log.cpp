// SPDX-License-Identifier: Apache-2.0
//
// The log of this process: levels, and one LogWriter for stderr that exists until the process has ended.
#include "support/log.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

#include "support/log_writer.hpp"
#include "sync/mutex.hpp"

namespace backplane::host::log {
namespace {

/// How long the end of the process waits for stderr, in all.
constexpr std::chrono::milliseconds at_exit{100};

// Null until the first use of the log. For signal handlers, which may not make it.
std::atomic<LogWriter*> made_writer{nullptr};

// In static memory and never destroyed, because threads of the host may log while the process exits.
LogWriter& writer() noexcept {
  alignas(LogWriter) static char place[sizeof(LogWriter)];
  static LogWriter* const instance = [] {
    LogWriter* const made = new (place) LogWriter(STDERR_FILENO);
    made_writer.store(made);
    return made;
  }();
  return *instance;
}

Mutex levels_mutex;
std::atomic<int> level_of_all{BP_LOG_WARN};
std::atomic<int> lowest{BP_LOG_WARN};  // of all levels
std::vector<ModuleLevel>& module_levels() BP_REQUIRES(levels_mutex) {
  alignas(std::vector<ModuleLevel>) static char place[sizeof(std::vector<ModuleLevel>)];
  static auto* const instance = new (place) std::vector<ModuleLevel>;  // never destroyed, as above
  return *instance;
}
std::atomic<bool> any_module_level{false};

std::atomic<std::int64_t> exit_ends{0};  // steady time in ns; 0: the process is not ending

std::int64_t steady_ns() noexcept {
  return std::chrono::nanoseconds(LogWriter::Clock::now().time_since_epoch()).count();
}

auto find(std::vector<ModuleLevel>& all, std::string_view name) noexcept {
  return std::lower_bound(all.begin(), all.end(), name,
                          [](const ModuleLevel& each, std::string_view wanted) { return each.name < wanted; });
}

int level_of(std::string_view name) noexcept {
  if (any_module_level.load(std::memory_order_relaxed)) {
    const MutexLock lock(levels_mutex);
    const auto at = find(module_levels(), name);
    if (at != module_levels().end() && at->name == name) return at->level;
  }
  return level_of_all.load(std::memory_order_relaxed);
}

void before_fork() noexcept BP_NO_THREAD_SAFETY_ANALYSIS {  // the lock goes from one handler to the next
  levels_mutex.lock();
  writer().before_fork();
}
void in_parent() noexcept BP_NO_THREAD_SAFETY_ANALYSIS {
  writer().in_parent();
  levels_mutex.unlock();
}
void in_child() noexcept BP_NO_THREAD_SAFETY_ANALYSIS {
  writer().in_child();
  levels_mutex.unlock();
}

// Begins when the library is loaded, so that no fork is missed. Ends in exit(), after most other objects: what they log
// is still written.
struct Life {
  Life() noexcept { ::pthread_atfork(before_fork, in_parent, in_child); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life() {
    exit_ends.store(steady_ns() + std::chrono::nanoseconds(at_exit).count(), std::memory_order_relaxed);
    writer().flush(at_exit);
  }
};
const Life life;

// While the process ends, its next instruction may be its last.
void write_before_the_end() noexcept {
  const std::int64_t ends = exit_ends.load(std::memory_order_relaxed);
  if (ends == 0) return;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds(ends - steady_ns()));
  writer().flush(std::max(left, std::chrono::milliseconds(0)));
}

}  // namespace

void set_level(int level) noexcept {
  const MutexLock lock(levels_mutex);
  module_levels().clear();
  any_module_level.store(false, std::memory_order_relaxed);
  level_of_all.store(level, std::memory_order_relaxed);
  lowest.store(level, std::memory_order_relaxed);
}

int set_level_of(std::string_view name, int level) {
  const MutexLock lock(levels_mutex);
  std::vector<ModuleLevel>& all = module_levels();
  auto at = find(all, name);
  int was = level_of_all.load(std::memory_order_relaxed);
  if (at != all.end() && at->name == name) {
    was = std::exchange(at->level, level);
  } else {
    if (all.size() >= most_module_levels) return -1;
    all.insert(at, {std::string(name), level});
  }
  any_module_level.store(true, std::memory_order_relaxed);
  int least = level_of_all.load(std::memory_order_relaxed);
  for (const ModuleLevel& each : all) least = std::min(least, each.level);
  lowest.store(least, std::memory_order_relaxed);
  return was;
}

Levels levels() {
  const MutexLock lock(levels_mutex);
  return {level_of_all.load(std::memory_order_relaxed), module_levels()};
}

bool enabled(int level) noexcept { return level >= lowest.load(std::memory_order_relaxed) && level < BP_LOG_OFF; }

void write(int level, const Source& source, std::string_view text) noexcept { write(level, source, text, {}); }

void write(int level, const Source& source, std::string_view text, const Extra& extra) noexcept {
  if (!extra.always && (!enabled(level) || level < level_of(source.name))) return;
  LogLine line;
  line.level = level;
  line.where = source.name;
  line.generation = source.generation;
  line.text = text;
  line.members = extra.members;
  writer().push(line);
  write_before_the_end();
}

bool configure(const Settings& settings) noexcept {
  return writer().configure(settings.json, settings.lines != 0 ? settings.lines : LogQueue::default_lines,
                            settings.bytes != 0 ? settings.bytes : LogQueue::default_bytes);
}

bool is_json() noexcept { return writer().json(); }

void set_sink(bp_log_fn sink, void* user) { writer().set_sink(sink, user); }

Counts counts() noexcept { return {writer().waiting(), writer().dropped()}; }

bool flush(std::chrono::milliseconds most) noexcept { return writer().flush(most); }

bool flush_in_signal_handler(std::chrono::milliseconds most) noexcept {
  LogWriter* const made = made_writer.load();
  return made == nullptr || made->wait_written(most);
}

}  // namespace backplane::host::log
