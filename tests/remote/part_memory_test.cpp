// SPDX-License-Identifier: Apache-2.0
//
// Parts of a request at the memory limit of the host. A process has one host, so this is an executable of its own.
#include <cstdint>
#include <string>

#include "cbor_value.hpp"
#include "served.hpp"
#include "streams_payload.hpp"

namespace wire = backplane::host::wire;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t limit = 64 * mib;
constexpr std::uint64_t slack = 2 * mib;  // what threads keep for later

void configure() {
  static const bp_status status = [] {
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.memory_limit = limit;
    return bp_host_configure(&options, nullptr);
  }();
  REQUIRE(status == BP_OK);
}

std::uint64_t used(const Served& host) {
  Result status;
  REQUIRE(bp_host_status(host.embedded.context, &status) == BP_OK);
  return Value::of(status.payload())["memory"]["used"].number;
}

/// All memory that is left, until the end of the scope.
struct Hog {
  Hog() { REQUIRE(bp_memory_take(limit, BP_MEMORY_HELD) == BP_OK); }
  Hog(const Hog&) = delete;
  Hog& operator=(const Hog&) = delete;
  ~Hog() { bp_memory_give(limit); }
};

/// The terminal reply of this call; other replies are passed over.
bp_status end_of(RawPeer& peer, std::uint64_t id, std::string& message) {
  for (;;) {
    const auto frame = peer.receive();
    REQUIRE(frame);
    const auto* const reply = std::get_if<wire::Reply>(&*frame);
    if (reply == nullptr || reply->id != id || reply->status == BP_STALE || reply->status == BP_PARTIAL) continue;
    message = reply->message;
    return reply->status;
  }
}

}  // namespace

TEST_CASE("a part that finds no memory ends its call with overloaded, and nothing of it stays") {
  configure();
  backplane::host::ServerOptions options;
  options.bytes_per_connection = 4 * mib;  // which bytes that are not taken back would reach
  Served host(options);
  const std::string path = BP_TEST_BUILD_DIR "/tests/modules/streams.so";
  Result loaded;
  REQUIRE(load_file(host.embedded.context, path, &loaded) == BP_OK);

  const Client innocent(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  const std::string first = order(0, 0, 60'000);
  const std::string part = piece(1, 8'000);  // within the input that a connection has at the limit
  constexpr std::uint64_t rounds = 500;
  constexpr int parts = 100;  // of a call, within its window; more than a thread may keep
  REQUIRE(innocent.served());
  const std::uint64_t before = used(host);
  int refused = 0;
  for (std::uint64_t id = 1; id <= rounds; ++id) {
    peer.send_frame(wire::Call{id, {0, "streams.slow_sum"}, wire::as_bytes(first), 0, BP_SUBMIT_PARTS, 0, 0});
    // One part has come, so the call is accepted.
    peer.send_frame(wire::Part{id, wire::as_bytes(part), 0});
    peer.send_frame(wire::Call{1'000 + id, {0, "echo.raw"}, {}, 0, 0, 0, 0});
    std::string message;
    REQUIRE(end_of(peer, 1'000 + id, message) == BP_OK);
    {
      const Hog hog;
      for (int i = 0; i < parts; ++i) peer.send_frame(wire::Part{id, wire::as_bytes(part), 0});
      const bp_status status = end_of(peer, id, message);
      CHECK(status == BP_OVERLOADED);
      refused += message.find("(memory_limit)") != std::string::npos;
    }
  }
  CHECK(refused == rounds);
  CHECK(innocent.served());
  // The canceled handlers are through when a call behind them is answered.
  std::uint64_t after = used(host);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (after >= before + slack && std::chrono::steady_clock::now() < until) after = used(host);
  CHECK(after < before + slack);
}
