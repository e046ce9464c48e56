// SPDX-License-Identifier: Apache-2.0
//
// A host on a socket and applications that use it as the library lets them.
#include <sys/stat.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <thread>

#include "served.hpp"
#include "sleeping_threads.hpp"
#include "support/result.hpp"

using namespace backplane::host;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST_CASE("a connected context calls, resolves, lists, loads and unloads as an embedded one does") {
  Served host;
  Client client(host.path());
  Result raw;
  CHECK(client.call("echo.raw", std::string("a\0b", 3), 1000, raw) == BP_OK);
  CHECK(raw.payload() == std::string("a\0b", 3));

  Result unknown;
  CHECK(client.call("no.such", "", 1000, unknown) == BP_UNKNOWN_NAME);
  CHECK_FALSE(unknown.message().empty());
  Result wrong;
  CHECK(client.call("echo.shout", "\x01", 1000, wrong) == BP_BAD_PAYLOAD);
  CHECK_FALSE(wrong.message().empty());

  bp_method method{};
  CHECK(bp_method_find(client.context, BP_STR("echo.raw"), &method) == BP_OK);
  Replies by_method;
  bp_submission s = submission("", "m", by_method);
  s.method = method;
  REQUIRE(bp_submit(client.context, &s, nullptr) == BP_OK);
  CHECK(by_method.wait().payload == "m");
  CHECK(bp_method_find(client.context, BP_STR("no.such"), &method) == BP_UNKNOWN_NAME);

  Result list, embedded_list;
  CHECK(bp_module_list(client.context, &list) == BP_OK);
  CHECK(bp_module_list(host.embedded.context, &embedded_list) == BP_OK);
  CHECK(list.payload() == embedded_list.payload());
  Result status;
  CHECK(bp_host_status(client.context, &status) == BP_OK);
  CHECK_FALSE(status.payload().empty());

  Result loaded, unloaded, missing, refused;
  CHECK(load(client.context, "hello_c", &loaded) == BP_OK);
  CHECK(bp_module_unload(client.context, BP_STR("hello_c"), 0, &unloaded) == BP_OK);
  CHECK(bp_module_unload(client.context, BP_STR("hello_c"), 0, &missing) == BP_NOT_LOADED);
  CHECK_FALSE(missing.message().empty());
  CHECK(load(client.context, "no_such_file", &refused) == BP_LOAD_REFUSED);
  CHECK(refused.message().find("no_such_file.so") != std::string::npos);
}

