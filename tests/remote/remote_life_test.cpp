// SPDX-License-Identifier: Apache-2.0
//
// How calls and connections end on the library's side, and what holds at its limits.
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <filesystem>
#include <thread>
#include <vector>

#include "pair.hpp"

using namespace backplane::host;
using namespace std::chrono_literals;

TEST_CASE("a cancel names the call, and the call still ends once") {
  Pair pair;
  Replies replies;
  bp_request request{};
  REQUIRE(pair.context->submit(submission("x.a", "", replies), &request) == BP_OK);
  const std::uint64_t id = pair.next_call();
  CHECK(pair.context->cancel(request) == BP_OK);
  CHECK(pair.host->receive_as<wire::Cancel>()->id == id);
  pair.answer(id, BP_CANCELED, "");
  CHECK(replies.wait().status == BP_CANCELED);
  CHECK(pair.context->cancel(request) == BP_INVALID_HANDLE);
  CHECK(pair.context->cancel({12345}) == BP_INVALID_HANDLE);
}

TEST_CASE("closed refuses, stop waits for answers, then cancels what is left") {
  Pair pair;
  Replies answered, left;
  REQUIRE(pair.context->submit(submission("x.a", "", answered), nullptr) == BP_OK);
  REQUIRE(pair.context->submit(submission("x.b", "", left), nullptr) == BP_OK);
  CHECK(pair.context->close() == BP_OK);
  CHECK(pair.context->submit(submission("x.c", "", left), nullptr) == BP_CLOSED);
  const std::uint64_t id = pair.next_call();
  std::thread host([&] {
    std::this_thread::sleep_for(20ms);
    pair.answer(id, BP_OK, "in time");
  });
  CHECK(pair.context->stop(100) == BP_OK);
  host.join();
  CHECK(answered.wait().payload == "in time");
  CHECK(left.wait().status == BP_CANCELED);
  CHECK(pair.context->stop(100) == BP_OK);
  CHECK(pair.context->submit(submission("x.c", "", left), nullptr) == BP_CLOSED);
}

TEST_CASE("a callback that does not return makes stop say timeout, and destruction does not hang") {
  Pair pair;
  struct User {
    std::atomic<bool> entered{false};
    std::atomic<bool> go{false};
    std::atomic<bool> left{false};
  } user;
  bp_submission s{};
  s.struct_size = sizeof s;
  s.name = BP_STR("x.a");
  s.user = &user;
  s.on_reply = [](void* u, const bp_answer*) {
    auto& self = *static_cast<User*>(u);
    self.entered = true;
    while (!self.go) std::this_thread::yield();
    self.left = true;
  };
  REQUIRE(pair.context->submit(s, nullptr) == BP_OK);
  pair.answer(pair.next_call(), BP_OK, "");
  while (!user.entered) std::this_thread::yield();
  CHECK(pair.context->stop(10) == BP_TIMEOUT);
  pair.context.reset();
  user.go = true;
  while (!user.left) std::this_thread::yield();
}

TEST_CASE("a host that does not read makes submit say overloaded, and blocks nobody") {
  Pair pair;
  const std::string payload(1 << 20, 'x');
  std::deque<Replies> replies(300);
  std::size_t accepted = 0;
  bp_status status = BP_OK;
  for (Replies& r : replies) {
    status = pair.context->submit(submission("x.a", payload, r), nullptr);
    if (status != BP_OK) break;
    ++accepted;
  }
  CHECK(status == BP_OVERLOADED);
  CHECK(accepted >= 64);
  pair.host->close();
  for (std::size_t i = 0; i < accepted; ++i) CHECK(replies[i].wait().status == BP_UNREACHABLE);
}

TEST_CASE("a payload that no frame holds is refused at once") {
  Pair pair;
  Replies replies;
  const std::string payload(wire::default_max_frame, 'x');
  CHECK(pair.context->submit(submission("x.a", payload, replies), nullptr) == BP_INVALID_ARGUMENT);
}

