// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "cbor_value.hpp"
#include "fixture.hpp"

namespace host_test {

/// One call in parts: counts what comes.
class Streamed {
 public:
  Streamed(const Context& context, std::string_view name, std::string payload, std::uint32_t flags = 0,
           std::uint64_t window_bytes = 0, std::uint32_t window_parts = 0, std::uint64_t timeout_ms = 0)
      : context_(context.native) {
    bp_submission submission{};
    submission.struct_size = sizeof submission;
    submission.flags = flags;
    submission.name = str(name);
    submission.payload = bytes_of(payload);
    submission.timeout_ms = timeout_ms;
    submission.on_reply = on_reply;
    submission.user = this;
    submission.window_bytes = window_bytes;
    submission.window_parts = window_parts;
    submission.on_credit = on_credit;
    REQUIRE(bp_submit(context_, &submission, &request) == BP_OK);
  }
  Streamed(const Streamed&) = delete;
  Streamed& operator=(const Streamed&) = delete;
  ~Streamed() { CHECK(ended()); }

  bool ended() {
    return eventually([this] { return terminals.load() > 0; });
  }
  bool got(std::uint64_t count) {
    return eventually([this, count] { return parts.load() >= count; });
  }
  bp_status credit(std::uint64_t count) const { return bp_request_credit(context_, request, count); }
  bp_status send(const std::string& part, std::uint32_t flags = 0) const {
    return bp_request_part(context_, request, bytes_of(part), flags);
  }
  /// Sends a part, and waits for room as often as it must.
  bp_status send_all(const std::string& part, std::uint32_t flags = 0) {
    for (;;) {
      const std::uint64_t before = credits.load();
      const bp_status sent = send(part, flags);
      if (sent != BP_WOULD_BLOCK) return sent;
      ++waits;
      if (!eventually([&] { return credits.load() != before || terminals.load() != 0; })) return BP_TIMEOUT;
    }
  }
  Value answer() {
    REQUIRE(ended());
    INFO(words);
    REQUIRE(status == BP_OK);
    return Value::of(text);
  }

  bp_request request{};
  std::atomic<std::uint64_t> parts{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> largest{0};
  std::atomic<std::uint64_t> credits{0};
  std::atomic<std::uint64_t> credited{0};
  std::atomic<int> terminals{0};
  std::atomic<bp_status> status{-1};
  std::string text;
  std::string words;
  std::uint64_t waits = 0;

 private:
  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Streamed*>(user);
    if (answer->status == BP_PARTIAL) {
      self.bytes += answer->payload.size;
      self.largest = std::max<std::uint64_t>(self.largest, answer->payload.size);
      ++self.parts;
    } else if (answer->status != BP_STALE) {
      self.text = text_of(answer->payload);
      self.words = text_of(answer->message);
      self.status = answer->status;
      ++self.terminals;
    }
  }
  static void on_credit(void* user, std::uint64_t bytes) {
    auto& self = *static_cast<Streamed*>(user);
    self.credited += bytes;
    ++self.credits;
  }

  const bp_context context_;
};

}  // namespace host_test
