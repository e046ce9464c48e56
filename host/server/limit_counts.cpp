// SPDX-License-Identifier: Apache-2.0
#include "server/limit_counts.hpp"

#include <backplane/cbor/writer.hpp>

#include "support/report.hpp"

namespace backplane::host {
namespace {

// The head of a CBOR map whose number of members is in its first byte.
constexpr std::uint8_t map_head = 0xa0;
constexpr std::uint8_t most_members = 23;

void write(cbor::Writer& out, const char* key, std::uint64_t limit, std::uint64_t hits) {
  out.map(3);
  field(out, "key", key);
  field(out, "limit", limit);
  field(out, "hits", hits);
}

void write_limits(cbor::Writer& out, const ServerOptions& options, const LimitCounts& counts) {
  out.text("limits");
  out.array(static_cast<std::size_t>(Limit::count));
  const auto each = [&](Limit limit, const char* key, std::uint64_t value) {
    write(out, key, value, counts.hits(limit));
  };
  each(Limit::connections, "max_connections", options.max_connections);
  each(Limit::management, "management_connections", options.management_connections);
  each(Limit::calls_per_connection, "calls_per_connection", options.calls_per_connection);
  each(Limit::calls_of_connections, "calls_of_connections", options.calls_of_connections);
  each(Limit::bytes_per_connection, "bytes_per_connection", options.bytes_per_connection);
  each(Limit::bytes_of_connections, "bytes_of_connections", options.bytes_of_connections);
  each(Limit::connection_memory, "connection_memory", options.max_memory);
  each(Limit::frame, "frame_bytes", options.max_frame);
  each(Limit::listeners, "listeners_per_connection", options.max_listeners);
  each(Limit::lossless_listeners, "lossless_listeners", options.lossless_listeners);
  each(Limit::functions, "functions_per_connection", options.functions_per_connection);
  each(Limit::asks, "asks_per_connection", options.asks_per_connection);
  each(Limit::output, "output_bytes", options.max_output);
  each(Limit::answer_output, "answer_output_bytes", options.max_answer_output);
  each(Limit::part_output, "part_output_bytes", options.max_part_output);
  each(Limit::event_output, "event_output_bytes", options.max_event_output);
  each(Limit::stalled_client, "stalled_client_ms", static_cast<std::uint64_t>(options.stalled_client.count()));
  each(Limit::default_deadline, "default_deadline_ms", static_cast<std::uint64_t>(options.default_deadline.count()));
}

void write_connections(cbor::Writer& out, const ServerLoad& load) {
  const ConnectionTable::Counts& counts = load.connections;
  out.text("connection_counts");
  out.map(6);
  field(out, "peak", counts.peak);
  field(out, "management", counts.management);
  field(out, "without_hello", counts.without_hello);
  field(out, "refused", counts.refused);
  field(out, "replaced", counts.replaced);
  field(out, "no_descriptor", load.descriptor_shortages);
}

}  // namespace

std::vector<std::uint8_t> with_server(bp_bytes status_report, const ServerOptions& options, const LimitCounts& counts,
                                      const ServerLoad& load) {
  std::vector<std::uint8_t> bytes(status_report.data, status_report.data + status_report.size);
  if (bytes.empty() || bytes[0] < map_head || bytes[0] >= map_head + most_members) return bytes;
  ++bytes[0];
  cbor::Writer out(bytes);
  out.text("server");
  out.map(5);
  field(out, "connections", load.connections.now);
  write_connections(out, load);
  field(out, "calls", load.calls);
  field(out, "bytes", load.bytes);
  write_limits(out, options, counts);
  return bytes;
}

}  // namespace backplane::host
