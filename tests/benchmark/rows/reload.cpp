// SPDX-License-Identifier: Apache-2.0
//
// A module is replaced while one thread calls it as fast as it can: what that adds to the slowest calls, and that each
// call is answered, once, by one of the two builds.
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../module/orders.h"
#include "../rounds.hpp"
#include "pipeline.hpp"

namespace bench {
namespace {

constexpr std::uint32_t window = 256;
constexpr std::uint32_t batch = 20'000;  // calls between looks at the time

const char* const builds[] = {BENCH_MODULE_DIR "/bench_reload_a.so", BENCH_MODULE_DIR "/bench_reload_b.so"};

/// Calls bench_reload.echo until stopped.
class Load {
 public:
  explicit Load(const Embedded& host) : calls_(host, "bench_reload.echo", window), begun_(batch) {}

  /// Calls for so long, and until `*over`, if that is given. Nanoseconds of each, from before bp_submit to the
  /// callback.
  std::vector<double> run(std::chrono::milliseconds time, const std::atomic<bool>* over) {
    const auto until = std::chrono::steady_clock::now() + time;
    std::vector<double> latencies;
    std::uint64_t answered = 0, submitted = 0;
    const auto fill = [this](bp_submission& submission, std::uint32_t i) {
      number_ = i;
      submission.payload = {reinterpret_cast<const std::uint8_t*>(&number_), sizeof number_};
      begun_[i] = bench_now();
    };
    const auto check = [&](const bp_answer& answer, std::uint32_t i) {
      ++answered;
      latencies.push_back(static_cast<double>(bench_now() - begun_[i]));
      const auto* const data = answer.payload.data;
      if (answer.status != BP_OK || answer.payload.size != 1 + sizeof i || (data[0] != 'a' && data[0] != 'b'))
        return false;
      ++answered_by_[data[0] - 'a'];
      return std::memcmp(data + 1, &i, sizeof i) == 0;
    };
    while (std::chrono::steady_clock::now() < until || (over != nullptr && !*over)) {
      latencies.reserve(latencies.size() + batch);
      calls_.run(batch, fill, check);
      submitted += batch;
    }
    if (answered != submitted) {
      throw std::runtime_error(std::to_string(submitted) + " calls were accepted, " + std::to_string(answered) +
                               " answered");
    }
    return latencies;
  }

  bool both_answered() const { return answered_by_[0] != 0 && answered_by_[1] != 0; }

 private:
  Pipeline calls_;
  std::uint32_t number_ = 0;
  std::vector<std::uint64_t> begun_;
  std::uint64_t answered_by_[2] = {};  // each build
};

/// Replaces the module so often, with the other build each time.
void reload(const Embedded& host, int times) {
  for (int i = 1; i <= times; ++i) {
    bp_load_options options{};
    options.struct_size = sizeof options;
    options.path = builds[i % 2];
    Result result;
    expect_ok(bp_module_reload(host.context(), BP_STR("bench_reload"), &options, 0, &result), "reload", result);
  }
}

/// Latencies while another thread reloads.
std::vector<double> reloaded(const Embedded& host, Load& load, int times) {
  std::atomic<bool> over{false};
  std::exception_ptr error;
  std::thread reloading([&] {
    try {
      reload(host, times);
    } catch (...) {
      error = std::current_exception();
    }
    over = true;
  });
  std::vector<double> latencies;
  try {
    latencies = load.run(std::chrono::milliseconds(0), &over);
  } catch (...) {
    reloading.join();
    throw;
  }
  reloading.join();
  if (error) std::rethrow_exception(error);
  return latencies;
}

/// In turns: for a while without reloads, and then with one after another.
Figure measure(Effort effort) {
  const int turns = effort == Effort::full ? 20 : effort == Effort::quick ? 6 : 1;
  constexpr int reloads = 10;
  const auto time = effort == Effort::smoke ? std::chrono::milliseconds(1) : std::chrono::milliseconds(80);
  const Embedded host(builds[0]);
  Load load(host);
  load.run(time, nullptr);  // warm
  std::vector<double> quiet, loud;
  for (int i = 0; i < turns; ++i) {
    for (const double each : load.run(time, nullptr)) quiet.push_back(each);
    for (const double each : reloaded(host, load, reloads)) loud.push_back(each);
  }
  if (!load.both_answered()) throw std::runtime_error("one of the builds has never answered");
  const double added = quantile(loud, 0.999) - quantile(quiet, 0.999);
  return {std::max(added, 0.0) / 1e6, {}};
}

constexpr Row rows[] = {
    {"reload.p999",
     "ms",
     "added to p99.9 of calls, 256 in flight, while their module is reloaded again and again; none is lost",
     "",
     {Reach::Of::value, Reach::Side::at_most, 2},
     measure},
};

}  // namespace

std::span<const Row> reload_rows() { return rows; }

}  // namespace bench
