// SPDX-License-Identifier: Apache-2.0
//
// Host functions of connected applications: who answers, and how each call of one ends.
#include <backplane/providing.h>

#include <condition_variable>
#include <thread>

#include "served.hpp"

using namespace std::chrono_literals;
namespace wire = backplane::host::wire;

namespace {

/// A host function whose calls the test answers.
struct Provider {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<bp_token> asked, unasked;
  std::vector<std::uint64_t> timeouts;
  std::string payload;

  static void on_ask(void* user, bp_context, const bp_ask* ask) {
    auto& self = *static_cast<Provider*>(user);
    const std::lock_guard lock(self.mutex);
    self.asked.push_back(ask->token);
    self.timeouts.push_back(ask->timeout_ms);
    self.payload.assign(reinterpret_cast<const char*>(ask->payload.data), ask->payload.size);
    self.changed.notify_all();
  }
  static void on_unask(void* user, bp_context, bp_token token) {
    auto& self = *static_cast<Provider*>(user);
    const std::lock_guard lock(self.mutex);
    self.unasked.push_back(token);
    self.changed.notify_all();
  }

  bp_status provide(bp_context context, const char* name, std::uint32_t flags = 0) {
    bp_provided provided{};
    provided.struct_size = sizeof provided;
    provided.flags = flags;
    provided.name = {name, std::char_traits<char>::length(name)};
    provided.on_ask = on_ask;
    provided.on_unask = on_unask;
    provided.user = this;
    return bp_function_provide(context, &provided);
  }
  bool wait(std::size_t asks, std::size_t unasks = 0) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [&] { return asked.size() >= asks && unasked.size() >= unasks; });
  }
};

bp_status answer(bp_context context, bp_token token, std::string_view payload, bp_status status = BP_OK,
                 std::string_view message = {}) {
  bp_answer given{};
  given.struct_size = sizeof given;
  given.status = status;
  given.payload = {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()};
  given.message = {message.data(), message.size()};
  return bp_complete(context, token, &given);
}

void say(void* user, bp_context context, bp_token token, bp_str, bp_bytes) {
  answer(context, token, static_cast<const char*>(user));
}

void* words(const char* text) { return const_cast<char*>(text); }

struct Asked : Served {
  explicit Asked(backplane::host::ServerOptions options = {}) : Served(std::move(options)) {
    load_test_module(embedded.context, "asks");
  }
  bp_request ask(Replies& replies, const char* name, std::uint64_t timeout_ms = 0, const char* verb = "asks.host") {
    const bp_submission call = submission(verb, name, replies, timeout_ms);
    bp_request request{};
    REQUIRE(bp_submit(embedded.context, &call, &request) == BP_OK);
    return request;
  }
};

std::string terminal(Replies& replies) {
  const Replies::Reply reply = replies.wait();
  CHECK(replies.terminal() == 1);
  return name_of(reply.status) + ":" + (reply.status == BP_OK ? reply.payload : reply.message);
}

}  // namespace

TEST_CASE("a connected application answers a host function as an embedded one does") {
  Provider later;  // outlives the connection, whose end may tell it
  Asked served;
  const Client client(served.path());
  REQUIRE(bp_function_set(client.context, BP_STR("app.say"), say, words("inline")) == BP_OK);
  Replies inline_reply;
  served.ask(inline_reply, "app.say");
  CHECK(terminal(inline_reply) == "ok:inline");
  Replies blocking;
  served.ask(blocking, "app.say", 0, "asks.blocking");
  CHECK(terminal(blocking) == "ok:inline");

  REQUIRE(later.provide(client.context, "app.later") == BP_OK);
  Replies from_thread;
  served.ask(from_thread, "app.later");
  REQUIRE(later.wait(1));
  CHECK(later.payload == "asked");
  CHECK(later.timeouts[0] == 0);
  std::thread([&] { CHECK(answer(client.context, later.asked[0], "from a thread") == BP_OK); }).join();
  CHECK(terminal(from_thread) == "ok:from a thread");
  CHECK(answer(client.context, later.asked[0], "again") == BP_STALE_TOKEN);

  Replies failing;
  served.ask(failing, "app.later");
  REQUIRE(later.wait(2));
  CHECK(answer(client.context, later.asked[1], {}, BP_PARTIAL) == BP_INVALID_ARGUMENT);
  CHECK(answer(client.context, later.asked[1], {}, 1004, "no such profile") == BP_OK);
  CHECK(terminal(failing) == "module 1004:no such profile");
}

