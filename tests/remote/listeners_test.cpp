// SPDX-License-Identifier: Apache-2.0
//
// What the end of a connection with many listeners costs the others. The test replaces bp_unlisten(), so that it sees
// each removal, and can hold it up.
#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "cbor_value.hpp"
#include "served.hpp"

namespace wire = backplane::host::wire;
using namespace std::chrono_literals;

namespace {

constexpr int listeners = 4096;

/// Removals that have begun, and how many may begin before the others wait.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  int begun = 0;
  int allowed = INT32_MAX;
  bool gave_up = false;

  void pass() {
    std::unique_lock lock(mutex);
    ++begun;
    changed.notify_all();
    if (!changed.wait_for(lock, 20s, [this] { return begun <= allowed || gave_up; })) gave_up = true;
  }
  void allow(int count) {
    const std::lock_guard lock(mutex);
    allowed = count;
    changed.notify_all();
  }
  bool reached(int count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, [this, count] { return begun >= count; });
  }
  int count() {
    const std::lock_guard lock(mutex);
    return begun;
  }
  void reset() {
    const std::lock_guard lock(mutex);
    begun = 0;
    allowed = INT32_MAX;
    gave_up = false;
  }
};

Gate& gate() {
  static Gate gate;
  return gate;
}

/// A connection with as many listeners as it may have. Each third one has the pattern of an event.
RawPeer listening_peer(const std::string& path) {
  RawPeer peer = RawPeer::connect(path);
  REQUIRE(peer.greet());
  std::vector<std::string> patterns;
  for (std::uint64_t id = 1; id <= listeners; ++id) {
    patterns.push_back(id % 3 == 0 ? "timer.*" : "other.pattern" + std::to_string(id));
    peer.send_frame(wire::Listen{id, id, patterns.back()});
    REQUIRE(peer.receive_as<wire::Reply>());
  }
  return peer;
}

std::uint64_t count_of_listeners(const Served& host) {
  Result status;
  REQUIRE(bp_host_status(host.embedded.context, &status) == BP_OK);
  const Value report = Value::of(status.payload());
  std::uint64_t count = 0;
  for (const Value& each : report["contexts"].items) count += each["listeners"].number;
  return count;
}

}  // namespace

extern "C" bp_status bp_unlisten(bp_context context, bp_listener listener) {
  static const auto next = reinterpret_cast<bp_status (*)(bp_context, bp_listener)>(::dlsym(RTLD_NEXT, "bp_unlisten"));
  gate().pass();
  return next(context, listener);
}

TEST_CASE("while the listeners of a connection that has ended are removed, the other connections are served") {
  gate().reset();
  Served host;
  const Client innocent(host.path());
  RawPeer peer = listening_peer(host.path());
  REQUIRE(count_of_listeners(host) == listeners);
  gate().allow(0);
  peer.close();
  REQUIRE(gate().reached(1));
  for (int i = 0; i < 100; ++i) CHECK(innocent.served());
  Result result;
  CHECK(innocent.call("timer.echo", delayed("its event goes to listeners that are about to be removed", 0), 10'000,
                      result) == BP_OK);
  CHECK(gate().count() == 1);
  // A peer that comes meanwhile is welcomed before all are removed.
  RawPeer late = RawPeer::connect(host.path());
  gate().allow(listeners / 2);
  CHECK(late.greet());
  CHECK(gate().count() <= listeners / 2 + 1);
  gate().allow(listeners);
  REQUIRE(gate().reached(listeners));
  CHECK_FALSE(gate().gave_up);
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (count_of_listeners(host) != 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
  CHECK(count_of_listeners(host) == 0);
}

TEST_CASE("a server that ends removes the listeners of its connections first") {
  gate().reset();
  Served host;
  const RawPeer one = listening_peer(host.path());
  const RawPeer other = listening_peer(host.path());
  host.server->shutdown(0ms);
  CHECK(gate().count() == 2 * listeners);
  CHECK(count_of_listeners(host) == 0);
}

TEST_CASE("a connection counts in max_connections until its listeners are removed") {
  gate().reset();
  backplane::host::ServerOptions options;
  options.max_connections = 1;
  options.management_connections = 0;
  Served host(options);
  RawPeer peer = listening_peer(host.path());
  gate().allow(0);
  peer.close();
  REQUIRE(gate().reached(1));
  // The io thread is held, so no other is accepted. When it goes on, the removals that are left go on too.
  RawPeer early = RawPeer::connect(host.path());
  gate().allow(listeners / 2);
  early.send_frame(wire::Hello{1, "0.1.0", 1});
  const auto error = early.receive_as<wire::Error>();
  REQUIRE(error);
  CHECK(error->message.find("max_connections") != std::string::npos);
  gate().allow(listeners);
  REQUIRE(gate().reached(listeners));
  const auto until = std::chrono::steady_clock::now() + 20s;
  bool welcome = false;
  while (!welcome && std::chrono::steady_clock::now() < until) welcome = RawPeer::connect(host.path()).greet();
  CHECK(welcome);
}
