// SPDX-License-Identifier: Apache-2.0
#include "request/oldest_call.hpp"

#include <cstddef>

namespace backplane::host {
namespace {

// Calls that have been answered may stay open until their handlers end. So many of them are passed over.
constexpr std::size_t most_passed = 1'000;
// At least one of so many calls in a row has its wait measured.
constexpr std::size_t most_of_lane = 64;

const char* state_of(const Request& request) noexcept {
  if (request.waits_for_worker) return "waiting for a worker";
  if (request.handler == nullptr) return "waiting";
  if (request.ended) return "pending";
  if (request.awaited() == nullptr && (request.handler->flags & BP_HANDLER_BLOCKING) != 0) return "on a worker";
  return "suspended";
}

std::string name_of(const Method* method) { return method == nullptr ? std::string() : method->name; }

OldestCall describe(const Request& request, Nanos age) {
  ShortText::Buffer buffer;
  return {state_of(request), name_of(request.method), std::string(client_of(request, buffer)), age};
}

Nanos age_of(Ticks stamp) noexcept {
  return static_cast<Nanos>(static_cast<double>(span(SubmitStamps::exact(stamp), ticks())) * nanos_per_tick());
}

}  // namespace

std::optional<OldestCall> oldest_call(Backlog& backlog) {
  std::optional<OldestCall> oldest;
  std::size_t passed = 0;
  for (Request* request = backlog.first_open(); request != nullptr && passed < most_passed; ++passed) {
    if (request->open()) {
      const Nanos time = now();
      oldest = describe(*request, time > request->began ? time - request->began : 0);
      break;
    }
    request = request->open_next;
  }
  const InlineCall* first_inline = nullptr;  // the oldest one of a lane is one of these two
  const Request* first_made = nullptr;
  const auto see = [&](const auto& entry, bool is_first) {
    if (is_first) first_inline = entry.is_inline ? &entry.inline_call : nullptr;
    if (is_first) first_made = entry.is_inline ? nullptr : entry.made;
    const Ticks stamp = entry.is_inline ? entry.inline_call.submitted : entry.made->waited;
    const Nanos age = stamp == 0 ? 0 : age_of(stamp);
    if (!oldest || age > oldest->age) {
      oldest = first_made != nullptr ? describe(*first_made, age)
                                     : OldestCall{"waiting", name_of(first_inline->method), "this process", age};
    }
    return stamp == 0;
  };
  backlog.look_at_lanes(see, most_of_lane);
  return oldest;
}

std::optional<OldestCall> running_call(const Heartbeat& heartbeat) {
  const std::uint64_t beats = heartbeat.beats();
  const Culprit culprit = heartbeat.culprit();
  ShortText::Buffer buffer;
  const std::string client(client_of(heartbeat.source(), buffer));
  const Nanos since = heartbeat.still_since();
  const Nanos time = now();
  const bool runs_handler = culprit.in == Holder::handler || culprit.in == Holder::function;
  if (!runs_handler || heartbeat.beats() != beats) return std::nullopt;
  return OldestCall{"running", culprit.name, client, since == 0 || since > time ? 0 : time - since};
}

}  // namespace backplane::host
