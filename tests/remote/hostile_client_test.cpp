// SPDX-License-Identifier: Apache-2.0
//
// Applications that violate the protocol or misbehave. They get an error and are disconnected, and all other
// applications are served.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <deque>
#include <random>
#include <thread>

#include "served.hpp"
#include "support/gap_event.hpp"

using namespace backplane::host;
using namespace std::chrono_literals;

namespace {

// The error frame that the host ends a connection with.
std::string farewell(RawPeer& peer) {
  while (const auto frame = peer.receive()) {
    if (const auto* error = std::get_if<wire::Error>(&*frame)) return std::string(error->message);
  }
  return "no error frame";
}

wire::Call raw_call(std::uint64_t id, const char* name, std::string_view payload) {
  return {id, {0, name}, wire::as_bytes(payload), 0, 0};
}

}  // namespace

TEST_CASE("bytes that are no frames end their connection with an error that says what was wrong") {
  Served host;
  const Client good(host.path());
  const auto farewell_to = [&](std::string_view bytes, bool greeted) {
    RawPeer peer = RawPeer::connect(host.path());
    if (greeted) REQUIRE(peer.greet());
    peer.send(bytes);
    std::string message = farewell(peer);
    CHECK(peer.ends());
    return message;
  };
  CHECK(farewell_to("GET / HTTP/1.1\r\n\r\n", false).find("a frame of 1195725856 bytes") != std::string::npos);
  CHECK(farewell_to("\x7f\xff\xff\xff", true).find("at most 67108864") != std::string::npos);
  CHECK(farewell_to(std::string_view("\0\0\0\1\xff", 5), true).find("expected an array") != std::string::npos);
  CHECK(farewell_to(std::string_view("\0\0\0\0", 4), true).find("ends too early") != std::string::npos);
  CHECK(farewell_to(std::string_view("\0\0\0\2\x81\x10", 6), true).find("reply frame") != std::string::npos);
  CHECK(farewell_to(std::string_view("\0\0\0\2\x82\x03", 6), false).find("elements, but only") != std::string::npos);
  CHECK(farewell_to(std::string_view("\0\0\0\3\x82\x03\x01", 7), false).find("before the hello") != std::string::npos);
  CHECK(good.served());
}

TEST_CASE("an application of another protocol version is told both versions") {
  Served host;
  RawPeer peer = RawPeer::connect(host.path());
  peer.send_frame(wire::Hello{2, "9.9.9", 1});
  const std::string message = farewell(peer);
  CHECK(message.find("(Backplane 9.9.9) uses version 2") != std::string::npos);
  CHECK(message.find("uses version 1") != std::string::npos);
  CHECK(peer.ends());
}

