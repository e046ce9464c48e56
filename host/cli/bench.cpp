// SPDX-License-Identifier: Apache-2.0
//
// `backplane bench`: makes the Load that the arguments describe, runs the load generator, and prints its report.
#include <algorithm>
#include <backplane/cbor/head.hpp>
#include <cstdio>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/load_generator.hpp"
#include "cli/output.hpp"
#include "support/suggest.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::uint64_t usual_calls = 100'000;
constexpr std::uint64_t usual_silence_ms = 10'000;
// It answers with the payload it got, so every answer can be checked.
constexpr std::string_view echo = "echo.raw";

cbor::Bytes payload_of(const Args& args) {
  if (args.raw) {
    const std::string bytes = read_input(args.input, raw_limit);
    return {bytes.begin(), bytes.end()};
  }
  if (args.input.empty()) return {cbor::empty_map};  // no parameters: the empty map
  return read_payload(args.input);
}

/// The name's handle. Fails before any load is sent if the host or the name is missing.
std::uint64_t find(const Args& args) {
  const Client client(args, args.timeout);
  bp_method method = {};
  const bp_status status = bp_method_find(client.context(), str(args.name), &method);
  if (status == BP_OK) return method.id;
  if (status != BP_UNKNOWN_NAME && status != BP_INVALID_ARGUMENT) {
    throw CommandFailure{exit_code(status), status, bp_status_text(status)};
  }
  const std::string near = did_you_mean(args.name, known_names(client.context(), false));
  throw CommandFailure{exit_error,
                       BP_UNKNOWN_NAME,
                       cat("no loaded module has the wire name \"", args.name, "\""),
                       {},
                       near.empty() ? "backplane ls lists all names" : cat(near, " backplane ls lists all names")};
}

Load make_load(const Args& args) {
  if (args.redis && !args.name.empty()) {
    throw usage(cat("found the name \"", args.name, "\" together with --redis; --redis always sends ECHO"),
                "leave out the name or --redis");
  }
  if (args.redis && !args.socket) throw usage("--redis needs the server's socket", "give it with --socket PATH");
  if (!args.redis && args.name.empty()) {
    throw usage("found no NAME, expected the wire name to call", "backplane ls lists all names");
  }
  Load load;
  load.redis = args.redis;
  load.payload = payload_of(args);
  load.echoes = args.redis || args.name == echo;
  load.connections = static_cast<std::uint32_t>(args.connections.value_or(1));
  load.in_flight = static_cast<std::uint32_t>(args.in_flight.value_or(1));
  load.calls = args.count.value_or(args.seconds ? UINT64_MAX : usual_calls);
  if (args.seconds) load.until_ns = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(*args.seconds * 1e9));
  load.silence_ns = args.timeout.value_or(usual_silence_ms) * 1'000'000;
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
  const bool any = report.latency.count != 0;
  std::string out = cat("{\"name\":", json_string(args.redis ? "ECHO" : args.name), ",\"protocol\":\"",
                        args.redis ? "redis" : "backplane", "\",\"connections\":", std::to_string(load.connections),
                        ",\"in_flight\":", std::to_string(load.in_flight),
                        ",\"payload_bytes\":", std::to_string(load.payload.size()));
  out += cat(",\"calls\":", std::to_string(report.calls), ",\"errors\":", std::to_string(report.errors),
             ",\"wrong\":", load.echoes ? std::to_string(report.wrong) : "null",
             ",\"seconds\":", number(seconds(report), "%.9f"), ",\"calls_per_s\":", number(rate(report), "%.1f"),
             ",\"latency_ns\":{");
  for (const auto& [name, part] : quantiles) {
    out += cat("\"", name, "\":", any ? whole(report.latency.quantile(part)) : "null", ",");
  }
  return out + cat("\"max\":", any ? std::to_string(report.latency.max) : "null",
                   ",\"mean\":", any ? whole(report.latency.mean()) : "null",
                   "},\"interrupted\":", report.interrupted ? "true" : "false",
                   ",\"open\":", std::to_string(report.open), "}\n");
}

std::string micros(double ns) { return cat(number(ns / 1e3, ns < 1e5 ? "%.1f" : "%.0f"), " us"); }

