// SPDX-License-Identifier: Apache-2.0
//
// One client that calls as fast as it can, with thousands of calls in flight, beside one that makes a call at a time.
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../rounds.hpp"
#include "../row.hpp"
#include "peer_process.hpp"

namespace bench {
namespace {

constexpr const char* exe = BENCH_EXECUTABLE;
constexpr const char* spin_us = "100";  // so a host can serve ten thousand calls a second

double number(const std::string& json, const std::string& key) {
  const std::size_t at = json.find("\"" + key + "\":");
  if (at == std::string::npos) throw std::runtime_error("no " + key + " in the report: " + json);
  return std::strtod(json.c_str() + at + key.size() + 3, nullptr);
}

class Host {
 public:
  explicit Host(const std::string& config) : config_(dir_.path("host.toml")) {
    std::ofstream(config_) << config;
    process_.emplace(std::vector<std::string>{exe, "run", "--config", config_, "--socket", socket(), "--data-dir",
                                              dir_.path("data"), "--module", BENCH_MODULE_DIR "/bench_calls.so",
                                              "--module", BENCH_PLUGIN_DIR "/timer.so"},
                     socket(), dir_.path("host.log"));
  }
  std::string socket() const { return dir_.path("host.sock"); }
  std::string log() const { return dir_.path("client.log"); }

  std::vector<std::string> client(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all = {exe, "bench", "--json", "--raw", "--payload", spin_us, "--socket", socket()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }
  /// A client with so many calls in flight until it is destroyed.
  std::unique_ptr<PeerProcess> greedy(const std::string& in_flight) const {
    return std::make_unique<PeerProcess>(client({"bench_calls.spin", "-c1", "-P" + in_flight, "--seconds", "100"}),
                                         socket(), log());
  }
  std::string innocent(const std::string& calls) const {
    return output_of(client({"bench_calls.spin", "-c1", "-P1", "-n" + calls}));
  }

 private:
  ScratchDir dir_;
  const std::string config_;
  std::optional<PeerProcess> process_;
};

std::size_t rounds(Effort effort) { return effort == Effort::full ? 5 : effort == Effort::quick ? 3 : 1; }
std::string calls(Effort effort) { return effort == Effort::smoke ? "20" : "500"; }

Figure innocent(Effort effort) {
  const Host host("");
  std::vector<double> values, floors;
  for (std::size_t i = 0; i < rounds(effort); ++i) {
    floors.push_back(number(host.innocent(calls(effort)), "p99") / 1000);
    const auto greedy = host.greedy("3000");
    host.innocent("20");  // until the greedy one is there
    values.push_back(number(host.innocent(calls(effort)), "p99") / 1000);
  }
  return {median(std::move(values)), median(std::move(floors))};
}

/// The time of a call that is refused, while its connection has all the calls that it may have. The client counts
/// refusals as errors, and ends with 1; so this is measured by the other calls of a client that has more.
Figure refused(Effort effort) {
  const Host host("calls_per_connection = 64\n");
  const auto greedy = host.greedy("3000");
  std::vector<double> values;
  for (std::size_t i = 0; i < rounds(effort); ++i) {
    values.push_back(number(host.innocent(calls(effort)), "p99") / 1000);
  }
  return {median(std::move(values)), std::nullopt};
}

/// Calls of the first half second after a greedy client has gone, against the same before it came.
Figure after(Effort effort) {
  const Host host("");
  const std::string seconds = effort == Effort::smoke ? "0.05" : "0.5";
  const auto rate = [&] {
    return number(output_of(host.client({"bench_calls.spin", "-c2", "-P4", "--seconds", seconds})), "calls_per_s");
  };
  std::vector<double> values, floors;
  for (std::size_t i = 0; i < rounds(effort); ++i) {
    floors.push_back(rate());
    {
      const auto greedy = host.greedy("20000");
      host.innocent(calls(effort));
    }
    values.push_back(rate());
  }
  return {median(std::move(values)), median(std::move(floors))};
}

constexpr Row rows[] = {
    {"overload.innocent",
     "us",
     "a call of 100 us, one at a time, beside a client with 3000 of them in flight: p99",
     "the same without that client",
     {Reach::Of::ratio, Reach::Side::at_most, 3},
     innocent},
    {"overload.limited",
     "us",
     "the same while most calls of that client are refused (64 in flight allowed): p99",
     "",
     {Reach::Of::value, Reach::Side::at_most, 5'000},
     refused},
    {"overload.after",
     "calls/s",
     "calls of 100 us from 2 connections, in the half second after a client with 20000 in flight has gone",
     "the same before it came",
     {Reach::Of::ratio, Reach::Side::at_least, 0.8},
     after},
};

}  // namespace

std::span<const Row> overload_rows() { return rows; }

}  // namespace bench