TEST_CASE("the socket is private, and another host cannot have it") {
  Served host;
  struct stat info {};
  REQUIRE(::stat(host.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  ServerOptions options;
  options.socket_path = host.path();
  Server second(host.embedded.context, options, {});
  Failure why;
  try {
    second.start();
  } catch (const Failure& failure) {
    why = failure;
  }
  CHECK(why.status == BP_IO);
  CHECK(why.message.find("process " + std::to_string(::getpid())) != std::string::npos);
  CHECK(Client(host.path()).served());
}

TEST_CASE("ten thousand calls in flight are each answered once, with their own answer") {
  Served host;
  Client client(host.path());
  constexpr std::size_t count = 10'000;
  std::deque<Replies> replies(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string payload = std::to_string(i);
    const bp_submission s = submission("echo.raw", payload, replies[i]);
    REQUIRE(bp_submit(client.context, &s, nullptr) == BP_OK);
  }
  for (std::size_t i = 0; i < count; ++i) REQUIRE(replies[i].wait().payload == std::to_string(i));
  CHECK(client.destroy() == BP_OK);
  for (Replies& r : replies) REQUIRE(r.terminal() == 1);
}

TEST_CASE("payloads from nothing to megabytes come back unchanged") {
  Served host;
  Client client(host.path());
  for (const std::size_t size : {0u, 1u, 255u, 65'535u, 65'536u, 1'000'003u, 20'000'000u}) {
    std::string payload(size, 0);
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 31 % 251);
    Result result;
    REQUIRE(client.call("echo.raw", payload, 30'000, result) == BP_OK);
    REQUIRE(result.payload() == payload);
  }
}

TEST_CASE("an answer in parts arrives part by part, then its end") {
  Served host;
  Client client(host.path());
  Replies replies;
  const std::string payload = ticks(5, 1);
  const bp_submission s = submission("timer.ticks", payload, replies);
  REQUIRE(bp_submit(client.context, &s, nullptr) == BP_OK);
  CHECK(replies.wait().status == BP_OK);
  const auto all = replies.all();
  REQUIRE(all.size() == 6);
  for (std::size_t i = 0; i < 5; ++i) CHECK(all[i].status == BP_PARTIAL);
}

TEST_CASE("a deadline and a cancel reach the handler's call through the socket") {
  Served host;
  Client client(host.path());
  Result late;
  const auto begin = Clock::now();
  CHECK(client.call("timer.echo", delayed("x", 30'000), 30, late) == BP_DEADLINE);
  CHECK(Clock::now() - begin < 5s);

  Replies replies;
  const std::string payload = delayed("x", 30'000);
  const bp_submission s = submission("timer.echo", payload, replies);
  bp_request request{};
  REQUIRE(bp_submit(client.context, &s, &request) == BP_OK);
  CHECK(bp_cancel(client.context, request) == BP_OK);
  CHECK(replies.wait().status == BP_CANCELED);
  CHECK(bp_cancel(client.context, request) == BP_INVALID_HANDLE);
}

namespace {

struct Events {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> payloads;
  std::atomic<bool> alive{true};
  std::atomic<bool> misused{false};

  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Events*>(user);
    if (!self.alive) self.misused = true;
    const std::lock_guard lock(self.mutex);
    self.payloads.emplace_back(reinterpret_cast<const char*>(event->payload.data), event->payload.size);
    self.changed.notify_all();
  }
  bool wait(std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [&] { return payloads.size() >= count; });
  }
};

}  // namespace

TEST_CASE("events come in the order in which they were emitted, to every application that listens") {
  Served host;
  Client emitter(host.path());
  Client listener(host.path());
  Events near, far;
  bp_listener near_id{}, far_id{};
  REQUIRE(bp_listen(host.embedded.context, BP_STR("timer.echo_fired"), Events::on_event, &near, &near_id) == BP_OK);
  REQUIRE(bp_listen(listener.context, BP_STR("timer.*"), Events::on_event, &far, &far_id) == BP_OK);
  constexpr std::size_t count = 500;
  for (std::size_t i = 0; i < count; ++i) {
    Result result;
    REQUIRE(emitter.call("timer.echo", delayed(std::to_string(i), 0), 10'000, result) == BP_OK);
  }
  REQUIRE(near.wait(count));
  REQUIRE(far.wait(count));
  CHECK(bp_unlisten(listener.context, far_id) == BP_OK);
  CHECK(bp_unlisten(listener.context, far_id) == BP_INVALID_HANDLE);
  CHECK(bp_unlisten(host.embedded.context, near_id) == BP_OK);
  CHECK(near.payloads.size() == count);
  CHECK(near.payloads == far.payloads);
  bp_listener none{};
  CHECK(bp_listen(listener.context, BP_STR("Not a name"), Events::on_event, &far, &none) == BP_INVALID_ARGUMENT);
}

TEST_CASE("once bp_unlisten has returned nothing comes, however many events are on the way") {
  Served host;
  Client client(host.path());
  std::atomic<bool> done{false};
  std::thread emitter([&] {
    Client other(host.path());
    while (!done) {
      Result result;
      other.call("timer.echo", delayed("x", 0), 10'000, result);
    }
  });
  for (int round = 0; round < 100; ++round) {
    Events events;
    bp_listener id{};
    const bool ok = bp_listen(client.context, BP_STR("*"), Events::on_event, &events, &id) == BP_OK;
    if (ok && round % 2 == 0) events.wait(1);
    const bool gone = ok && bp_unlisten(client.context, id) == BP_OK;
    events.alive = false;
    if (round % 10 == 0) std::this_thread::sleep_for(1ms);
    if (!gone || events.misused) done = true;
    CHECK(gone);
    CHECK_FALSE(events.misused);
  }
  done = true;
  emitter.join();
}

TEST_CASE("a poller cannot be set over a connection") {
  Served host;
  Client client(host.path());
  CHECK(bp_poller_set(client.context, nullptr) == BP_NOT_SUPPORTED);
}

TEST_CASE("a request to stop reaches the owner of the server, and is acknowledged") {
  Served host;
  Client client(host.path());
  CHECK(bp_host_stop(client.context) == BP_OK);
  for (int i = 0; i < 1000 && host.stops == 0; ++i) std::this_thread::sleep_for(1ms);
  CHECK(host.stops == 1);
  CHECK(client.served());
}

TEST_CASE("at the end open calls are answered within the bound, and the socket goes") {
  Served host;
  Client client(host.path());
  std::deque<Replies> replies(50);
  const std::string payload = delayed("in time", 100);
  for (Replies& r : replies) {
    const bp_submission s = submission("timer.echo", payload, r);
    REQUIRE(bp_submit(client.context, &s, nullptr) == BP_OK);
  }
  REQUIRE(client.served());  // so that the host has them
  host.server->shutdown(10s);
  for (Replies& r : replies) CHECK(r.wait().status == BP_OK);
  CHECK_FALSE(std::filesystem::exists(host.path()));
  CHECK_FALSE(std::filesystem::exists(host.path() + ".lock"));
  Result after;
  CHECK(client.call("echo.raw", "", 1000, after) == BP_UNREACHABLE);
}

TEST_CASE("at the end calls that outlast the bound are canceled, each answered once") {
  Served host;
  Client client(host.path());
  std::deque<Replies> replies(50);
  const std::string payload = delayed("too late", 50'000);
  for (Replies& r : replies) {
    const bp_submission s = submission("timer.echo", payload, r);
    REQUIRE(bp_submit(client.context, &s, nullptr) == BP_OK);
  }
  REQUIRE(client.served());
  const auto begin = Clock::now();
  host.server->shutdown(20ms);
  CHECK(Clock::now() - begin < 5s);
  for (Replies& r : replies) {
    const auto last = r.wait();
    CHECK(last.status == BP_CANCELED);
    CHECK(last.message == "the host stopped before the call ended");
  }
  client.destroy();
  for (Replies& r : replies) CHECK(r.terminal() == 1);
}

TEST_CASE("while the request thread is kept, applications connect and are answered what needs no handler") {
  Served host;
  Client before(host.path());
  std::atomic<bool> kept{false};
  std::atomic<bool> go_on{false};
  struct Keep {
    std::atomic<bool>& kept;
    std::atomic<bool>& go_on;
  } keep{kept, go_on};
  const bool asleep = GENERATE(false, true);  // when the call comes that keeps the thread
  if (asleep) REQUIRE(wait_until_others_sleep());
  bp_submission s{};
  s.struct_size = sizeof s;
  s.name = BP_STR("echo.raw");
  s.user = &keep;
  s.on_reply = [](void* user, const bp_answer*) {
    auto& self = *static_cast<Keep*>(user);
    self.kept = true;
    while (!self.go_on) std::this_thread::yield();
  };
  REQUIRE(bp_submit(host.embedded.context, &s, nullptr) == BP_OK);
  while (!kept) std::this_thread::yield();
  Replies later;
  const bp_submission call = submission("echo.raw", "later", later);
  REQUIRE(bp_submit(before.context, &call, nullptr) == BP_OK);
  Client during(host.path());
  for (const Client* client : {&before, &during}) {
    Result modules;
    CHECK(bp_module_list(client->context, &modules) == BP_OK);
    bp_method method{};
    CHECK(bp_method_find(client->context, BP_STR("echo.raw"), &method) == BP_OK);
  }
  CHECK(later.terminal() == 0);
  go_on = true;
  CHECK(later.wait().payload == "later");
  CHECK(during.served());
}

TEST_CASE("the end does not wait for a request thread that is kept") {
  Served host;
  Client client(host.path());
  std::atomic<bool> go_on{false};
  bp_submission s{};
  s.struct_size = sizeof s;
  s.name = BP_STR("echo.raw");
  s.user = &go_on;
  s.on_reply = [](void* user, const bp_answer*) {
    while (!*static_cast<std::atomic<bool>*>(user)) std::this_thread::yield();
  };
  REQUIRE(bp_submit(host.embedded.context, &s, nullptr) == BP_OK);
  Replies replies;
  const bp_submission call = submission("echo.raw", "x", replies);
  REQUIRE(bp_submit(client.context, &call, nullptr) == BP_OK);
  const auto begin = Clock::now();
  host.server->shutdown(1ms);
  CHECK(Clock::now() - begin < 5s);
  // The server may read the call only when it is already closing: then it refuses the call.
  const bp_status ended = replies.wait().status;
  CHECK((ended == BP_UNREACHABLE || ended == BP_CLOSED));
  go_on = true;
}

TEST_CASE("calls, cancels, disconnects and the end of the host at once leave no call without its one reply") {
  for (int round = 0; round < 5; ++round) {
    auto host = std::make_unique<Served>();
    std::deque<Client> clients;
    for (int i = 0; i < 3; ++i) clients.emplace_back(host->path());
    std::array<std::deque<Replies>, 3> replies;
    std::array<std::vector<bp_status>, 3> accepted;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        const std::string slow = delayed("x", 20'000);
        for (int i = 0; i < 1000; ++i) {
          const bool cancels = i % 3 == 0;
          const bp_submission s = cancels ? submission("timer.echo", slow, replies[t].emplace_back())
                                          : submission("echo.raw", "x", replies[t].emplace_back(), 5000);
          bp_request request{};
          accepted[t].push_back(bp_submit(clients[t].context, &s, &request));
          if (cancels) bp_cancel(clients[t].context, request);
        }
        if (t == 1) clients[t].destroy();
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(round * 3));
    host->server->shutdown(1ms);
    for (std::thread& thread : threads) thread.join();
    for (Client& client : clients) client.destroy();
    host.reset();
    for (std::size_t t = 0; t < 3; ++t) {
      for (std::size_t i = 0; i < replies[t].size(); ++i) {
        REQUIRE(replies[t][i].terminal() == (accepted[t][i] == BP_OK ? 1 : 0));
      }
    }
  }
}
