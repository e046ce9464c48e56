// SPDX-License-Identifier: Apache-2.0
//
// The process of `backplane try`: a host that loads, reloads and unloads one module, and looks at what is left of it.
#include "cli/try_host.hpp"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "cli/client.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "support/loaded_objects.hpp"
#include "support/signal_name.hpp"

namespace backplane::host::cli {
namespace {

constexpr int report_fd = 3;
constexpr int last_signal = 64;
constexpr int cycles = 8;
constexpr long least_growth_kb = 64;  // of each cycle

void report(const std::string& line) {
  const std::string text = line + "\n";
  const ssize_t written = ::write(report_fd, text.data(), text.size());
  static_cast<void>(written);  // then nobody listens
}

/// What this process has.
struct State {
  std::map<int, std::string> descriptors;
  std::map<int, std::string> threads;
  std::set<std::string> objects;
  std::array<void (*)(int), last_signal + 1> signals{};

  static State now() {
    State state;
    namespace fs = std::filesystem;
    std::error_code error;
    for (const fs::directory_entry& each : fs::directory_iterator("/proc/self/fd", error)) {
      const fs::path target = fs::read_symlink(each.path(), error);
      if (!error) state.descriptors.emplace(std::atoi(each.path().filename().c_str()), target.string());
    }
    for (const fs::directory_entry& each : fs::directory_iterator("/proc/self/task", error)) {
      std::string name;
      std::ifstream in(each.path() / "comm");
      std::getline(in, name);
      state.threads.emplace(std::atoi(each.path().filename().c_str()), name);
    }
    any_loaded_object([&](const dl_phdr_info& info) {
      state.objects.insert(info.dlpi_name);
      return false;
    });
    for (int number = 1; number <= last_signal; ++number) {
      struct sigaction action {};
      if (::sigaction(number, nullptr, &action) == 0)
        state.signals[static_cast<std::size_t>(number)] = action.sa_handler;
    }
    return state;
  }
};

long resident_kb() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("RssAnon:")) return std::atol(line.c_str() + 8);
  }
  return 0;
}

void left(const char* kind, const std::string& what) { report(cat("left ", kind, "\t", one_line(what))); }

// Code of this program and of the host's library.
bool is_own(const void* function) {
  Dl_info own{};
  Dl_info other{};
  if (::dladdr(function, &other) == 0) return false;
  const void* const mine[] = {reinterpret_cast<const void*>(&report),
                              reinterpret_cast<const void*>(&bp_context_create)};
  return std::any_of(std::begin(mine), std::end(mine),
                     [&](const void* each) { return ::dladdr(each, &own) != 0 && own.dli_fbase == other.dli_fbase; });
}

// What the host itself opens when it loads: the directory of private copies; and what is read here.
bool is_own(const std::string& target) {
  return target.find("/backplane-modules-") != std::string::npos || target.starts_with("/proc/");
}

std::map<std::string, int> opened_between(const State& before, const State& after) {
  std::map<std::string, int> opened;
  for (const auto& [fd, target] : after.descriptors) {
    if (!before.descriptors.contains(fd) && !is_own(target)) ++opened[target];
  }
  return opened;
}

