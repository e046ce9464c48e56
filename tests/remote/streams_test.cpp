// SPDX-License-Identifier: Apache-2.0
//
// Parts over a connection: credit, peers without it, peers that do not read, and turns between connections.
#include <algorithm>
#include <thread>

#include "cbor_value.hpp"
#include "served.hpp"
#include "streams_payload.hpp"

using backplane::host::ServerOptions;
namespace wire = backplane::host::wire;
using namespace std::chrono_literals;

namespace {

/// A server whose context has the module "streams".
struct Streaming : Served {
  explicit Streaming(ServerOptions options = {}) : Served(std::move(options)) {
    load_test_module(embedded.context, "streams");
  }
};

wire::Call raw_call(std::uint64_t id, const char* name, std::string_view payload, std::uint32_t flags = 0) {
  return {id, {0, name}, wire::as_bytes(payload), 0, flags, 0, 0};
}

/// Counts the parts that come for a call until nothing comes for a while, or its end.
struct Count {
  std::uint64_t parts = 0, bytes = 0, largest = 0;
  bp_status end = -1;
  std::string message;

  /// `at_least`: so many parts come for certain, however long they take.
  void read(RawPeer& peer, std::chrono::milliseconds quiet, std::uint64_t at_least = 0) {
    while (const auto frame = peer.receive(parts < at_least ? std::chrono::milliseconds(20'000) : quiet)) {
      if (const auto* error = std::get_if<wire::Error>(&*frame)) message = error->message;
      const auto* reply = std::get_if<wire::Reply>(&*frame);
      if (reply == nullptr || reply->status == BP_STALE) continue;
      if (reply->status != BP_PARTIAL) {
        end = reply->status;
        message = reply->message;
        return;
      }
      ++parts;
      bytes += reply->payload.size();
      largest = std::max<std::uint64_t>(largest, reply->payload.size());
    }
  }
};

/// What one call in parts gets, on a connected context.
struct Taker {
  std::atomic<std::uint64_t> parts{0}, bytes{0}, credits{0};
  std::atomic<int> terminals{0};
  std::atomic<bp_status> status{-1};
  std::string text;

  static void on_reply(void* user, const bp_answer* answer) {
    auto& self = *static_cast<Taker*>(user);
    if (answer->status == BP_PARTIAL) {
      ++self.parts;
      self.bytes += answer->payload.size;
    } else if (answer->status != BP_STALE) {
      self.text.assign(reinterpret_cast<const char*>(answer->payload.data), answer->payload.size);
      self.status = answer->status;
      ++self.terminals;
    }
  }
  static void on_credit(void* user, std::uint64_t) { ++static_cast<Taker*>(user)->credits; }

  bp_request submit(bp_context context, const char* name, std::string_view payload, std::uint32_t flags = 0,
                    std::uint64_t window = 0) {
    bp_submission out{};
    out.struct_size = sizeof out;
    out.flags = flags;
    out.name = {name, std::char_traits<char>::length(name)};
    out.payload = {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()};
    out.on_reply = on_reply;
    out.user = this;
    out.window_bytes = window;
    out.on_credit = on_credit;
    bp_request request{};
    REQUIRE(bp_submit(context, &out, &request) == BP_OK);
    return request;
  }
  template <class F>
  static bool eventually(F condition, std::chrono::seconds bound = 30s) {
    const auto until = std::chrono::steady_clock::now() + bound;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  bool ended() {
    return eventually([this] { return terminals.load() != 0; });
  }
};

/// A thread that sends to a peer's host. It ends with the scope, also if an assertion leaves that: then the end of the
/// connection ends what it sends.
class Beside {
 public:
  template <class F>
  Beside(const RawPeer& peer, F send) : peer_(peer), thread_(std::move(send)) {}
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  ~Beside() {
    if (std::uncaught_exceptions() != 0) ::shutdown(peer_.fd(), SHUT_RDWR);
    thread_.join();
  }

 private:
  const RawPeer& peer_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("an answer of 200 MB in parts arrives whole, and calls beside it are served") {
  Streaming host;
  const Client client(host.path());
  Taker taker;
  taker.submit(client.context, "streams.send", order(2'000, 100'000));
  while (taker.terminals == 0) CHECK(client.served());
  CHECK(taker.status == BP_OK);
  CHECK(taker.parts == 2'000);
  CHECK(taker.bytes > 200'000'000u);
}

TEST_CASE("a peer that gives no credit gets its window and no more, and then what it gives credit for") {
  Streaming host;
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  peer.send_frame(raw_call(1, "streams.send", order(100, 100'000), BP_SUBMIT_CREDIT));
  Count count;
  count.read(peer, 300ms, 10);
  CHECK(count.parts == 10);  // of a megabyte
  peer.send_frame(raw_call(2, "echo.raw", "still served"));
  const auto reply = peer.receive_as<wire::Reply>();
  REQUIRE(reply);
  CHECK(wire::as_text(reply->payload) == "still served");
  peer.send_frame(wire::Credit{1, count.largest * 3});
  count.read(peer, 300ms, 13);
  CHECK(count.parts == 13);
  peer.send_frame(wire::Credit{99, 5});  // of a call that has ended, for all that the host knows
  while (count.end == -1) {
    peer.send_frame(wire::Credit{1, UINT64_MAX});
    count.read(peer, 200ms);
  }
  CHECK(count.end == BP_OK);
  CHECK(count.parts == 100);
}

TEST_CASE("a hundred streams of one connection add no more to its output than one does") {
  Streaming host;
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  constexpr std::uint64_t streams = 100;
  const std::string payload = order(20, 100'000);  // 2 MB each
  for (std::uint64_t id = 1; id <= streams; ++id) {
    wire::Call call = raw_call(id, "streams.send", payload, BP_SUBMIT_CREDIT);
    call.window_bytes = 16 << 20;
    peer.send_frame(call);
  }
  std::this_thread::sleep_for(300ms);
  Result status;
  REQUIRE(bp_host_status(host.embedded.context, &status) == BP_OK);
  const Value report = Value::of(status.payload());
  std::uint64_t sent = 0;
  for (const Value& each : report["contexts"].items) sent += each["parts"]["sent"].number;
  CHECK(sent < 60);  // of 2,000
  // A client of one thread, which gives credit for each part as it comes.
  std::uint64_t parts = 0;
  std::uint64_t ends = 0;
  while (ends < streams) {
    const auto reply = peer.receive_as<wire::Reply>();
    REQUIRE(reply);
    if (reply->status == BP_OK) ++ends;
    if (reply->status != BP_PARTIAL) continue;
    ++parts;
    peer.send_frame(wire::Credit{reply->id, reply->payload.size()});
  }
  CHECK(parts == 20 * streams);
}

TEST_CASE("the parts that wait for a handler count in the bytes of their connection") {
  ServerOptions options;
  options.bytes_per_connection = 3 << 20;
  Streaming host(options);
  const Client good(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  const std::string part = piece(1, 300'000);
  for (std::uint64_t id = 1; id <= 8; ++id) {
    peer.send_frame(raw_call(id, "streams.slow_sum", order(0, 0, 60'000), BP_SUBMIT_PARTS));
    for (int i = 0; i < 3; ++i) peer.send_frame(wire::Part{id, wire::as_bytes(part), 0});
  }
  bool refused = false;
  while (!refused) {
    const auto reply = peer.receive();
    REQUIRE(reply);
    const auto* const answer = std::get_if<wire::Reply>(&*reply);
    if (answer == nullptr || answer->status == BP_STALE) continue;
    CHECK(answer->status == BP_OVERLOADED);
    CHECK(answer->message.find("bytes_per_connection") != std::string::npos);
    refused = true;
  }
  CHECK(good.served());
}

TEST_CASE("a call may have a window of its own") {
  Streaming host;
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  wire::Call call = raw_call(1, "streams.send", order(100, 1'000), BP_SUBMIT_CREDIT);
  const std::string payload = order(100, 1'000);
  call.payload = wire::as_bytes(payload);
  call.window_parts = 5;
  peer.send_frame(call);
  Count count;
  count.read(peer, 200ms, 5);
  CHECK(count.parts == 5);
  peer.send_frame(wire::Cancel{1});
  count.read(peer, 5s);
  CHECK(count.end == BP_CANCELED);
}

TEST_CASE("a peer without credit that does not read stops its own calls alone, and gets all once it reads") {
  Streaming host;
  const Client good(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  for (std::uint64_t id = 1; id <= 4; ++id) peer.send_frame(raw_call(id, "streams.send", order(500, 100'000)));
  std::this_thread::sleep_for(300ms);
  CHECK(good.served());
  Result status;
  REQUIRE(bp_host_status(host.embedded.context, &status) == BP_OK);
  const Value report = Value::of(status.payload());
  std::uint64_t sent = 0;
  for (const Value& each : report["contexts"].items) sent += each["parts"]["sent"].number;
  CHECK(sent < 60);  // about two megabytes; 2,000 parts are 200 MB
  std::uint64_t parts = 0;
  for (int ends = 0; ends < 4; ++ends) {
    Count count;
    count.read(peer, 10s);
    CHECK(count.end == BP_OK);
    parts += count.parts;
  }
  CHECK(parts == 2'000);
}

TEST_CASE("a connected application that takes parts slowly has no more of them on the way than its window") {
  Streaming host;
  const Client client(host.path());
  Taker taker;
  const bp_request request = taker.submit(client.context, "streams.send", order(50, 10'000), BP_SUBMIT_CREDIT, 35'000);
  CHECK(Taker::eventually([&] { return taker.parts == 3; }));
  std::this_thread::sleep_for(100ms);
  CHECK(taker.parts == 3);
  while (taker.terminals == 0) {
    bp_request_credit(client.context, request, 11'000);
    std::this_thread::sleep_for(1ms);
  }
  CHECK(taker.parts == 50);
  CHECK(bp_request_credit(client.context, request, 1) == BP_INVALID_HANDLE);
}

TEST_CASE("a peer whose socket takes none of its answers is disconnected at the border of a frame, and told why") {
  ServerOptions options;
  options.stalled_client = 300ms;
  Streaming host(options);
  const Client good(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  for (std::uint64_t id = 1; id <= 3; ++id) peer.send_frame(raw_call(id, "streams.send", order(500, 100'000)));
  CHECK(Taker::eventually([&] { return host.logged("stalled_client_ms"); }));
  CHECK(good.served());
  Count count;
  count.read(peer, 2s);  // a damaged frame would throw
  CHECK(count.end == -1);
  CHECK(count.parts > 0);
  CHECK(peer.ends());
}

TEST_CASE("a host that stops ends unread output at the border of a frame, and says why") {
  // It waits 300 ms for the peer to take that. On a busy machine, this thread may be kept waiting for longer.
  bool told = false;
  for (int tries = 0; tries < 5 && !told; ++tries) {
    Streaming host;
    RawPeer peer = RawPeer::connect(host.path());
    REQUIRE(peer.greet());
    for (std::uint64_t id = 1; id <= 3; ++id) peer.send_frame(raw_call(id, "streams.send", order(500, 100'000)));
    RawPeer reads = RawPeer::connect(host.path());
    REQUIRE(reads.greet());
    std::this_thread::sleep_for(200ms);
    std::thread stops([&host] { host.server->shutdown(0ms); });
    CHECK(Taker::eventually([&] { return host.logged("has not read all of its answers"); }));
    Count count;
    count.read(peer, 5s);  // a damaged frame would throw
    CHECK(count.parts > 0);
    CHECK(count.end == -1);
    told = count.message == "the host has stopped";
    CHECK(peer.ends());
    Count other;
    other.read(reads, 5s);
    CHECK(other.message.empty());
    stops.join();
  }
  CHECK(told);
}

TEST_CASE("a peer that reads slowly, or only listens, is not disconnected") {
  ServerOptions options;
  options.stalled_client = 2s;  // less than the parts take below, and more than a busy machine keeps a thread waiting
  options.max_event_output = 65'536;
  Streaming host(options);
  RawPeer listener = RawPeer::connect(host.path());
  REQUIRE(listener.greet());
  listener.send_frame(wire::Listen{1, 1, "*"});
  REQUIRE(listener.receive_as<wire::Reply>());
  const Client good(host.path());
  for (int i = 0; i < 3'000; ++i) {
    Result result;
    REQUIRE(good.call("timer.echo", delayed(std::string(400, 'e'), 0), 0, result) == BP_OK);
  }
  RawPeer slow = RawPeer::connect(host.path());
  REQUIRE(slow.greet());
  slow.send_frame(raw_call(1, "streams.send", order(60, 100'000)));
  std::uint64_t parts = 0;
  for (;;) {
    const auto reply = slow.receive_as<wire::Reply>();
    REQUIRE(reply);
    if (reply->status == BP_OK) break;
    if (reply->status == BP_STALE) continue;
    ++parts;
    std::this_thread::sleep_for(50ms);
  }
  CHECK(parts == 60);
  listener.send_frame(raw_call(2, "echo.raw", "here"));
  bool answered = false;
  while (!answered) {
    const auto frame = listener.receive();
    REQUIRE(frame);
    answered = std::holds_alternative<wire::Reply>(*frame);
  }
}

TEST_CASE("a request goes to the host in parts") {
  Streaming host;
  const Client client(host.path());
  const char* const name = GENERATE("streams.sum", "streams.echo");
  Taker taker;
  const bp_request request = taker.submit(client.context, name, order(0, 0), BP_SUBMIT_PARTS);
  const bool counts_first = std::string_view(name) == "streams.sum";
  for (std::uint64_t n = 1; n <= 1'000; ++n) {
    const std::string part = piece(n, 30'000);
    const bp_bytes bytes{reinterpret_cast<const std::uint8_t*>(part.data()), part.size()};
    for (;;) {
      const std::uint64_t before = taker.credits;
      const bp_status status = bp_request_part(client.context, request, bytes, n == 1'000 ? BP_PART_LAST : 0);
      if (status == BP_OK) break;
      REQUIRE(status == BP_WOULD_BLOCK);
      REQUIRE(Taker::eventually([&] { return taker.credits != before; }));
    }
  }
  REQUIRE(taker.ended());
  CHECK(taker.status == BP_OK);
  CHECK(Value::of(taker.text)["parts"].number == (counts_first ? 1'001 : 1'000));
  CHECK(taker.parts == (counts_first ? 0 : 1'000));
}

TEST_CASE("parts and credit that the protocol does not allow end the connection") {
  Streaming host;
  const Client good(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  const auto farewell = [&peer] {
    Count count;
    while (count.message.empty()) count.read(peer, 5s);
    return count.message;
  };
  SECTION("more parts than the window") {
    peer.send_frame(raw_call(1, "streams.slow_sum", order(0, 0, 60'000), BP_SUBMIT_PARTS));
    const std::string part = piece(1, 300'000);
    for (int i = 0; i < 6; ++i) peer.send_frame(wire::Part{1, wire::as_bytes(part), 0});
    CHECK(farewell().find("beyond the call's window") != std::string::npos);
  }
  SECTION("a part of a call that did not ask for any") {
    peer.send_frame(raw_call(1, "streams.nap", order(0, 0, 60'000)));
    peer.send_frame(wire::Part{1, {}, 0});
    CHECK(farewell().find("a part frame for a call without flag 2") != std::string::npos);
  }
  SECTION("a part after the last") {
    peer.send_frame(raw_call(1, "streams.slow_sum", order(0, 0, 60'000), BP_SUBMIT_PARTS));
    peer.send_frame(wire::Part{1, {}, BP_PART_LAST});
    peer.send_frame(wire::Part{1, {}, 0});
    CHECK(farewell().find("after its last part") != std::string::npos);
  }
  SECTION("an unknown flag of a part") {
    peer.send_frame(raw_call(1, "streams.sum", order(0, 0), BP_SUBMIT_PARTS));
    peer.send_frame(wire::Part{1, {}, 4});
    CHECK(farewell().find("the flags 4 and 0 bytes; expected flags 0 or 1") != std::string::npos);
  }
  SECTION("an end with bytes") {
    const std::string part = piece(1, 1);
    peer.send_frame(raw_call(1, "streams.sum", order(0, 0), BP_SUBMIT_PARTS));
    peer.send_frame(wire::Part{1, wire::as_bytes(part), BP_PART_END});
    CHECK(farewell().find("flags 2 without bytes") != std::string::npos);
  }
  SECTION("credit for a call that did not ask for it") {
    peer.send_frame(raw_call(1, "streams.nap", order(0, 0, 60'000)));
    peer.send_frame(wire::Credit{1, 1});
    CHECK(farewell().find("a credit frame for a call without flag 1") != std::string::npos);
  }
  CHECK(good.served());
}

TEST_CASE("parts of a call that has ended are passed over, as they may cross its end") {
  Streaming host;
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  peer.send_frame(wire::Part{5, {}, 0});
  peer.send_frame(wire::Credit{5, 1});
  peer.send_frame(raw_call(6, "echo.raw", "served"));
  CHECK(peer.receive_as<wire::Reply>());
}

TEST_CASE("a side that speaks older versions too is spoken with") {
  Streaming host;
  RawPeer both = RawPeer::connect(host.path());
  both.send_frame(wire::Hello{7, "9.9.9", 1, wire::default_max_frame, 1, {}});
  const auto hello = both.receive_as<wire::Hello>();
  REQUIRE(hello);
  CHECK(hello->oldest == 1);
  CHECK(hello->features.credit);
  CHECK(hello->features.parts);
  RawPeer newer = RawPeer::connect(host.path());
  newer.send_frame(wire::Hello{7, "9.9.9", 1, wire::default_max_frame, 2, {}});
  CHECK(newer.receive_as<wire::Error>());
}

TEST_CASE("between the calls of an innocent connection, a greedy one begins few") {
  Streaming host;
  RawPeer greedy = RawPeer::connect(host.path());
  REQUIRE(greedy.greet());
  constexpr int many = 3'000;
  const char* const name = GENERATE("streams.spin", "streams.block");
  const std::string payload = numbers({{"us", 400}});
  const Beside sender(greedy, [&] {
    for (std::uint64_t id = 1; id <= many; ++id) greedy.send_frame(raw_call(id, name, payload));
  });
  RawPeer innocent = RawPeer::connect(host.path());
  REQUIRE(innocent.greet());
  const std::string at_once = numbers({{"us", 0}});
  constexpr int rounds = 10;
  constexpr int together = 20;
  std::vector<std::uint64_t> between;
  std::uint64_t last = 0;
  for (int round = 0; round < rounds; ++round) {
    // They wait together, so that what begins between two of them does not depend on how fast an answer travels.
    wire::Bytes calls;
    for (std::uint64_t id = 1; id <= together; ++id) wire::encode(calls, raw_call(id, name, at_once));
    REQUIRE(innocent.send(wire::View(calls)));
    for (int i = 0; i < together; ++i) {
      const auto reply = innocent.receive_as<wire::Reply>();
      REQUIRE(reply);
      REQUIRE(reply->status == BP_OK);
      const std::uint64_t begun = Value::of(wire::as_text(reply->payload))["begun"].number;
      if (i != 0) between.push_back(begun - last);
      last = begun;
    }
  }
  // In turns, one call of the greedy connection begins between two of the innocent one.
  std::sort(between.begin(), between.end());
  CHECK(between[between.size() / 2] <= 3);
  // In the order of their arrival, each round would wait for all that the greedy connection has sent before it.
  CHECK(last < many);
  int answers = 0;
  while (answers < many && greedy.receive_as<wire::Reply>()) ++answers;
  CHECK(answers == many);
}
