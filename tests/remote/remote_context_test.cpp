// SPDX-License-Identifier: Apache-2.0
//
// The library's end of a connection, against hosts that this test speaks for byte by byte.
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "pair.hpp"
#include "sleeping_threads.hpp"

using namespace backplane::host;
using namespace std::chrono_literals;

namespace {

Failure refusal(const std::string& path, std::uint32_t timeout_ms = 5000) {
  std::unique_ptr<Endpoint> out;
  Failure why;
  const bp_status status = connect(options_for(path, timeout_ms), out, why);
  CHECK(status == why.status);
  CHECK(out == nullptr);
  return why;
}

/// What a listener answers to the first bytes that come.
std::thread answer_once(RawListener& listener, std::string bytes) {
  return std::thread([&listener, bytes = std::move(bytes)] {
    RawPeer peer = listener.accept();
    peer.receive();
    peer.send(bytes);
  });
}

}  // namespace

TEST_CASE("where nobody listens the answer is unreachable, and says what to do") {
  const TempDir dir;
  const Failure none = refusal(dir / "s");
  CHECK(none.status == BP_UNREACHABLE);
  CHECK(none.message.find("the socket does not exist") != std::string::npos);
  CHECK(none.message.find("backplane run --socket") != std::string::npos);
  { const RawListener gone(dir / "s"); }
  const Failure stale = refusal(dir / "s");
  CHECK(stale.status == BP_UNREACHABLE);
  CHECK(stale.message.find("no process listens") != std::string::npos);
  std::ofstream(dir / "file") << "x";
  CHECK(refusal(dir / "file").status == BP_UNREACHABLE);
}

TEST_CASE("a listener that never answers costs no more than the timeout") {
  const TempDir dir;
  const RawListener mute(dir / "s");
  const auto begin = std::chrono::steady_clock::now();
  CHECK(refusal(dir / "s", 60).status == BP_TIMEOUT);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("a listener that is no Backplane host is told from one") {
  const TempDir dir;
  RawListener listener(dir / "s");
  wire::Bytes newer;
  wire::encode(newer, wire::Hello{2, "9.0.0", 1});
  wire::Bytes error;
  wire::encode(error, wire::Error{BP_PROTOCOL, "too old for me"});
  wire::Bytes event;
  wire::encode(event, wire::Event{1, 0, "a.b", {}});
  const std::array<std::pair<std::string, std::string>, 7> cases{{
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "a frame of 1213486160 bytes"},
      {std::string("\0\0\0\1\x1c", 5), "not well-formed CBOR"},
      {std::string("\0\0\0\1\xff", 5), "begins with end; expected an array"},
      {"", "closed the connection without a hello"},
      {std::string(newer.begin(), newer.end()), "version 2"},
      {std::string(error.begin(), error.end()), "too old for me"},
      {std::string(event.begin(), event.end()), "event frame"},
  }};
  for (const auto& [bytes, expected] : cases) {
    std::thread host = answer_once(listener, bytes);
    const Failure why = refusal(dir / "s");
    host.join();
    CHECK(why.status == BP_PROTOCOL);
    INFO(why.message);
    CHECK(why.message.find(expected) != std::string::npos);
  }
}

TEST_CASE("replies find their calls in whatever order they come, parts before the end") {
  Pair pair;
  Replies a, b;
  REQUIRE(pair.context->submit(submission("x.a", "A", a), nullptr) == BP_OK);
  REQUIRE(pair.context->submit(submission("x.b", "B", b), nullptr) == BP_OK);
  const std::uint64_t first = pair.next_call();
  const std::uint64_t second = pair.next_call();
  CHECK(first != second);
  pair.answer(second, BP_PARTIAL, "1");
  pair.answer(first, BP_STALE, "5000");
  pair.answer(second, BP_PARTIAL, "2");
  pair.answer(second, BP_OK, "b");
  pair.answer(first, BP_OK, "a");
  CHECK(a.wait().payload == "a");
  CHECK(b.wait().payload == "b");
  REQUIRE(b.all().size() == 3);
  CHECK(b.all()[1].payload == "2");
  CHECK(a.all()[0].status == BP_STALE);
}

TEST_CASE("each open call ends once with unreachable when the host goes, and so does each later one") {
  Pair pair;
  constexpr std::size_t count = 500;
  std::deque<Replies> replies(count);
  for (Replies& r : replies) REQUIRE(pair.context->submit(submission("x.y", "", r), nullptr) == BP_OK);
  pair.answer(pair.next_call(), BP_OK, "");
  pair.host->close();
  std::size_t unreachable = 0;
  for (Replies& r : replies) unreachable += r.wait().status == BP_UNREACHABLE ? 1 : 0;
  CHECK(unreachable >= count - 1);
  Replies late;
  bp_status status = BP_OK;
  while ((status = pair.context->submit(submission("x.y", "", late), nullptr)) == BP_OK) late.wait();
  CHECK(status == BP_UNREACHABLE);
  pair.context.reset();
  for (Replies& r : replies) CHECK(r.terminal() == 1);
}