// What there is when the host has ended the program for its trials, which waits a second or two for the next file.
State settled_after(const State& before) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2500);
  for (;;) {
    State now = State::now();
    if (opened_between(before, now).empty() || std::chrono::steady_clock::now() >= until) return now;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// Threads of the host are the host's own business.
void tell_difference(const State& before, const State& after) {
  for (const auto& [target, count] : opened_between(before, after)) {
    left("descriptor", cat(std::to_string(count), count == 1 ? " descriptor: " : " descriptors: ", target));
  }
  for (const auto& [id, name] : after.threads) {
    if (!before.threads.contains(id) && !name.starts_with("bp-")) left("thread", cat("a thread, \"", name, "\""));
  }
  for (const std::string& path : after.objects) {
    const bool is_copy = path.find("/backplane-modules-") != std::string::npos;  // told by the unload
    if (!before.objects.contains(path) && !is_copy) left("library", cat("the library ", path, " stays in the process"));
  }
  for (int number = 1; number <= last_signal; ++number) {
    const auto i = static_cast<std::size_t>(number);
    if (before.signals[i] == after.signals[i] || is_own(reinterpret_cast<const void*>(after.signals[i]))) continue;
    left("signal", cat("another action of ", signal_name(number)));
  }
}

class TryHost {
 public:
  explicit TryHost(const Args& args)
      : path_(absolute_path(args.file)), config_(args.config ? read_module_config(*args.config) : cbor::Bytes()) {
    const std::string data = args.data_dir.value_or(".");
    const bp_host_options options = {.struct_size = sizeof options,
                                     .data_dir = data.c_str(),
                                     .crash_line = 1,
                                     .trial_program = args.no_trial ? nullptr : ""};
    Result why;
    check(bp_host_configure(&options, why.out()), why, [](bp_status) -> int { return exit_usage; });
    check(bp_context_create(nullptr, &context_, why.out()), why, exit_code);
    first_ = State::now();
  }
  TryHost(const TryHost&) = delete;
  TryHost& operator=(const TryHost&) = delete;
  ~TryHost() = default;

  /// Returns an exit code.
  int run() {
    if (!step("load", [this] { return load(); })) return exit_refused;
    if (!step("second generation", [this] { return reload(); })) return exit_refused;
    if (!step("unload", [this] { return unload(); })) return exit_refused;
    if (!step("load again", [this] { return load(); })) return exit_refused;
    if (!step("unload again", [this] { return unload(); })) return exit_refused;
    if (pinned_.empty() && !step("more loads", [this] { return cycle(); })) return exit_refused;
    tell_difference(first_, settled_after(first_));
    for (const std::string& reason : pinned_) left("pinned", cat("it stays mapped: ", reason));
    report("begin end");
    const auto begin = Clock::now();
    bp_context_destroy(context_);
    done("done end", begin, "its context is gone; next, the process exits");
    report("begin exit");
    return exit_ok;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static void done(const std::string& what, Clock::time_point begin, const std::string& words) {
    char ms[32];
    std::snprintf(ms, sizeof ms, "%.1f", std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    report(cat(what, "\t", ms, "\t", one_line(words)));
  }

  bool step(const char* name, const std::function<std::string()>& body) {
    report(cat("begin ", name));
    const auto begin = Clock::now();
    try {
      done(cat("done ", name), begin, body());
      return true;
    } catch (const CommandFailure& failure) {
      done(cat("refused ", name), begin, failure.message);
      return false;
    }
  }

  bp_load_options options() const {
    return {.struct_size = sizeof(bp_load_options), .path = path_.c_str(), .config = bytes(config_)};
  }

  std::string load() {
    const bp_load_options what = options();
    Result result;
    check(bp_module_load(context_, &what, result.out()), result, load_exit_code);
    const Value report = Value::read(result.payload());
    name_ = report["module"].text();
    return cat("loaded ", name_, " ", report["version"].text(), ": ", report["names"].joined());
  }

  std::string reload() {
    const bp_load_options what = options();
    Result result;
    const bp_status status = bp_module_reload(context_, str(name_), &what, 0, result.out());
    if (status != BP_PINNED) check(status, result, load_exit_code);
    return cat("it ran beside the first generation, which is ", end_of(Value::read(result.payload())["old"]));
  }

  std::string unload() {
    Result result;
    const bp_status status = bp_module_unload(context_, str(name_), 0, result.out());
    if (status != BP_PINNED) check(status, result, load_exit_code);
    return end_of(Value::read(status == BP_PINNED ? result.detail() : result.payload()));
  }

  // Once is enough to name a reason.
  std::string end_of(const Value& report) {
    std::string reasons;
    for (const Value& each : report["reasons"].items()) {
      const std::string text = cat(each["kind"].text(), ": ", each["what"].text());
      reasons += cat(reasons.empty() ? "" : "; ", text);
      if (std::find(pinned_.begin(), pinned_.end(), text) == pinned_.end()) pinned_.push_back(text);
    }
    return reasons.empty() ? "gone" : cat("pinned (", reasons, ")");
  }

  std::string cycle() {
    long kb = 0;
    for (int i = 0; i < cycles; ++i) {
      if (i == cycles / 2) kb = resident_kb();  // by now the allocator has what it needs
      load();
      unload();
    }
    const long grown = (resident_kb() - kb) / (cycles / 2);
    if (grown >= least_growth_kb) left("memory", cat("about ", std::to_string(grown), " KiB of memory of each load"));
    return cat(std::to_string(cycles), " loads and unloads");
  }

  const std::string path_;
  const cbor::Bytes config_;
  bp_context context_{};
  State first_;
  std::string name_;
  std::vector<std::string> pinned_;
};

}  // namespace

int run_try_host(const Args& args) {
  ::unsetenv(try_host_variable);
  TryHost host(args);
  return host.run();
}

}  // namespace backplane::host::cli
