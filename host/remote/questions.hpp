// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "endpoint/module_endpoint.hpp"
#include "endpoint/reply_waiter.hpp"
#include "remote/channel.hpp"
#include "support/result.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// Timeout for requests that a running host answers at once.
inline constexpr std::chrono::milliseconds prompt{30'000};

/// For frames that are sent without waiting for their answer.
inline void ignore_reply(void*, const bp_answer*) {}

/// A result that frees itself.
struct OwnedResult {
  bp_result raw{};
  OwnedResult() noexcept { raw.struct_size = sizeof raw; }
  OwnedResult(const OwnedResult&) = delete;
  OwnedResult& operator=(const OwnedResult&) = delete;
  ~OwnedResult() { free_result(&raw); }
};

/// Sends a frame over a connection and waits for its answer. `size`: total size of the frame's strings. `bound` 0:
/// waits while the connection exists. Not on the reader thread.
template <class Frame>
bp_status ask_host(Channel& channel, const Frame& frame, std::size_t size, std::chrono::milliseconds bound,
                   bp_result& result, Channel::Use use) {
  ReplyWaiter waiter(&result);
  std::uint64_t id = 0;
  const bp_status refused = channel.open(frame, size, {ReplyWaiter::on_reply, &waiter, 0}, use, &id);
  if (refused != BP_OK) return set_result(&result, refused, bp_status_text(refused));
  if (bound.count() != 0 && !waiter.sleep(now() + bound.count() * nanos_per_ms) && channel.forget(id)) {
    return set_result(
        &result, BP_TIMEOUT,
        "the host has not answered within " + std::to_string(bound.count()) + " ms; it may be stopped or stuck");
  }
  waiter.sleep();
  return waiter.status();
}

/// Asks for the host's id of a wire name. As bp_method_find().
bp_status ask_for_method(Channel& channel, std::string_view name, Channel::Use use, std::uint64_t& id);

/// As bp_context_expect(). The text is sent only if the hash differs.
bp_status ask_for_interface(Channel& channel, const ExpectedInterface& expected, Channel::Use use, bp_result& result);

/// A host without the feature makes reports only between module operations, which have no bound.
inline std::chrono::milliseconds report_bound(const Channel& channel) {
  return channel.features().operations ? prompt : std::chrono::milliseconds(0);
}

}  // namespace backplane::host