std::string as_text(const Args& args, const Load& load, const LoadReport& report) {
  const auto took = [&](double ns) { return report.latency.count == 0 ? std::string("–") : micros(ns); };
  std::string out =
      cat(counted(report.calls, "call"), " of ", args.redis ? "ECHO" : args.name, " with ",
          counted(load.payload.size(), "byte"), ", ", counted(load.connections, "connection"), ", ",
          std::to_string(load.in_flight),
          load.connections == 1 ? " in flight: " : " in flight each: ", number(seconds(report), "%.3f"), " s\n");
  out += cat("throughput  ", whole(rate(report)), " calls/s\n");
  out += cat("latency     p50 ", took(report.latency.quantile(0.5)), "   p99 ", took(report.latency.quantile(0.99)),
             "   p99.9 ", took(report.latency.quantile(0.999)), "   max ",
             took(static_cast<double>(report.latency.max)), "\n");
  out += cat("errors      ", std::to_string(report.errors), "\n");
  if (load.echoes)
    out += cat("wrong       ", std::to_string(report.wrong), " of the answers had other bytes than their calls\n");
  if (report.interrupted || report.failure) {
    out += cat(report.interrupted ? "interrupted " : "cut short   ", "after ",
               number(static_cast<double>(report.elapsed_ns) / 1e9, "%.1f"), " s; ", counted(report.open, "call"),
               report.open == 1 ? " was" : " were", " still open\n");
  }
  return out;
}

int run_bench(const Args& args) {
  const Load load = make_load(args);
  const LoadReport report = generate(load);
  if (report.failure && report.calls == 0) throw CommandFailure(*report.failure);
  write_result(args.json ? as_json(args, load, report) : printable(as_text(args, load, report)));
  if (report.failure) throw CommandFailure(*report.failure);
  if (report.errors != 0) {
    throw CommandFailure{
        exit_error, report.status,
        cat(std::to_string(report.errors), " of ", counted(report.calls, "call"), " ended with an error; the first: ",
            report.message.empty() ? bp_status_text(report.status) : report.message)};
  }
  if (report.wrong != 0) {
    throw CommandFailure{exit_error, BP_ERROR,
                         cat(std::to_string(report.wrong), " of ", counted(report.calls, "answer"),
                             " had other bytes than their calls; expected each answer to repeat its payload")};
  }
  return exit_ok;
}

}  // namespace

const Command bench_command = {
    "bench",
    "call one name repeatedly; measure throughput and latency",
    R"(Calls NAME repeatedly and reports calls per second and latencies. Every call has the same payload.
bench counts answers that are errors. For echo.raw it also compares each answer with the payload.

Each connection sends all its calls in flight together. It sends the next ones after all of them have been
answered, as redis-benchmark does. With --redis, bench sends ECHO in the protocol of Redis instead of calls, so
that you can compare both servers.

Ctrl-C ends the measurement and prints the report so far.

Examples:
  backplane bench echo.raw
  backplane bench echo.shout --payload '{"text": "hi"}' -c 8 -P 16 -n 1000000
  backplane bench echo.raw --payload hello --raw --seconds 10 --json
  backplane bench --redis --socket /tmp/redis.sock --payload hello --raw -c 8 -P 16

Exit codes: 0 measured, to the end or until Ctrl-C; 1 unknown name, or an answer was an error or wrong; 2 usage;
3 no server answers, or the connection broke; 4 no answer arrived for the time of --timeout.
With 1, 3 and 4, stdout has the report so far if at least one call was answered.)",
    {
        {"NAME", "", "wire name to call; backplane ls lists all names", &Args::name},
        {"--payload", "PAYLOAD", "JSON, @FILE with JSON, or - for JSON on stdin; default {}", &Args::input},
        {"--raw", "", "send the bytes of the payload unchanged", &Args::raw},
        {"-c,--connections", "N", "number of connections, 1 to 1024; default 1", &Args::connections, false, 1024, 1},
        {"-P,--pipeline", "N", "calls in flight on each connection, 1 to 65536; default 1", &Args::in_flight, false,
         65536, 1},
        {"-n,--number", "N", "number of calls; default 100000, or no limit with --seconds", &Args::count, false,
         UINT64_MAX, 1},
        {"--seconds", "N", "begin no call after N seconds, for example 2 or 0.5; at most 1000000", &Args::seconds,
         false, 1'000'000},
        {"--timeout", "MS", "end if no answer arrives for MS milliseconds; default 10000", &Args::timeout, false,
         UINT32_MAX, 1},
        {"--redis", "", "send ECHO to a Redis server; needs --socket", &Args::redis},
        socket_option,
        json_option,
    },
    run_bench,
};

}  // namespace backplane::host::cli