TEST_CASE("a relative path to a module is made absolute, as the host stands elsewhere") {
  Pair pair;
  std::string seen;
  std::thread host([&] {
    const auto load = pair.host->receive_as<wire::Load>();
    seen = wire::as_text(load->path);
    pair.host->send_frame(wire::Reply{load->id, BP_LOAD_REFUSED, {}, "no such file", {}});
  });
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.path = "some/module.so";
  bp_result result{};
  result.struct_size = sizeof result;
  CHECK(pair.context->modules().load(options, result) == BP_LOAD_REFUSED);
  host.join();
  CHECK(seen == (std::filesystem::current_path() / "some/module.so").string());
  CHECK(view(result.message) == "no such file");
  free_result(&result);
}

TEST_CASE("settings of a module go to the host, and a host that knows none is not asked") {
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.path = "/module.so";
  options.workers = 2;
  options.flags = BP_LOAD_UNLOAD_NEVER;
  bp_result result{};
  result.struct_size = sizeof result;
  {
    Pair pair(wire::Features{.settings = true});
    wire::Load seen;
    std::thread host([&] {
      const auto load = pair.host->receive_as<wire::Load>();
      seen.workers = load->workers;
      seen.flags = load->flags;
      pair.host->send_frame(wire::Reply{load->id, BP_OK, {}, {}, {}});
    });
    CHECK(pair.context->modules().load(options, result) == BP_OK);
    host.join();
    CHECK(seen.workers == 2);
    CHECK(seen.flags == BP_LOAD_UNLOAD_NEVER);
    free_result(&result);
  }
  const Pair old;
  CHECK(old.context->modules().load(options, result) == BP_NOT_SUPPORTED);
  CHECK(view(result.message).find("too old") != std::string_view::npos);
  free_result(&result);
}

TEST_CASE("a host that compares no interfaces is not asked to") {
  bp_load_options options{};
  options.struct_size = sizeof options;
  options.path = "/module.so";
  for (const std::uint32_t flag : {std::uint32_t{BP_LOAD_STRICT}, std::uint32_t{BP_LOAD_COMPARE}}) {
    options.flags = flag;
    bp_result result{};
    result.struct_size = sizeof result;
    {
      Pair pair(wire::Features{.settings = true, .compare = true});
      std::uint32_t seen = 0;
      std::thread host([&] {
        const auto load = pair.host->receive_as<wire::Reload>();
        seen = load->flags;
        pair.host->send_frame(wire::Reply{load->id, BP_OK, {}, {}, {}});
      });
      CHECK(pair.context->modules().reload(bp_str{"m", 1}, &options, 0, result) == BP_OK);
      host.join();
      CHECK(seen == flag);
      free_result(&result);
    }
    const Pair old(wire::Features{.settings = true});
    CHECK(old.context->modules().reload(bp_str{"m", 1}, &options, 0, result) == BP_NOT_SUPPORTED);
    CHECK(view(result.message).find("too old") != std::string_view::npos);
    free_result(&result);
  }
}

TEST_CASE("what has to wait for the host is refused on the threads that would bring the answer") {
  Pair pair;
  struct User {
    Endpoint* context;
    std::atomic<int> find{-1}, list{-1}, stop{-1}, listen{-1};
    std::atomic<bool> done{false};
  } user{pair.context.get()};
  bp_submission s{};
  s.struct_size = sizeof s;
  s.name = BP_STR("x.a");
  s.user = &user;
  s.on_reply = [](void* u, const bp_answer*) {
    auto& self = *static_cast<User*>(u);
    bp_method method{};
    bp_result result{};
    result.struct_size = sizeof result;
    bp_listener listener{};
    self.find = self.context->find_method(BP_STR("a.b"), method);
    self.list = self.context->modules().list(result);
    free_result(&result);
    self.stop = self.context->stop(1);
    bp_subscription subscription{};
    subscription.struct_size = sizeof subscription;
    subscription.pattern = BP_STR("a.*");
    subscription.on_event = [](void*, const bp_event*) {};
    self.listen = self.context->listen(subscription, listener);
    self.done = true;
  };
  REQUIRE(pair.context->submit(s, nullptr) == BP_OK);
  pair.answer(pair.next_call(), BP_OK, "");
  while (!user.done) std::this_thread::yield();
  CHECK(user.find == BP_REENTRANT);
  CHECK(user.list == BP_REENTRANT);
  CHECK(user.stop == BP_REENTRANT);
  CHECK(user.listen == BP_OK);
  CHECK(pair.host->receive_as<wire::Listen>()->pattern == "a.*");
}

