// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "cli/bench_load.hpp"
#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/suggest.hpp"
#include "support/socket_path.hpp"

namespace backplane::cli {
namespace {

constexpr std::uint64_t usual_calls = 100'000;
constexpr std::uint64_t usual_silence_ms = 10'000;
// Its answer is its payload, so that each can be checked.
constexpr std::string_view echo = "echo.raw";

std::uint64_t at_least_one(std::optional<std::uint64_t> given, std::uint64_t otherwise, const char* option) {
  if (given == 0) throw usage(cat(option, ": found 0, expected 1 or more"));
  return given.value_or(otherwise);
}

cbor::Bytes payload_of(const Args& args) {
  if (args.raw) {
    const std::string bytes = read_input(args.input);
    return {bytes.begin(), bytes.end()};
  }
  if (args.input.empty()) return {0xa0};  // no parameters: the empty map
  return read_payload(args.input);
}

/// The name's handle; that the host is there and has the name shows before any load is made.
std::uint64_t find(const Args& args) {
  const Client client(args, args.timeout);
  bp_method method = {};
  const bp_status status = bp_method_find(client.context(), str(args.name), &method);
  if (status == BP_OK) return method.id;
  if (status != BP_UNKNOWN_NAME && status != BP_INVALID_ARGUMENT) {
    throw CommandFailure{exit_code(status), status, bp_status_text(status)};
  }
  const std::string near = did_you_mean(args.name, known_names(client.context(), false));
  throw CommandFailure{
      exit_error,
      BP_UNKNOWN_NAME,
      cat("no loaded module has the wire name \"", args.name, "\""),
      {},
      near.empty() ? "backplane ls shows the names there are" : cat(near, " backplane ls shows them all")};
}

Load make_load(const Args& args) {
  if (args.redis && !args.name.empty()) {
    throw usage(cat("found the name \"", args.name, "\" beside --redis, which sends ECHO"), "leave one of them out");
  }
  if (args.redis && !args.socket) throw usage("--redis needs the server's socket", "give it with --socket PATH");
  if (!args.redis && args.name.empty()) {
    throw usage("found no NAME, expected the wire name to call", "backplane ls shows the names there are");
  }
  Load load;
  load.redis = args.redis;
  load.payload = payload_of(args);
  load.echoes = args.redis || args.name == echo;
  load.connections = static_cast<std::uint32_t>(at_least_one(args.connections, 1, "--connections"));
  load.in_flight = static_cast<std::uint32_t>(at_least_one(args.in_flight, 1, "--pipeline"));
  load.calls = at_least_one(args.count, args.seconds ? UINT64_MAX : usual_calls, "--number");
  if (args.seconds) load.until_ns = at_least_one(args.seconds, 1, "--seconds") * 1'000'000'000;
  load.silence_ns = at_least_one(args.timeout, usual_silence_ms, "--timeout") * 1'000'000;
  load.socket = args.socket ? *args.socket : default_socket_path();
  if (!args.redis) load.method = find(args);
  return load;
}

double seconds(const LoadReport& report) { return static_cast<double>(report.ns) / 1e9; }
double rate(const LoadReport& report) {
  return report.ns == 0 ? 0 : static_cast<double>(report.calls) / seconds(report);
}

std::string number(double v, const char* format) {
  char text[48];
  std::snprintf(text, sizeof text, format, v);
  return text;
}
std::string whole(double v) { return number(v, "%.0f"); }

constexpr std::pair<const char*, double> quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}};

std::string as_json(const Args& args, const Load& load, const LoadReport& report) {
  std::string out =
      cat("{\"name\":", quoted(args.redis ? "ECHO" : args.name), ",\"protocol\":\"", args.redis ? "redis" : "backplane",
          "\",\"connections\":", std::to_string(load.connections), ",\"in_flight\":", std::to_string(load.in_flight),
          ",\"payload_bytes\":", std::to_string(load.payload.size()));
  out += cat(",\"calls\":", std::to_string(report.calls), ",\"errors\":", std::to_string(report.errors),
             ",\"wrong\":", std::to_string(report.wrong), ",\"seconds\":", number(seconds(report), "%.9f"),
             ",\"calls_per_s\":", number(rate(report), "%.1f"), ",\"latency_ns\":{");
  for (const auto& [name, part] : quantiles) {
    out += cat("\"", name, "\":", whole(report.latency.quantile(part)), ",");
  }
  return out + cat("\"max\":", std::to_string(report.latency.max), ",\"mean\":", whole(report.latency.mean()),
                   "},\"interrupted\":", report.interrupted ? "true" : "false", "}\n");
}