TEST_CASE("listeners learn that the connection is lost, after all events that came before") {
  struct Seen {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> names;
  } seen;
  Pair pair;
  bp_listener id{};
  std::thread host([&] {
    const auto listen = pair.host->receive_as<wire::Listen>();
    // The first event may come before the reply.
    pair.host->send_frame(wire::Event{listen->listener, 0, "a.b", {}});
    pair.answer(listen->id, BP_OK, "");
  });
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.pattern = BP_STR("*");
  subscription.user = &seen;
  subscription.on_event = [](void* user, const bp_event* event) {
    auto& self = *static_cast<Seen*>(user);
    const std::lock_guard lock(self.mutex);
    self.names.emplace_back(event->name.data, event->name.size);
    self.changed.notify_all();
  };
  const bp_status status = pair.context->listen(subscription, id);
  host.join();
  REQUIRE(status == BP_OK);
  CHECK(id.id == 1);
  pair.host->close();
  std::unique_lock lock(seen.mutex);
  REQUIRE(seen.changed.wait_for(lock, 10s, [&] { return seen.names.size() == 2; }));
  CHECK(seen.names[0] == "a.b");
  CHECK(seen.names[1] == "backplane.disconnected");
}

TEST_CASE("a host that has been stopped does not hang a call that has a deadline") {
  Pair pair;
  Replies replies;
  Replies without;
  REQUIRE(pair.context->submit(submission("x.y", "", without), nullptr) == BP_OK);
  REQUIRE(pair.context->submit(submission("x.y", "", replies, 30), nullptr) == BP_OK);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(replies.wait().status == BP_DEADLINE);
  CHECK(std::chrono::steady_clock::now() - begin > 30ms);
  CHECK(without.terminal() == 0);
  // It wakes up at last: what it says now of a call that has ended changes nothing.
  pair.next_call();
  const std::uint64_t late = pair.next_call();
  pair.answer(late, BP_OK, "late");
  CHECK(pair.host->receive_as<wire::Cancel>()->id == late);
  pair.context->stop(1);
  CHECK(replies.terminal() == 1);
  CHECK(without.terminal() == 1);
}

TEST_CASE("a deadline ends a call also if everything slept when it was submitted, or slept for a later one") {
  Pair pair;
  Replies long_ones[2];
  Replies short_ones[2];
  for (int i = 0; i < 2; ++i) {
    REQUIRE(wait_until_others_sleep());
    REQUIRE(pair.context->submit(submission("x.y", "", short_ones[i], 20), nullptr) == BP_OK);
    CHECK(short_ones[i].wait().status == BP_DEADLINE);
    REQUIRE(pair.context->submit(submission("x.y", "", long_ones[i], 3'600'000), nullptr) == BP_OK);
  }
  for (Replies& replies : long_ones) CHECK(replies.terminal() == 0);
  pair.context->stop(1);
  for (Replies& replies : long_ones) CHECK(replies.terminal() == 1);
}

TEST_CASE("an answer within the deadline wins, and deadlines of ended calls do nothing") {
  Pair pair;
  std::deque<Replies> replies(300);
  std::thread host([&] {
    for (std::size_t i = 0; i < 300; ++i) {
      const auto call = pair.host->receive_as<wire::Call>();
      if (call) pair.answer(call->id, BP_OK, "x");
    }
  });
  for (Replies& r : replies) {
    REQUIRE(pair.context->submit(submission("x.y", "", r, 1), nullptr) == BP_OK);
    CHECK(r.wait().status == BP_OK);
  }
  host.join();
  Replies last;
  REQUIRE(pair.context->submit(submission("x.y", "", last, 1), nullptr) == BP_OK);
  CHECK(last.wait().status == BP_DEADLINE);
  for (Replies& r : replies) CHECK(r.terminal() == 1);
}

TEST_CASE("a host that answers twice, for nobody, or nonsense, gets no second callback") {
  Pair pair;
  Replies a, b;
  REQUIRE(pair.context->submit(submission("x.a", "", a), nullptr) == BP_OK);
  REQUIRE(pair.context->submit(submission("x.b", "", b), nullptr) == BP_OK);
  const std::uint64_t id = pair.next_call();
  pair.answer(999, BP_OK, "for nobody");
  pair.answer(id, BP_OK, "1");
  pair.answer(id, BP_OK, "2");
  pair.answer(id, BP_PARTIAL, "3");
  pair.host->send_frame(wire::Event{77, 0, "a.b", {}});
  pair.host->send_frame(wire::Call{1, {0, "a.b"}, {}, 0, 0});
  CHECK(b.wait().status == BP_UNREACHABLE);
  CHECK(b.wait().message.find("a call frame; expected a reply") != std::string::npos);
  REQUIRE(a.all().size() == 1);
  CHECK(a.all()[0].payload == "1");
}

TEST_CASE("the host's last words reach the calls that they end") {
  Pair pair;
  Replies replies;
  REQUIRE(pair.context->submit(submission("x.a", "", replies), nullptr) == BP_OK);
  pair.host->send_frame(wire::Error{BP_PROTOCOL, "enough"});
  pair.host->close();
  CHECK(replies.wait().status == BP_UNREACHABLE);
  CHECK(replies.wait().message.find("enough") != std::string::npos);
}