TEST_CASE("many threads submit while the host answers and goes, and each call ends once") {
  Pair pair;
  constexpr std::size_t threads = 4;
  constexpr std::size_t calls = 2000;
  std::array<std::deque<Replies>, threads> replies;
  std::array<std::deque<bp_status>, threads> accepted;
  std::thread host([&] {
    for (std::size_t i = 0; i < threads * calls / 2; ++i) {
      const auto call = pair.host->receive_as<wire::Call>();
      if (!call) break;
      pair.answer(call->id, BP_OK, "y");
    }
    pair.host->close();
  });
  std::vector<std::thread> callers;
  for (std::size_t t = 0; t < threads; ++t) {
    callers.emplace_back([&, t] {
      for (std::size_t i = 0; i < calls; ++i) {
        accepted[t].push_back(pair.context->submit(submission("x.a", "x", replies[t].emplace_back()), nullptr));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  host.join();
  std::size_t ok = 0;
  for (std::size_t t = 0; t < threads; ++t) {
    for (std::size_t i = 0; i < calls; ++i) {
      if (accepted[t][i] == BP_OK && replies[t][i].wait().status == BP_OK) ++ok;
    }
  }
  CHECK(ok == threads * calls / 2);
  pair.context.reset();
  for (std::size_t t = 0; t < threads; ++t) {
    for (std::size_t i = 0; i < calls; ++i) REQUIRE(replies[t][i].terminal() == (accepted[t][i] == BP_OK ? 1 : 0));
  }
}

TEST_CASE("what waits for a host that does not read is bounded, also parts and credit") {
  Pair pair(wire::Features{true, true});
  constexpr std::size_t calls = 200;
  std::deque<Replies> replies;
  std::vector<bp_request> requests(calls);
  for (bp_request& request : requests) {
    bp_submission call = submission("x.a", "x", replies.emplace_back());
    call.flags = BP_SUBMIT_PARTS | BP_SUBMIT_CREDIT;
    REQUIRE(pair.context->submit(call, &request) == BP_OK);
  }
  const std::string part(1'000'000, 'p');  // nearly the window of a call
  std::size_t sent = 0;
  bp_status status = BP_OK, credited = BP_OK;
  // The thread that sends may take what waits into its own hands, once. Then there is room for as much again.
  for (int filled = 0; filled < 2 && credited == BP_OK; ++filled) {
    status = BP_OK;
    while (sent < calls && status == BP_OK)
      status = pair.context->send_part(requests[sent++], bytes(wire::as_bytes(part)), 0);
    CHECK(status == BP_OVERLOADED);
    credited = pair.context->credit(requests[0], 1);
  }
  CHECK(sent > 60);
  CHECK(sent < 140);
  CHECK(credited == BP_OVERLOADED);
  CHECK(pair.context->send_part(requests[calls - 1], {}, BP_PART_END) == BP_OK);
  // When the host reads again, the refused part can be sent.
  std::thread host([&pair] {
    while (pair.host->receive()) {
    }
  });
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (status == BP_OVERLOADED && std::chrono::steady_clock::now() < until) {
    status = pair.context->send_part(requests[sent - 1], bytes(wire::as_bytes(part)), 0);
  }
  CHECK(status == BP_OK);
  CHECK(pair.context->credit(requests[0], 1) == BP_OK);
  pair.context.reset();
  host.join();
}
