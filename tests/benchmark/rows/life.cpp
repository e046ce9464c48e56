// SPDX-License-Identifier: Apache-2.0
//
// What it costs to make a context and let it go, and to have one that does nothing.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../embedded.hpp"
#include "../row.hpp"

namespace bench {
namespace {

using Microseconds = std::chrono::duration<double, std::micro>;

bp_context created() {
  bp_context_options options{};
  options.struct_size = sizeof options;
  bp_context context{};
  Result why;
  expect_ok(bp_context_create(&options, &context, &why), "bp_context_create", why);
  return context;
}

void expect_echo(bp_context context) {
  const std::string word = "a context's own";
  const bp_bytes payload{reinterpret_cast<const std::uint8_t*>(word.data()), word.size()};
  Result result;
  expect_ok(bp_call_sync(context, BP_STR("echo.raw"), payload, 0, &result), "echo.raw", result);
  if (result.payload.size != word.size() || std::memcmp(result.payload.data, word.data(), word.size()) != 0) {
    throw std::runtime_error("echo.raw answered something else than it was sent");
  }
}

/// The median of how long a create and a destroy take together, of contexts that are all made of the same threads.
double recycled(Effort effort) {
  const int cycles = effort == Effort::smoke ? 20 : effort == Effort::quick ? 5'000 : 20'000;
  std::vector<double> took;
  for (int i = 0; i < cycles; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    expect_ok(bp_context_destroy(created()), "bp_context_destroy", bp_result{});
    took.push_back(Microseconds(std::chrono::steady_clock::now() - begin).count());
  }
  const auto middle = took.begin() + cycles / 2;
  std::nth_element(took.begin(), middle, took.end());
  return *middle;
}

Figure recycle_bare(Effort effort) { return {recycled(effort), {}}; }

Figure recycle_with_module(Effort effort) {
  const Embedded keeper(BENCH_PLUGIN_DIR "/echo.so");
  const double each = recycled(effort);
  const bp_context last = created();  // as good as the first
  expect_echo(last);
  expect_ok(bp_context_destroy(last), "bp_context_destroy", bp_result{});
  return {each, {}};
}

/// How often each thread but the calling one has been taken off its core, or has left it.
std::map<std::string, std::uint64_t> switches() {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string id = task.path().filename();
    if (id == std::to_string(::gettid())) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      const std::size_t colon = line.find("ctxt_switches:");
      if (colon != std::string::npos) counts[id] += std::stoull(line.substr(colon + std::strlen("ctxt_switches:")));
    }
  }
  return counts;
}

/// A context that has used each of its threads: what it does then is nothing.
class Used {
 public:
  Used() {
    bp_listener listener{};
    expect_ok(bp_listen(host_.context(), BP_STR("bench_keep.*"), heard, this, &listener), "bp_listen", bp_result{});
    for (int i = 1; i <= 100; ++i) {
      const std::uint8_t byte = static_cast<std::uint8_t>(i);
      Result result;
      expect_ok(bp_call_sync(host_.context(), BP_STR("bench_keep.work"), {&byte, 1}, 0, &result), "work", result);
      if (result.payload.size != 1 || *result.payload.data != byte) throw std::runtime_error("work: a wrong answer");
    }
    for (int i = 0; i < 1000 && events_ < 100; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (events_ != 100) throw std::runtime_error("not all events came");
  }

 private:
  static void heard(void* user, const bp_event*) { ++static_cast<Used*>(user)->events_; }

  std::atomic<int> events_{0};
  const Embedded host_{BENCH_MODULE_DIR "/bench_keep.so"};
};

Figure idle(Effort effort) {
  const Used used;
  // The watchdog looks once more, and stacks are given back, a while after the last call.
  if (effort != Effort::smoke) std::this_thread::sleep_for(std::chrono::seconds(3));
  const auto before = switches();
  std::this_thread::sleep_for(std::chrono::milliseconds(effort == Effort::smoke ? 20 : 5'000));
  const auto after = switches();
  // Request, event, watchdog, control, and a worker at least.
  if (before.size() < 5) throw std::runtime_error("found " + std::to_string(before.size()) + " threads of the host's");
  double sum = 0;
  for (const auto& [thread, count] : after) {
    const auto found = before.find(thread);
    sum += static_cast<double>(count - (found == before.end() ? 0 : found->second));
  }
  return {sum, {}};
}

constexpr Reach in_20_us{Reach::Of::value, Reach::Side::at_most, 20};

constexpr Row rows[] = {
    {"life.recycle.bare", "us", "a context made and destroyed, of what another left; no module is loaded", "", in_20_us,
     recycle_bare},
    {"life.recycle.echo", "us", "the same with the module echo", "", in_20_us, recycle_with_module},
    {"life.idle",
     "switches",
     "context switches of all threads of the host in 5 s after a context's last work",
     "",
     {Reach::Of::value, Reach::Side::at_most, 0},
     idle},
};

}  // namespace

std::span<const Row> life_rows() { return rows; }

}  // namespace bench