std::string micros(double ns) { return cat(number(ns / 1e3, ns < 1e5 ? "%.1f" : "%.0f"), " us"); }

std::string as_text(const Args& args, const Load& load, const LoadReport& report) {
  std::string out =
      cat(std::to_string(report.calls), " calls of ", args.redis ? "ECHO" : args.name, " with ",
          std::to_string(load.payload.size()), " bytes, ", std::to_string(load.connections),
          load.connections == 1 ? " connection, " : " connections, ", std::to_string(load.in_flight),
          load.connections == 1 ? " in flight: " : " in flight each: ", number(seconds(report), "%.3f"), " s\n");
  out += cat("throughput  ", whole(rate(report)), " calls/s\n");
  out += cat("latency     p50 ", micros(report.latency.quantile(0.5)), "   p99 ", micros(report.latency.quantile(0.99)),
             "   p99.9 ", micros(report.latency.quantile(0.999)), "   max ",
             micros(static_cast<double>(report.latency.max)), "\n");
  out += cat("errors      ", std::to_string(report.errors), "\n");
  if (load.echoes)
    out += cat("wrong       ", std::to_string(report.wrong), " of the answers had other bytes than were sent\n");
  return out;
}

int run_bench(const Args& args) {
  const Load load = make_load(args);
  const LoadReport report = generate(load);
  write_out(args.json ? as_json(args, load, report) : printable(as_text(args, load, report)));
  if (report.errors != 0) {
    throw CommandFailure{exit_error, report.status,
                         cat(std::to_string(report.errors), " of ", std::to_string(report.calls),
                             " calls ended with an error, the first: ",
                             report.message.empty() ? bp_status_text(report.status) : report.message)};
  }
  if (report.wrong != 0) {
    throw CommandFailure{exit_error, BP_ERROR,
                         cat(std::to_string(report.wrong), " of ", std::to_string(report.calls),
                             " answers had other bytes than were sent; expected an echo")};
  }
  return exit_ok;
}

}  // namespace

const Command bench_command = {
    "bench",
    "make load, and measure throughput and latency",
    R"(Calls NAME again and again over so many connections, with so many calls in flight on each, and tells calls per
second and how long the calls took. The payload is that of every call, JSON as for call. The answers of echo.raw
are compared with what was sent; of others it is counted how many are errors. The calls in flight on a connection
are sent together, and the next ones when all of them have been answered: so does redis-benchmark.
With --redis it sends ECHO with that payload in the protocol of Redis, so that the same generator measures both.
Ctrl-C ends it, with the report so far.

Examples:
  backplane bench echo.raw
  backplane bench echo.shout --payload '{"text": "hi"}' -c 8 -P 16 -n 1000000
  backplane bench echo.raw --payload hello --raw --seconds 10 --json
  backplane bench --redis --socket /tmp/redis.sock --payload hello --raw -c 8 -P 16

Exit codes: 0 measured, also until Ctrl-C; 1 there is no such name, or answers were errors or wrong (the report is on
stdout all the same); 2 usage; 3 no server answers, or it is lost; 4 no answer came for as long as --timeout.)",
    {
        {"NAME", "", "the wire name, as backplane ls shows it", &Args::name},
        {"--payload", "PAYLOAD", "JSON, or @FILE with it, or - for stdin; else {}", &Args::input},
        {"--raw", "", "send the payload's bytes as they are", &Args::raw},
        {"-c,--connections", "N", "how many connections; 1", &Args::connections, false, 1024},
        {"-P,--pipeline", "N", "calls in flight on each connection; 1", &Args::in_flight, false, 65536},
        {"-n,--number", "N", "calls altogether; 100000, or without end if --seconds is given", &Args::count, false,
         UINT64_MAX},
        {"--seconds", "N", "begin no more calls after so long", &Args::seconds, false, 1'000'000},
        {"--timeout", "MS", "give up if no answer comes for so long; 10000", &Args::timeout},
        {"--redis", "", "speak to a Redis server instead: ECHO", &Args::redis},
        socket_option,
        json_option,
    },
    run_bench,
};

}  // namespace backplane::cli
