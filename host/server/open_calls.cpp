// SPDX-License-Identifier: Apache-2.0
#include "server/open_calls.hpp"

#include <algorithm>
#include <new>

#include "server/connection.hpp"
#include "server/server_core.hpp"
#include "wire/frame_quick.hpp"

namespace backplane::host {
namespace {

std::string text(const char* what, std::size_t limit, const char* key) {
  return std::string(what) + ": " + std::to_string(limit) + " (" + key + "); wait for answers";
}

}  // namespace

Limit OpenCalls::limit_hit(std::size_t size) const noexcept {
  const ServerOptions& most = core_.options;
  Limit limit = Limit::count;
  if (table_.size() >= most.calls_per_connection) {
    limit = Limit::calls_per_connection;
  } else if (core_.open_calls.load(std::memory_order_relaxed) + new_calls_ >= most.calls_of_connections) {
    limit = Limit::calls_of_connections;
  } else {
    return bytes_limit_hit(size);
  }
  core_.limits.hit(limit);
  return limit;
}

Limit OpenCalls::bytes_limit_hit(std::size_t size) const noexcept {
  const ServerOptions& most = core_.options;
  const std::size_t mine = memory_.payloads();
  const std::size_t all = core_.open_bytes.load(std::memory_order_relaxed) + new_bytes_;
  Limit limit = Limit::count;
  if (mine != 0 && mine + size > most.bytes_per_connection) {
    limit = Limit::bytes_per_connection;
  } else if (all != 0 && all + size > most.bytes_of_connections) {
    limit = Limit::bytes_of_connections;
  }
  if (limit != Limit::count) core_.limits.hit(limit);
  return limit;
}

std::string OpenCalls::text_of(Limit limit, const ServerOptions& most) {
  switch (limit) {
    case Limit::calls_per_connection:
      return text("calls in flight of this connection", most.calls_per_connection, "calls_per_connection");
    case Limit::calls_of_connections:
      return text("calls in flight of all connections", most.calls_of_connections, "calls_of_connections");
    case Limit::bytes_per_connection:
      return text("bytes in flight of this connection", most.bytes_per_connection, "bytes_per_connection");
    default:
      return text("bytes in flight of all connections", most.bytes_of_connections, "bytes_of_connections");
  }
}

OpenCalls::Entry& OpenCalls::open(Connection& connection, const wire::Call& call) {
  Entry* const entry = table_.insert(call.id);
  if (entry == nullptr) {
    throw wire::ProtocolError("a call whose id " + std::to_string(call.id) + " is in use; expected a new id");
  }
  entry->value.connection = &connection;
  entry->value.size = call.payload.size();
  if (alive_ == nullptr) alive_ = connection.shared_from_this();
  memory_.add_payload(call.payload.size());
  ++new_calls_;
  new_bytes_ += call.payload.size();
  return *entry;
}

void OpenCalls::count_opened() noexcept {
  core_.open_calls.fetch_add(std::exchange(new_calls_, 0), std::memory_order_relaxed);
  core_.open_bytes.fetch_add(std::exchange(new_bytes_, 0), std::memory_order_relaxed);
}

std::shared_ptr<Connection> OpenCalls::end(std::span<Entry* const> entries) noexcept {
  std::size_t size = 0;
  for (Entry* const entry : entries) size += table_.take(entry).size;
  memory_.drop_payload(size);
  core_.open_calls.fetch_sub(entries.size(), std::memory_order_relaxed);
  core_.open_bytes.fetch_sub(size, std::memory_order_relaxed);
  return table_.size() == 0 ? std::move(alive_) : nullptr;
}

void OpenCalls::add_bytes(Entry& entry, std::size_t size) noexcept {
  entry.value.size += size;
  memory_.add_payload(size);
  core_.open_bytes.fetch_add(size, std::memory_order_relaxed);
}

void OpenCalls::drop_bytes(Entry& entry, std::size_t size) noexcept {
  size = std::min(size, entry.value.size);
  entry.value.size -= size;
  memory_.drop_payload(size);
  core_.open_bytes.fetch_sub(size, std::memory_order_relaxed);
}

bool NotedReplies::add(OpenCalls::Entry& entry, wire::View payload) noexcept {
  try {
    calls_.push_back(&entry);
  } catch (const std::bad_alloc&) {
    return false;
  }
  try {
    if (!entry.value.answered) wire::quick_encode_ok(frames_, entry.id, payload);
  } catch (const std::bad_alloc&) {  // before it has written anything
    calls_.pop_back();
    return false;
  }
  return true;
}

std::shared_ptr<Connection> NotedReplies::end_calls(OpenCalls& open) noexcept {
  std::shared_ptr<Connection> last = open.end(calls_);
  calls_.clear();
  return last;
}

}  // namespace backplane::host
