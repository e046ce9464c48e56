// SPDX-License-Identifier: Apache-2.0
//
// A host as a process, against Redis as one: both get the same load from the same generator, in turns.
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "../rounds.hpp"
#include "../row.hpp"
#include "peer_process.hpp"

namespace bench {
namespace {

/// How many connections, how many calls in flight on each, and how many calls a run makes: a tenth of a second, or so.
struct Shape {
  int connections;
  int in_flight;
  std::uint64_t calls;
};

/// What one run of the generator has found.
struct Run {
  double calls_per_s;
  double p50, p99, p999;  ///< us
};

constexpr const char* exe = BENCH_EXECUTABLE;

/// The number behind the key in an object of JSON.
double number(const std::string& json, const std::string& key) {
  const std::size_t at = json.find("\"" + key + "\":");
  if (at == std::string::npos) throw std::runtime_error("no " + key + " in the report: " + json);
  return std::strtod(json.c_str() + at + key.size() + 3, nullptr);
}

class Servers {
 public:
  Run host(const Shape& shape, std::uint64_t calls) const {
    return generate({"echo.raw", "--socket", dir_.path("host.sock")}, shape, calls);
  }
  Run redis(const Shape& shape, std::uint64_t calls) const {
    return generate({"--redis", "--socket", dir_.path("redis.sock")}, shape, calls);
  }

 private:
  /// It fails if one of the answers is an error, or not what was sent.
  static Run generate(const std::vector<std::string>& target, const Shape& shape, std::uint64_t calls) {
    std::vector<std::string> command = {exe, "bench", "--json", "--raw", "--payload", "hello"};
    command.insert(command.end(), target.begin(), target.end());
    for (const std::string& each : {"-c" + std::to_string(shape.connections), "-P" + std::to_string(shape.in_flight),
                                    "-n" + std::to_string(calls)}) {
      command.push_back(each);
    }
    const std::string report = output_of(command);
    return {number(report, "calls_per_s"), number(report, "p50") / 1000, number(report, "p99") / 1000,
            number(report, "p999") / 1000};
  }

  ScratchDir dir_;
  PeerProcess host_{{exe, "run", "--socket", dir_.path("host.sock"), "--data-dir", dir_.path("data"), "--module",
                     BENCH_PLUGIN_DIR "/echo.so"},
                    dir_.path("host.sock"),
                    dir_.path("host.log")};
  PeerProcess redis_{{"redis-server", "--port", "0", "--unixsocket", dir_.path("redis.sock"), "--save", "",
                      "--appendonly", "no", "--dir", dir_.path("")},
                     dir_.path("redis.sock"),
                     dir_.path("redis.log")};
};

struct Runs {
  std::vector<Run> ours;
  std::vector<Run> theirs;

  Measured median_of(double Run::*figure) const {
    const auto of = [figure](const std::vector<Run>& runs) {
      std::vector<double> all;
      for (const Run& run : runs) all.push_back(run.*figure);
      return median(std::move(all));
    };
    return {of(ours), of(theirs)};
  }
};

Runs compare(const Shape& shape, Effort effort) {
  const Servers servers;
  const std::size_t rounds = effort == Effort::full ? 21 : effort == Effort::quick ? 5 : 1;
  const std::uint64_t calls = effort == Effort::smoke ? 500 : shape.calls;
  Runs runs;
  for (std::size_t i = 0; i < rounds; ++i) {
    runs.theirs.push_back(servers.redis(shape, calls));
    runs.ours.push_back(servers.host(shape, calls));
  }
  return runs;
}

template <int connections, int in_flight, std::uint64_t calls>
Figure throughput(Effort effort) {
  const Measured of = compare({connections, in_flight, calls}, effort).median_of(&Run::calls_per_s);
  return {of.value, of.floor};
}

template <int connections, int in_flight, std::uint64_t calls>
Figure latency(Effort effort) {
  const Runs runs = compare({connections, in_flight, calls}, effort);
  const Measured p50 = runs.median_of(&Run::p50);
  return {p50.value, p50.floor, {runs.median_of(&Run::p99), runs.median_of(&Run::p999)}};
}

constexpr const char* against = "ECHO of Redis, from the same generator in turns";
constexpr Reach not_above{Reach::Of::ratio, Reach::Side::at_most, 1.0};
constexpr Reach half_as_much_again{Reach::Of::ratio, Reach::Side::at_least, 1.5};

constexpr Row rows[] = {
    {"server.c1.p1", "us", "5 bytes echoed by a host over its socket, 1 connection, 1 in flight: p50", against,
     not_above, latency<1, 1, 3'000>, true},
    {"server.c8.p1", "us", "the same with 8 connections: p50", against, not_above, latency<8, 1, 20'000>, true},
    {"server.c1.p16", "calls/s", "1 connection, 16 in flight", against, half_as_much_again, throughput<1, 16, 60'000>},
    {"server.c8.p16", "calls/s", "8 connections, 16 in flight each", against, half_as_much_again,
     throughput<8, 16, 150'000>},
    {"server.c1.p128", "calls/s", "1 connection, 128 in flight", against, half_as_much_again,
     throughput<1, 128, 300'000>},
    {"server.c8.p128", "calls/s", "8 connections, 128 in flight each", against, half_as_much_again,
     throughput<8, 128, 400'000>},
};

}  // namespace

std::span<const Row> server_rows() { return rows; }

}  // namespace bench
