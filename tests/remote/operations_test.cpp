// SPDX-License-Identifier: Apache-2.0
//
// Module operations over a connection: they are bounded, and reports do not wait for them.
#include <set>

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

TEST_CASE("operations that a connection waits for are bounded, and those beyond are answered at once") {
  Served host;
  Client client(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  Replies open;
  const std::string payload = delayed("x", 60'000);
  const bp_submission s = submission("timer.echo", payload, open);
  bp_request request{};
  REQUIRE(bp_submit(client.context, &s, &request) == BP_OK);
  REQUIRE(client.served());  // so that the host has it
  // All wait until the call has ended.
  constexpr std::uint64_t bound = 64;
  for (std::uint64_t id = 1; id <= bound + 1; ++id) REQUIRE(peer.send_frame(wire::Unload{id, "timer", 60'000}));
  const auto refused = peer.receive_as<wire::Reply>();
  REQUIRE(refused);
  CHECK(refused->id == bound + 1);
  CHECK(refused->status == BP_OVERLOADED);
  // Reports and the level of the log wait for none of them.
  Result report;
  CHECK(bp_host_status(client.context, &report) == BP_OK);
  Result modules;
  CHECK(bp_module_list(client.context, &modules) == BP_OK);
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
  std::set<std::uint64_t> ended;
  while (ended.size() < bound) {
    const auto reply = peer.receive_as<wire::Reply>();
    REQUIRE(reply);
    CHECK(ended.insert(reply->id).second);
  }
  CHECK(*ended.rbegin() == bound);
  Result again;
  CHECK(load(host.embedded.context, "timer", &again) == BP_OK);
}