TEST_CASE("a function of this process that gets its calls with their bounds is told when nobody waits any more") {
  Provider provider;
  Asked served;
  REQUIRE(provider.provide(served.embedded.context, "app.own") == BP_OK);
  CHECK(provider.provide(served.embedded.context, "app.own", BP_PROVIDE_NEW) == BP_NAME_TAKEN);
  Replies canceled;
  const bp_request request = served.ask(canceled, "app.own");
  REQUIRE(provider.wait(1));
  bp_cancel(served.embedded.context, request);
  REQUIRE(provider.wait(1, 1));
  CHECK(provider.unasked[0] == provider.asked[0]);
  CHECK(answer(served.embedded.context, provider.asked[0], "late") == BP_STALE_TOKEN);
  Replies answered;
  served.ask(answered, "app.own", 60'000);
  REQUIRE(provider.wait(2));
  CHECK(provider.timeouts[1] > 50'000);
  CHECK(provider.timeouts[1] <= 60'000);
  CHECK(answer(served.embedded.context, provider.asked[1], "in time") == BP_OK);
  CHECK(terminal(answered) == "ok:in time");
  CHECK(provider.unasked.size() == 1);
  CHECK(bp_function_withdraw(served.embedded.context, BP_STR("app.own"), &served) == BP_NOT_FOUND);
  CHECK(bp_function_withdraw(served.embedded.context, BP_STR("app.own"), &provider) == BP_OK);
  Replies gone;
  served.ask(gone, "app.own");
  CHECK(gone.wait().status == BP_NO_HOST_FUNCTION);
}

TEST_CASE("a name has one provider, which may replace and withdraw it") {
  Asked served;
  const Client one(served.path());
  const Client two(served.path());
  REQUIRE(bp_function_set(one.context, BP_STR("app.say"), say, words("one")) == BP_OK);
  CHECK(bp_function_set(two.context, BP_STR("app.say"), say, words("two")) == BP_NAME_TAKEN);
  CHECK(bp_function_set(two.context, BP_STR("app.say"), nullptr, nullptr) == BP_NOT_FOUND);
  CHECK(bp_function_set(one.context, BP_STR("no name"), say, nullptr) == BP_INVALID_ARGUMENT);
  REQUIRE(bp_function_set(one.context, BP_STR("app.say"), say, words("newer")) == BP_OK);
  Replies replaced;
  served.ask(replaced, "app.say");
  CHECK(terminal(replaced) == "ok:newer");
  REQUIRE(bp_function_set(one.context, BP_STR("app.say"), nullptr, nullptr) == BP_OK);
  Result withdrawn;  // over the same connection, so after the withdraw
  CHECK(one.call("asks.host", "app.say", 10'000, withdrawn) == BP_NO_HOST_FUNCTION);
  REQUIRE(bp_function_set(two.context, BP_STR("app.say"), say, words("two")) == BP_OK);
  Replies other;
  served.ask(other, "app.say");
  CHECK(terminal(other) == "ok:two");

  REQUIRE(bp_function_set(served.embedded.context, BP_STR("app.host"), say, words("host")) == BP_OK);
  CHECK(bp_function_set(one.context, BP_STR("app.host"), say, words("one")) == BP_NAME_TAKEN);
  REQUIRE(bp_function_set(served.embedded.context, BP_STR("app.host"), nullptr, nullptr) == BP_OK);
}

TEST_CASE("an application may ask and be asked at once, also from a callback") {
  Asked served;
  const Client client(served.path());
  struct Chain {
    bp_context context;
    Replies inner;
    bp_status provided = -1;
  } chain{client.context, {}, -1};
  // On the thread that reads the connection, nothing waits for the host.
  const auto on_reply = [](void* user, const bp_answer* reply) {
    auto& self = *static_cast<Chain*>(user);
    if (reply->status == BP_OK) self.provided = bp_function_set(self.context, BP_STR("app.say"), say, words("said"));
    const bp_submission call = submission("asks.host", "app.say", self.inner);
    bp_submit(self.context, &call, nullptr);
  };
  bp_submission first{};
  first.struct_size = sizeof first;
  first.name = BP_STR("echo.raw");
  first.on_reply = on_reply;
  first.user = &chain;
  REQUIRE(bp_submit(client.context, &first, nullptr) == BP_OK);
  CHECK(terminal(chain.inner) == "ok:said");
  CHECK(chain.provided == BP_OK);
}

TEST_CASE("the end of a connection ends the calls that it has not answered, each once") {
  Provider provider;
  Asked served;
  auto client = std::make_unique<Client>(served.path());
  REQUIRE(provider.provide(client->context, "app.never") == BP_OK);
  std::vector<std::unique_ptr<Replies>> replies;
  for (int i = 0; i < 20; ++i) {
    served.ask(*replies.emplace_back(std::make_unique<Replies>()), "app.never", 0,
               i % 2 ? "asks.host" : "asks.blocking");
  }
  REQUIRE(provider.wait(10));
  client.reset();
  for (const auto& each : replies) {
    const Replies::Reply reply = each->wait();
    CHECK((reply.status == BP_PROVIDER_LOST || reply.status == BP_NO_HOST_FUNCTION));
    CHECK(each->terminal() == 1);
  }
  CHECK(replies[1]->wait().status == BP_PROVIDER_LOST);
  CHECK_THAT(replies[1]->wait().message, Catch::Contains("may have run"));
  CHECK(provider.unasked.size() == provider.asked.size());  // the library's end, too
  Replies after;
  served.ask(after, "app.never");
  CHECK(after.wait().status == BP_NO_HOST_FUNCTION);
}

TEST_CASE("a cancel and a deadline end the call, and tell the provider, whose late answer changes nothing") {
  Provider provider;
  Asked served;
  const Client client(served.path());
  REQUIRE(provider.provide(client.context, "app.slow") == BP_OK);
  Replies canceled;
  const bp_request request = served.ask(canceled, "app.slow");
  REQUIRE(provider.wait(1));
  bp_cancel(served.embedded.context, request);
  CHECK(canceled.wait().status == BP_CANCELED);
  Replies late;
  served.ask(late, "app.slow", 100);
  CHECK(late.wait().status == BP_DEADLINE);
  REQUIRE(provider.wait(2, 2));
  CHECK(provider.timeouts[1] > 0);
  CHECK(provider.timeouts[1] <= 100);
  CHECK(answer(client.context, provider.asked[0], "late") == BP_STALE_TOKEN);
  CHECK(answer(client.context, provider.asked[1], "late") == BP_STALE_TOKEN);
  CHECK(client.served());
}

TEST_CASE("calls of a function that is withdrawn meanwhile may still be answered") {
  Provider provider;
  Asked served;
  const Client client(served.path());
  REQUIRE(provider.provide(client.context, "app.slow") == BP_OK);
  Replies replies;
  served.ask(replies, "app.slow");
  REQUIRE(provider.wait(1));
  REQUIRE(bp_function_withdraw(client.context, BP_STR("app.slow"), &provider) == BP_OK);
  CHECK(answer(client.context, provider.asked[0], "the last one") == BP_OK);
  CHECK(terminal(replies) == "ok:the last one");
}

TEST_CASE("the stop of the host ends the calls that it waits for") {
  Provider provider;
  Asked served;
  const Client client(served.path());
  REQUIRE(provider.provide(client.context, "app.never") == BP_OK);
  Replies replies;
  served.ask(replies, "app.never");
  REQUIRE(provider.wait(1));
  served.server->shutdown(0ms);
  CHECK(replies.wait().status == BP_PROVIDER_LOST);
  CHECK(replies.terminal() == 1);
}

TEST_CASE("functions and open calls of a connection are bounded, and the bounds are named and counted") {
  backplane::host::ServerOptions options;
  options.functions_per_connection = 2;
  options.asks_per_connection = 1;
  Provider provider;
  Asked served(options);
  const Client client(served.path());
  REQUIRE(provider.provide(client.context, "app.one") == BP_OK);
  REQUIRE(provider.provide(client.context, "app.two") == BP_OK);
  CHECK(provider.provide(client.context, "app.three") == BP_OVERLOADED);
  Replies first;
  served.ask(first, "app.one");
  REQUIRE(provider.wait(1));
  Replies second;
  served.ask(second, "app.two");
  CHECK(second.wait().status == BP_OVERLOADED);
  CHECK_THAT(second.wait().message,
             Catch::Contains("\"app.two\" has 1 calls to answer") && Catch::Contains("asks_per_connection"));
  CHECK(answer(client.context, provider.asked[0], "room") == BP_OK);
  CHECK(terminal(first) == "ok:room");
  Replies third;
  served.ask(third, "app.two");
  REQUIRE(provider.wait(2));
  CHECK(answer(client.context, provider.asked[1], "again") == BP_OK);
  CHECK(terminal(third) == "ok:again");

  Result status;
  REQUIRE(bp_host_status(client.context, &status) == BP_OK);
  const std::string report = status.payload();
  for (const std::string_view key : {"functions_per_connection", "asks_per_connection"}) {
    const std::size_t at = report.find(key);
    REQUIRE(at != std::string::npos);
    CHECK(report.substr(at, 60).find("\x64hits\x01") != std::string::npos);
  }
}

TEST_CASE("a host and an application take what the protocol says of provide, and refuse the rest") {
  Asked served;
  RawPeer peer = RawPeer::connect(served.path());
  REQUIRE(peer.greet());
  const auto status_of = [&](const auto& frame) {
    peer.send_frame(frame);
    const auto reply = peer.receive_as<wire::Reply>();
    return reply ? name_of(reply->status) : std::string("none");
  };
  CHECK(status_of(wire::Provide{1, 1, "app.verb"}) == "not_supported");
  CHECK(status_of(wire::Provide{2, 7, "app.f"}) == "invalid_argument");
  CHECK(status_of(wire::Provide{3, 0, "app.f", 1}) == "invalid_argument");
  CHECK(status_of(wire::Provide{4, 0, "no name"}) == "invalid_argument");
  CHECK(status_of(wire::Withdraw{5, "app.f"}) == "not_found");
  CHECK(status_of(wire::Provide{6, 0, "app.f"}) == "ok");
  CHECK(status_of(wire::Provide{7, 0, "app.f"}) == "ok");
  peer.send_frame(wire::Answer{99, BP_OK, {}, {}, {}});  // ignored
  Replies replies;
  served.ask(replies, "app.f");
  const auto ask = peer.receive_as<wire::Ask>();
  REQUIRE(ask);
  CHECK(ask->name == "app.f");
  CHECK(ask->flags == 0);
  peer.send_frame(wire::Answer{ask->token, 2000, {}, "why", {}});
  peer.send_frame(wire::Answer{ask->token, BP_OK, {}, {}, {}});  // the first counts
  CHECK(terminal(replies) == "module 2000:why");
  peer.send_frame(wire::Answer{ask->token, BP_PARTIAL, {}, {}, {}});
  const auto error = peer.receive_as<wire::Error>();
  REQUIRE(error);
  CHECK(error->status == BP_PROTOCOL);
  CHECK(peer.ends());
}

TEST_CASE("an answer that fits no frame of the host ends the call with an error") {
  backplane::host::ServerOptions options;
  options.max_frame = 100'000;
  Provider provider;
  Asked served(options);
  const Client client(served.path());
  REQUIRE(provider.provide(client.context, "app.large") == BP_OK);
  Replies replies;
  served.ask(replies, "app.large");
  REQUIRE(provider.wait(1));
  CHECK(answer(client.context, provider.asked[0], std::string(200'000, 'x')) == BP_OK);
  CHECK(replies.wait().status == BP_NOT_SUPPORTED);
  CHECK_THAT(replies.wait().message, Catch::Contains("the answer needs a frame of"));
  CHECK(client.served());
}
