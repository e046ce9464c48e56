// SPDX-License-Identifier: Apache-2.0
//
// Module operations over a connection: they wait for one control thread, and are bounded.
#include "served.hpp"

using namespace backplane::host;

TEST_CASE("a connection may have its modules listed any number of times, and a number of times at once") {
  Served host;
  Client client(host.path());
  for (int i = 0; i < 200; ++i) {
    Result modules;
    REQUIRE(bp_module_list(client.context, &modules) == BP_OK);
  }
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  constexpr std::uint64_t at_once = 500;
  for (std::uint64_t id = 1; id <= at_once; ++id) REQUIRE(peer.send_frame(wire::List{id}));
  std::uint64_t listed = 0;
  for (std::uint64_t id = 1; id <= at_once; ++id) {
    const auto reply = peer.receive_as<wire::Reply>();
    REQUIRE(reply);
    CHECK((reply->status == BP_OK || reply->status == BP_OVERLOADED));
    listed += reply->status == BP_OK ? 1 : 0;
  }
  CHECK(listed >= 64);
  REQUIRE(peer.send_frame(wire::List{at_once + 1}));
  const auto last = peer.receive_as<wire::Reply>();
  REQUIRE(last);
  CHECK(last->status == BP_OK);
}

TEST_CASE("operations that wait for the control thread are bounded, and those beyond are answered at once") {
  Served host;
  Client client(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  Replies open;
  const std::string payload = delayed("x", 60'000);
  const bp_submission s = submission("timer.echo", payload, open);
  bp_request request{};
  REQUIRE(bp_submit(client.context, &s, &request) == BP_OK);
  REQUIRE(client.served());                                    // so that the host has it
  REQUIRE(peer.send_frame(wire::Unload{1, "timer", 60'000}));  // keeps the control thread until the call ends
  constexpr std::uint64_t bound = 64;
  for (std::uint64_t id = 2; id <= bound + 1; ++id) REQUIRE(peer.send_frame(wire::List{id}));
  const auto refused = peer.receive_as<wire::Reply>();
  REQUIRE(refused);
  CHECK(refused->id == bound + 1);
  CHECK(refused->status == BP_OVERLOADED);
  // The level of the log needs no turn among them.
  for (const char* level : {"debug", "loud", ""}) {
    REQUIRE(peer.send_frame(wire::Log{100, "timer", level}));
    const auto reply = peer.receive_as<wire::Reply>();
    REQUIRE(reply);
    CHECK(reply->id == 100);
    CHECK(reply->status == (std::string_view(level) == "loud" ? BP_INVALID_ARGUMENT : BP_OK));
  }
  Result levels;
  CHECK(bp_log_set(client.context, {nullptr, 0}, BP_LOG_WARN, &levels) == BP_OK);
  CHECK(levels.payload().size() != 0);
  Result unknown;
  CHECK(bp_log_set(client.context, {nullptr, 0}, 7, &unknown) == BP_INVALID_ARGUMENT);
  CHECK(bp_cancel(client.context, request) == BP_OK);
  CHECK(open.wait().status == BP_CANCELED);
  for (std::uint64_t id = 1; id <= bound; ++id) {
    const auto reply = peer.receive_as<wire::Reply>();
    REQUIRE(reply);
    CHECK(reply->id == id);
    if (id > 1) CHECK(reply->status == BP_OK);  // the unload may find its file kept by a sanitizer
  }
  Result again;
  CHECK(load(host.embedded.context, "timer", &again) == BP_OK);
}