TEST_CASE("what is wrong in the middle of a conversation ends it") {
  Served host;
  const Client good(host.path());
  SECTION("a second hello") {
    RawPeer peer = RawPeer::connect(host.path());
    REQUIRE(peer.greet());
    peer.send_frame(wire::Hello{1, "0.1.0", 1});
    CHECK(farewell(peer).find("second hello") != std::string::npos);
  }
  SECTION("a call id that is in use") {
    RawPeer peer = RawPeer::connect(host.path());
    REQUIRE(peer.greet());
    peer.send_frame(raw_call(7, "timer.echo", delayed("x", 30'000)));
    peer.send_frame(raw_call(7, "echo.raw", "x"));
    CHECK(farewell(peer).find("id 7 is in use") != std::string::npos);
  }
  SECTION("a listener id that is in use") {
    RawPeer peer = RawPeer::connect(host.path());
    REQUIRE(peer.greet());
    peer.send_frame(wire::Listen{1, 5, "*"});
    peer.send_frame(wire::Listen{2, 5, "*"});
    CHECK(farewell(peer).find("id 5 is in use") != std::string::npos);
  }
  SECTION("a frame that only a host sends") {
    RawPeer peer = RawPeer::connect(host.path());
    REQUIRE(peer.greet());
    peer.send_frame(wire::Event{1, 0, "a.b", {}});
    CHECK(farewell(peer).find("event frame from an application") != std::string::npos);
  }
  CHECK(good.served());
}

TEST_CASE("a path that would mean another file to the host than to the peer is refused") {
  Served host;
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  const auto refused = [&](const auto& frame) {
    peer.send_frame(frame);
    const auto answer = peer.receive();
    REQUIRE(answer);
    const auto* reply = std::get_if<wire::Reply>(&*answer);
    REQUIRE(reply != nullptr);
    return reply->status == BP_INVALID_ARGUMENT && reply->message.find("absolute") != std::string_view::npos;
  };
  using namespace std::string_view_literals;
  for (const auto path : {""sv, "echo.so"sv, "/etc/passwd\0.so"sv}) {
    CAPTURE(path);
    CHECK(refused(wire::Load{1, wire::as_bytes(path), {}}));
    if (!path.empty()) CHECK(refused(wire::Reload{2, "echo", wire::as_bytes(path), {}, 0}));
  }
}

TEST_CASE("a host goes on after random bytes, half frames and sudden ends") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  Served host;
  const Client good(host.path());
  wire::Bytes talk;
  wire::encode(talk, wire::Hello{1, "0.1.0", 1});
  wire::encode(talk, raw_call(1, "echo.raw", "abc"));
  wire::encode(talk, wire::Listen{2, 1, "timer.*"});
  wire::encode(talk, raw_call(3, "timer.echo", delayed("x", 10'000)));
  wire::encode(talk, wire::Cancel{3});
  wire::encode(talk, wire::Resolve{4, "echo.raw"});
  wire::encode(talk, wire::Unlisten{5, 1});
  wire::encode(talk, wire::List{6});
  wire::encode(talk, wire::Unload{7, "no_such", 1});
  for (int round = 0; round < 300; ++round) {
    RawPeer peer = RawPeer::connect(host.path());
    wire::Bytes bytes(talk.begin(), talk.begin() + static_cast<std::ptrdiff_t>(random() % (talk.size() + 1)));
    for (unsigned changes = round % 3; changes != 0 && !bytes.empty(); --changes) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    peer.send(wire::View(bytes));
    if (round % 4 == 0) ::shutdown(peer.fd(), SHUT_WR);
    if (round % 5 == 0) peer.receive(1ms);
  }
  CHECK(good.served());
}

TEST_CASE("two hundred connections are served at once") {
  Served host;
  std::deque<Client> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(host.path());
  std::deque<RawPeer> raw;
  for (int i = 0; i < 100; ++i) raw.push_back(RawPeer::connect(host.path()));
  for (RawPeer& peer : raw) REQUIRE(peer.greet());
  std::deque<Replies> replies;
  for (Client& client : clients) {
    const bp_submission s = submission("echo.raw", "x", replies.emplace_back());
    REQUIRE(bp_submit(client.context, &s, nullptr) == BP_OK);
  }
  for (RawPeer& peer : raw) peer.send_frame(raw_call(1, "echo.raw", "y"));
  for (Replies& r : replies) REQUIRE(r.wait().payload == "x");
  for (RawPeer& peer : raw) {
    const auto reply = peer.receive_as<wire::Reply>();
    REQUIRE(reply);
    REQUIRE(wire::as_text(reply->payload) == "y");
  }
}

TEST_CASE("one connection more than a host takes is told so") {
  ServerOptions options;
  options.max_connections = 3;
  options.management_connections = 0;
  Served host(options);
  {
    const Client a(host.path()), b(host.path()), c(host.path());
    RawPeer peer = RawPeer::connect(host.path());
    CHECK(farewell(peer).find("already serves 3 connections") != std::string::npos);
    CHECK(a.served());
  }
  // The places are free again once the host has seen them go.
  for (int i = 0; i < 1000; ++i) {
    RawPeer peer = RawPeer::connect(host.path());
    if (peer.greet()) return;
    std::this_thread::sleep_for(1ms);
  }
  FAIL("no place became free");
}

TEST_CASE("who says nothing is disconnected after a while") {
  ServerOptions options;
  options.hello_timeout = 20ms;
  Served host(options);
  RawPeer peer = RawPeer::connect(host.path());
  CHECK(farewell(peer).find("no hello arrived within 20 ms") != std::string::npos);
  const Client client(host.path());
  std::this_thread::sleep_for(40ms);
  CHECK(client.served());
}

TEST_CASE("a connection that ends takes its open calls and its listeners with it") {
  Served host;
  {
    RawPeer peer = RawPeer::connect(host.path());
    REQUIRE(peer.greet());
    peer.send_frame(wire::Listen{1, 1, "*"});
    for (std::uint64_t id = 2; id < 102; ++id) peer.send_frame(raw_call(id, "timer.echo", delayed("x", 50'000)));
    REQUIRE(peer.receive_as<wire::Reply>());
  }
  // With calls left the stop would take its whole bound, and then say so.
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000 && !host.logged("is gone"); ++i) std::this_thread::sleep_for(1ms);
  CHECK(bp_context_stop(host.embedded.context, 20'000) == BP_OK);
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
}

TEST_CASE("who asks and does not read is not read from either, and gets all answers once it reads") {
  ServerOptions options;
  options.max_output = 1 << 20;
  Served host(options);
  const Client good(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  constexpr std::uint64_t count = 400;
  const std::string payload(50'000, 'x');
  // 20 MB: far more than the sockets and the bound take in.
  std::thread sender([&] {
    for (std::uint64_t id = 1; id <= count; ++id) peer.send_frame(raw_call(id, "echo.raw", payload));
  });
  std::this_thread::sleep_for(50ms);
  CHECK(good.served());
  std::uint64_t answers = 0;
  while (answers < count) {
    const auto reply = peer.receive_as<wire::Reply>();
    if (!reply) break;
    ++answers;
    CHECK(reply->payload.size() == payload.size());
  }
  CHECK(answers == count);
  sender.join();
}

TEST_CASE("who sends large calls that take long is refused what goes beyond its bytes, and gets all answers") {
  ServerOptions options;
  options.bytes_per_connection = 1 << 20;
  Served host(options);
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  constexpr int count = 100;
  const std::string payload = delayed(std::string(50'000, 'x'), 300);  // 5 MB
  std::thread sender([&] {
    for (int id = 1; id <= count; ++id) {
      if (!peer.send_frame(raw_call(static_cast<std::uint64_t>(id), "timer.echo", payload))) return;
    }
  });
  int answered = 0;
  int refused = 0;
  while (answered + refused < count) {
    const auto reply = peer.receive_as<wire::Reply>();
    if (!reply) break;
    if (reply->status == BP_OK) ++answered;
    if (reply->status != BP_OVERLOADED) continue;
    ++refused;
    CHECK(reply->message == "bytes in flight of this connection: 1048576 (bytes_per_connection); wait for answers");
  }
  sender.join();
  CHECK(answered + refused == count);
  CHECK(answered >= 20);  // a megabyte of them
  CHECK(refused > 0);
}

TEST_CASE("who listens and does not read holds nobody up, and is told how many events it has lost once it reads") {
  ServerOptions options;
  options.max_event_output = 1 << 20;
  Served host(options);
  const Client good(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  peer.send_frame(wire::Listen{1, 1, "timer.*"});
  REQUIRE(peer.receive_as<wire::Reply>());
  const std::string message(100'000, 'x');
  constexpr std::uint64_t total = 100;
  for (std::uint64_t i = 0; i < total; ++i) {
    Result result;
    REQUIRE(good.call("timer.echo", delayed(message, 0), 10'000, result) == BP_OK);
  }
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;
  while (delivered + lost < total) {
    const auto event = peer.receive_as<wire::Event>();
    REQUIRE(event);
    CHECK(event->listener == 1);
    if ((event->flags & BP_EVENT_GAP) == 0) {
      ++delivered;
      continue;
    }
    CHECK(event->name == "backplane.gap");
    const auto gap = GapEvent::read(event->payload);
    REQUIRE(gap);
    CHECK(gap->events > 0);
    CHECK(gap->since_ms > 1'600'000'000'000);
    lost += gap->events;
  }
  CHECK(delivered + lost == total);
  CHECK(lost > 0);
  CHECK(delivered >= 10);  // a megabyte of them; and what the sockets hold
  // It is as good as new.
  Result result;
  REQUIRE(good.call("timer.echo", delayed("again", 0), 10'000, result) == BP_OK);
  const auto event = peer.receive_as<wire::Event>();
  REQUIRE(event);
  CHECK(event->flags == BP_EVENT_TYPED);
  CHECK(good.served());
}

TEST_CASE("an answer beyond what the application takes becomes an error that says so") {
  Served host;
  RawPeer peer = RawPeer::connect(host.path());
  wire::Hello hello{1, "0.1.0", 1};
  hello.max_frame = 8192;
  peer.send_frame(hello);
  REQUIRE(peer.receive_as<wire::Hello>());
  peer.send_frame(raw_call(1, "echo.raw", std::string(10'000, 'x')));
  const auto reply = peer.receive_as<wire::Reply>();
  REQUIRE(reply);
  CHECK(reply->status == BP_NOT_SUPPORTED);
  CHECK(reply->message.find("at most 8192") != std::string::npos);
  peer.send_frame(raw_call(2, "echo.raw", "small"));
  CHECK(wire::as_text(peer.receive_as<wire::Reply>()->payload) == "small");
}

TEST_CASE("more open calls than a connection may have are answered overloaded") {
  ServerOptions options;
  options.calls_per_connection = 10;
  Served host(options);
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  for (std::uint64_t id = 1; id <= 11; ++id) peer.send_frame(raw_call(id, "timer.echo", delayed("x", 20'000)));
  const auto reply = peer.receive_as<wire::Reply>();
  REQUIRE(reply);
  CHECK(reply->id == 11);
  CHECK(reply->status == BP_OVERLOADED);
  peer.send_frame(wire::Cancel{3});
  const auto canceled = peer.receive_as<wire::Reply>();
  REQUIRE(canceled);
  CHECK(canceled->id == 3);
  CHECK(canceled->status == BP_CANCELED);
}

TEST_CASE("a peer that asks for answers other than those of calls, and does not read them, is disconnected") {
  ServerOptions options;
  options.max_output = 1'000;
  Served host(options);
  const Client good(host.path());
  RawPeer peer = RawPeer::connect(host.path());
  REQUIRE(peer.greet());
  wire::Bytes many;
  for (std::uint64_t id = 1; id <= 20'000; ++id) wire::encode(many, wire::Resolve{id, "no.such.name"});
  peer.send(wire::View(many));
  CHECK(peer.ends());
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (!host.logged("it does not read its answers") && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  CHECK(host.logged("it does not read its answers"));
  CHECK(good.served());
}

TEST_CASE("another user is refused, even where the socket's mode would let it in") {
  if (::geteuid() != 0) {
    WARN("only root can become another user; nothing was tested");
    return;
  }
  Served host;
  REQUIRE(::chmod(host.path().c_str(), 0666) == 0);
  REQUIRE(::chmod((host.dir / "").c_str(), 0755) == 0);
  int answer[2];
  REQUIRE(::pipe2(answer, O_CLOEXEC) == 0);
  const sockaddr_un to = unix_address(host.path());
  const pid_t child = ::fork();
  if (child == 0) {  // system calls only: the other threads are not here
    char bytes[512];
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ssize_t size = -1;
    if (::setresuid(65534, 65534, 65534) == 0 &&
        ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
      size = ::read(fd, bytes, sizeof bytes);
    }
    if (size > 0 && ::write(answer[1], bytes, static_cast<std::size_t>(size)) < 0) ::_exit(2);
    ::_exit(size > 0 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  ::close(answer[1]);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  char bytes[512];
  const ssize_t size = ::read(answer[0], bytes, sizeof bytes);
  ::close(answer[0]);
  REQUIRE(size > 0);
  CHECK(std::string(bytes, static_cast<std::size_t>(size)).find("found user 65534 as the peer") != std::string::npos);
  CHECK(Client(host.path()).served());
}
