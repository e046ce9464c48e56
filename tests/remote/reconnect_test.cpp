// SPDX-License-Identifier: Apache-2.0
//
// A host process that is killed and started again under a connected context in C: what becomes of calls, listeners,
// host functions, method handles and interfaces.
#include <backplane/cbor.h>

#include <deque>

#include "reconnecting.hpp"

namespace {

const std::vector<std::string> usual = {"session", "echo", "timer", "desk"};

bp_submission nap(Replies& replies, const std::string& payload) { return submission("desk.nap", payload, replies); }

struct Interface {
  std::string hash, cddl;
};

/// Of a file.
Interface interface_of(const std::string& module) {
  bp_result report{};
  report.struct_size = sizeof report;
  REQUIRE(bp_module_inspect(module_file(module).c_str(), &report) == BP_OK);
  bp_cbor_reader in{};
  bp_str hash{}, cddl{};
  REQUIRE(bp_cbor_find(report.payload, BP_STR("interface_hash"), &in));
  REQUIRE(bp_cbor_get_text(&in, &hash));
  REQUIRE(bp_cbor_find(report.payload, BP_STR("cddl"), &in));
  REQUIRE(bp_cbor_get_text(&in, &cddl));
  Interface out{{hash.data, hash.size}, {cddl.data, cddl.size}};
  bp_result_free(&report);
  return out;
}

bp_status expect(bp_context context, std::string_view module, const Interface& built) {
  bp_result out{};
  out.struct_size = sizeof out;
  const bp_status status = bp_context_expect(context, text(module), text(built.hash), text(built.cddl), &out);
  bp_result_free(&out);
  return status;
}

}  // namespace

TEST_CASE("When the host is killed again and again, each open call ends once, and later calls work") {
  Line line;
  const std::string payload = parameter("ms", 600'000);
  std::deque<Replies> replies(300);
  std::size_t used = 0;
  for (std::size_t round = 1; round <= 3; ++round) {
    for (std::size_t i = 0; i < 100; ++i) {
      const bp_submission call = nap(replies[used++], payload);
      REQUIRE(bp_submit(line.context, &call, nullptr) == BP_OK);
    }
    bp_pending waited{};
    bp_submission start = nap(replies[0], payload);
    start.on_reply = nullptr;
    start.user = nullptr;
    REQUIRE(bp_call_start(line.context, &start, &waited) == BP_OK);
    line.host.kill();
    bp_result out{};
    out.struct_size = sizeof out;
    CHECK(bp_call_wait(waited, BP_FOREVER, &out) == BP_UNREACHABLE);
    bp_result_free(&out);
    bp_call_free(waited);
    REQUIRE(line.states.saw(BP_CONNECTION_LOST, round));
    for (std::size_t i = 0; i < used; ++i) {
      REQUIRE(replies[i].terminal() == 1);  // they have ended before the state is told
      CHECK(replies[i].all().back().status == BP_UNREACHABLE);
    }
    CHECK(line.call("echo.raw", "x").status == BP_UNREACHABLE);
    line.host.start(usual);
    REQUIRE(line.states.saw(BP_CONNECTION_BACK, round));
    CHECK(line.call("echo.raw", "x").payload == "x");
  }
  for (Replies& each : replies) CHECK(each.terminal() == 1);
  const auto lost = line.states.last(BP_CONNECTION_LOST);
  CHECK(lost.status == BP_UNREACHABLE);
  CHECK(lost.message == "the connection to the host is lost: the host has closed the connection");
  const auto back = line.states.last(BP_CONNECTION_BACK);
  CHECK(back.status == BP_OK);
  CHECK(back.attempt >= 1);
  CHECK(back.message.empty());
}

TEST_CASE("While there is no connection, attempts are told with their waits, and calls are refused at once") {
  Line line;
  line.host.kill();
  REQUIRE(line.states.saw(BP_CONNECTION_WAITING, 6));
  Replies replies;
  const bp_submission call = submission("echo.raw", "x", replies);
  CHECK(bp_submit(line.context, &call, nullptr) == BP_UNREACHABLE);
  bp_method method{};
  CHECK(bp_method_find(line.context, BP_STR("echo.raw"), &method) == BP_UNREACHABLE);
  bp_result list{};
  list.struct_size = sizeof list;
  CHECK(bp_module_list(line.context, &list) == BP_UNREACHABLE);
  bp_result_free(&list);
  std::uint32_t attempt = 0;
  for (const auto& state : line.states.all()) {
    if (state.kind != BP_CONNECTION_WAITING) continue;
    CHECK(state.attempt == ++attempt);
    CHECK(state.status != BP_OK);  // the first may still find what is left of the host
    CHECK(state.wait_ms == std::min(20u, 2u << attempt));
    CHECK(state.message.find("no connection to the host: ") == 0);
  }
  const auto waiting = line.states.last(BP_CONNECTION_WAITING);
  CHECK(waiting.status == BP_UNREACHABLE);
  CHECK(waiting.message.find("no connection to the host: no host serves") == 0);
  CHECK(line.states.all().front().kind == BP_CONNECTION_LOST);
  CHECK(replies.all().empty());
}

TEST_CASE("A listener hears again after each restart, and first gets one gap, in which calls work") {
  Line line;
  struct User {
    Heard heard;
    bp_context context;
    std::atomic<int> worked{0};
  } user{.heard = {}, .context = line.context};
  const auto on_event = [](void* u, const bp_event* event) {
    auto& self = *static_cast<User*>(u);
    if ((event->flags & BP_EVENT_GAP) != 0) {
      bp_submission call{};
      call.struct_size = sizeof call;
      call.name = BP_STR("echo.raw");
      call.user = &self.worked;
      call.on_reply = [](void* count, const bp_answer* answer) {
        if (answer->status == BP_OK) ++*static_cast<std::atomic<int>*>(count);
      };
      if (bp_submit(self.context, &call, nullptr) != BP_OK) --self.worked;
    }
    self.heard.note(*event);
  };
  bp_listener listener{};
  REQUIRE(bp_listen(line.context, BP_STR("desk.happened"), on_event, &user, &listener) == BP_OK);
  Heard ends;
  bp_listener end{};
  REQUIRE(bp_listen(line.context, BP_STR("backplane.disconnected"), Heard::on_event, &ends, &end) == BP_OK);
  CHECK(line.call("desk.tell", parameter("count", 1)).status == BP_OK);
  std::vector<std::string> expected = {"desk.happened"};
  REQUIRE(user.heard.comes_to(expected));
  for (int round = 1; round <= 3; ++round) {
    line.restart(usual);
    CHECK(line.call("desk.tell", parameter("count", 2)).status == BP_OK);
    expected.insert(expected.end(), {"gap", "desk.happened", "desk.happened"});
    REQUIRE(user.heard.comes_to(expected));
    CHECK(eventually([&] { return user.worked == round; }));
    CHECK(ends.comes_to(std::vector<std::string>(static_cast<std::size_t>(round), "backplane.disconnected")));
  }
  CHECK(bp_unlisten(line.context, listener) == BP_OK);
}

TEST_CASE("Listeners and functions that are made or removed while the connection is lost count from the next one on") {
  Line line;
  Heard early, late, gone;
  bp_listener first{}, second{}, third{};
  REQUIRE(bp_listen(line.context, BP_STR("desk.happened"), Heard::on_event, &early, &first) == BP_OK);
  line.host.kill();
  REQUIRE(line.states.saw(BP_CONNECTION_WAITING));
  CHECK(bp_unlisten(line.context, first) == BP_OK);
  CHECK(bp_listen(line.context, BP_STR("desk.happened"), Heard::on_event, &late, &second) == BP_OK);
  CHECK(bp_listen(line.context, BP_STR("desk.happened"), Heard::on_event, &gone, &third) == BP_OK);
  CHECK(bp_unlisten(line.context, third) == BP_OK);
  const auto answer = [](void*, bp_context context, bp_token token, bp_str, bp_bytes payload) {
    bp_answer out{};
    out.struct_size = sizeof out;
    out.payload = payload;
    bp_complete(context, token, &out);
  };
  CHECK(bp_function_set(line.context, BP_STR("profile.fetch"), answer, nullptr) == BP_OK);
  CHECK(bp_function_set(line.context, BP_STR("profile.other"), answer, nullptr) == BP_OK);
  CHECK(bp_function_set(line.context, BP_STR("profile.other"), nullptr, nullptr) == BP_OK);
  line.host.start(usual);
  REQUIRE(line.states.saw(BP_CONNECTION_BACK));
  CHECK(line.call("desk.tell", parameter("count", 1)).status == BP_OK);
  CHECK(late.comes_to({"gap", "desk.happened"}));
  CHECK(early.all().empty());
  CHECK(gone.all().empty());
  // The function is asked: what it answers is no profile, but no longer "no such function".
  const auto login = line.call("session.login",
                               "\xa1\x67user_id\x63"
                               "ada");
  CHECK(login.status != BP_NO_HOST_FUNCTION);
  CHECK(login.status != BP_UNREACHABLE);
}

TEST_CASE("A host function comes back, and a token of the lost connection answers nothing") {
  Line line;
  struct User {
    std::mutex mutex;
    std::vector<bp_token> asked, unasked;
    bool answers = false;
  } user;
  bp_provided provided{};
  provided.struct_size = sizeof provided;
  provided.name = BP_STR("profile.fetch");
  provided.user = &user;
  provided.on_ask = [](void* u, bp_context context, const bp_ask* ask) {
    auto& self = *static_cast<User*>(u);
    const std::lock_guard lock(self.mutex);
    self.asked.push_back(ask->token);
    if (!self.answers) return;
    bp_answer out{};
    out.struct_size = sizeof out;
    out.status = 1234;
    bp_complete(context, ask->token, &out);
  };
  provided.on_unask = [](void* u, bp_context, bp_token token) {
    auto& self = *static_cast<User*>(u);
    const std::lock_guard lock(self.mutex);
    self.unasked.push_back(token);
  };
  REQUIRE(bp_function_provide(line.context, &provided) == BP_OK);
  Replies replies;
  const std::string login =
      "\xa1\x67user_id\x63"
      "ada";
  const bp_submission call = submission("session.login", login, replies);
  REQUIRE(bp_submit(line.context, &call, nullptr) == BP_OK);
  REQUIRE(eventually([&] {
    const std::lock_guard lock(user.mutex);
    return user.asked.size() == 1;
  }));
  line.restart(usual);
  CHECK(replies.wait().status == BP_UNREACHABLE);
  {
    const std::lock_guard lock(user.mutex);
    CHECK(user.unasked == user.asked);
    user.answers = true;
  }
  bp_answer late{};
  late.struct_size = sizeof late;
  CHECK(bp_complete(line.context, user.asked[0], &late) == BP_STALE_TOKEN);
  CHECK(line.call("session.login", login).status == 1234);
  const std::lock_guard lock(user.mutex);
  REQUIRE(user.asked.size() == 2);
  CHECK(user.asked[0] != user.asked[1]);
  CHECK(replies.terminal() == 1);
}

TEST_CASE("Method handles mean the same names, also if the next host gives them other numbers, or does not have them") {
  Line line;
  bp_method raw{}, slow{};
  REQUIRE(bp_method_find(line.context, BP_STR("echo.raw"), &raw) == BP_OK);
  REQUIRE(bp_method_find(line.context, BP_STR("desk.nap"), &slow) == BP_OK);
  const auto by = [&](bp_method method, std::string_view payload) {
    Replies replies;
    bp_submission call = submission("", payload, replies);
    call.method = method;
    REQUIRE(bp_submit(line.context, &call, nullptr) == BP_OK);
    return replies.wait();
  };
  const std::string no_time = parameter("ms", 0);
  CHECK(by(raw, "a").payload == "a");
  line.restart({"desk", "timer", "echo"});
  CHECK(by(raw, "b").payload == "b");
  CHECK(by(slow, no_time).status == BP_OK);
  line.restart({"desk"});
  CHECK(by(raw, "c").status == BP_UNKNOWN_NAME);
  CHECK(by(slow, no_time).status == BP_OK);
  line.restart({"echo", "desk"});
  CHECK(by(raw, "d").payload == "d");
  Replies none;
  bp_submission call = submission("", "", none);
  call.method = {raw.id + 1000};
  CHECK(bp_submit(line.context, &call, nullptr) == BP_INVALID_HANDLE);
}

TEST_CASE("If the next host has a module that breaks callers, its calls are refused, until it fits again") {
  Line line;
  line.restart({"desk_more", "echo"});
  const Interface more = interface_of("desk_more");
  REQUIRE(expect(line.context, "desk", more) == BP_OK);
  CHECK(line.call("desk.nap", parameter("ms", 0)).status == BP_OK);
  bp_method slow{};
  REQUIRE(bp_method_find(line.context, BP_STR("desk.nap"), &slow) == BP_OK);

  line.restart({"desk", "echo"});  // without desk.more
  const auto told = line.states.last(BP_CONNECTION_INTERFACE);
  CHECK(told.status == BP_INTERFACE_CHANGED);
  CHECK(told.module == "desk");
  CHECK(told.message.find("desk.more") != std::string::npos);
  const auto all = line.states.all();
  CHECK(all.back().kind == BP_CONNECTION_BACK);
  CHECK(all[all.size() - 2].kind == BP_CONNECTION_INTERFACE);
  CHECK(line.call("desk.nap", parameter("ms", 0)).status == BP_INTERFACE_CHANGED);
  Replies by_method;
  const std::string payload = parameter("ms", 0);
  bp_submission call = submission("", payload, by_method);
  call.method = slow;
  CHECK(bp_submit(line.context, &call, nullptr) == BP_INTERFACE_CHANGED);
  CHECK(line.call("echo.raw", "x").status == BP_OK);
  CHECK(expect(line.context, "desk", more) == BP_INTERFACE_CHANGED);
  CHECK(line.call("desk.nap", payload).status == BP_INTERFACE_CHANGED);

  // An application that knows the other interface may go on.
  SECTION("The application accepts what is there") {
    CHECK(expect(line.context, "desk", interface_of("desk")) == BP_OK);
    CHECK(line.call("desk.nap", payload).status == BP_OK);
  }
  SECTION("The next host fits") {
    line.restart({"desk_more", "echo"});
    CHECK(line.call("desk.nap", payload).status == BP_OK);
  }
  SECTION("A reload fits") {
    bp_load_options load{};
    load.struct_size = sizeof load;
    const std::string file = module_file("desk_more");
    load.path = file.c_str();
    bp_result report{};
    report.struct_size = sizeof report;
    CHECK(bp_module_reload(line.context, BP_STR("desk"), &load, 0, &report) == BP_OK);
    bp_result_free(&report);
    CHECK(eventually([&] { return line.call("desk.nap", payload).status == BP_OK; }));
  }
  SECTION("The next host does not have the module") {
    line.restart({"echo"});
    CHECK(line.states.last(BP_CONNECTION_BACK).message.find("desk: ") == 0);
    CHECK(line.call("desk.nap", payload).status == BP_UNKNOWN_NAME);
  }
}

TEST_CASE("A reload that breaks callers is told, and calls of the module are refused") {
  Line line;
  line.restart({"desk_more", "echo"});
  REQUIRE(expect(line.context, "desk", interface_of("desk_more")) == BP_OK);
  bp_load_options load{};
  load.struct_size = sizeof load;
  const std::string file = module_file("desk");
  load.path = file.c_str();
  bp_result report{};
  report.struct_size = sizeof report;
  REQUIRE(bp_module_reload(line.context, BP_STR("desk"), &load, 0, &report) == BP_OK);
  bp_result_free(&report);
  REQUIRE(line.states.saw(BP_CONNECTION_INTERFACE));
  CHECK(line.call("desk.nap", parameter("ms", 0)).status == BP_INTERFACE_CHANGED);
}

TEST_CASE("Threads that call while the host is killed again and again get answers of the right name, or unreachable") {
  Line line;
  bp_method raw{};
  REQUIRE(bp_method_find(line.context, BP_STR("echo.raw"), &raw) == BP_OK);
  std::atomic<bool> stop{false};
  std::atomic<int> right{0}, unreachable{0}, wrong{0}, twice{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        Replies replies;
        bp_submission call = submission("", "mine", replies);
        call.method = raw;
        const bp_status status = bp_submit(line.context, &call, nullptr);
        const auto reply = status == BP_OK ? replies.wait(long_enough) : Replies::Reply{status, {}, {}};
        if (reply.status == BP_OK && reply.payload == "mine") {
          ++right;
        } else if (reply.status == BP_UNREACHABLE) {
          ++unreachable;
          std::this_thread::sleep_for(1ms);
        } else {
          ++wrong;
        }
        if (replies.terminal() > 1) ++twice;
      }
    });
  }
  for (const auto& modules : {std::vector<std::string>{"desk", "echo"}, {"echo", "desk", "timer"}, {"timer", "echo"}}) {
    line.restart(modules);
    const int before = right;
    CHECK(eventually([&] { return right > before; }));
  }
  stop = true;
  threads.clear();
  CHECK(right > 0);
  CHECK(unreachable > 0);
  CHECK(wrong == 0);
  CHECK(twice == 0);
}

TEST_CASE("It gives up after its attempts, and says so") {
  HostProcess host;
  const std::string path = host.socket();
  States states;
  bp_connect_options options = reconnecting(path, &states);
  options.reconnect_attempts = 3;
  const bp_context context = connected_to(options);
  host.kill();
  REQUIRE(states.saw(BP_CONNECTION_GIVEN_UP));
  CHECK(states.all().size() == 4);  // lost, two that wait, given up
  CHECK(states.last(BP_CONNECTION_GIVEN_UP).attempt == 3);
  Heard heard;
  bp_listener listener{};
  CHECK(bp_listen(context, BP_STR("a.b"), Heard::on_event, &heard, &listener) == BP_UNREACHABLE);
  CHECK(bp_context_destroy(context) == BP_OK);
}

TEST_CASE("A destroy during a wait between attempts does not wait for its end") {
  HostProcess host;
  const std::string path = host.socket();
  States states;
  bp_connect_options options = reconnecting(path, &states);
  options.reconnect_min_ms = options.reconnect_max_ms = 3'600'000;
  const bp_context context = connected_to(options);
  host.kill();
  REQUIRE(states.saw(BP_CONNECTION_LOST));
  const auto begin = std::chrono::steady_clock::now();
  CHECK(bp_context_destroy(context) == BP_OK);
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
  CHECK(states.all().size() == 1);
}

TEST_CASE("In on_state, functions that wait and the end of the context are refused, and calls with callbacks work") {
  HostProcess host;
  const std::string path = host.socket();
  struct User {
    std::atomic<std::uint64_t> context{0};
    std::atomic<int> back{0};
    std::vector<bp_status> got;
    Replies replies;
  } user;
  bp_connect_options options = reconnecting(path);
  options.user = &user;
  options.on_state = [](void* u, const bp_connection_state* state) {
    auto& self = *static_cast<User*>(u);
    if (state->kind != BP_CONNECTION_BACK) return;
    const bp_context context{self.context};
    bp_result out{};
    out.struct_size = sizeof out;
    bp_method method{};
    self.got.push_back(bp_call_sync(context, BP_STR("echo.raw"), {nullptr, 0}, 1000, &out));
    bp_result_free(&out);
    self.got.push_back(bp_method_find(context, BP_STR("echo.raw"), &method));
    self.got.push_back(bp_context_destroy(context));
    const bp_submission call = submission("echo.raw", "x", self.replies);
    self.got.push_back(bp_submit(context, &call, nullptr));
    ++self.back;
  };
  const bp_context context = connected_to(options);
  user.context = context.id;
  host.kill();
  host.start(usual);
  REQUIRE(eventually([&] { return user.back == 1; }));
  CHECK(user.got == std::vector<bp_status>{BP_REENTRANT, BP_REENTRANT, BP_REENTRANT, BP_OK});
  CHECK(user.replies.wait().payload == "x");
  CHECK(bp_context_destroy(context) == BP_OK);
}

TEST_CASE("Without the option, or with the struct of an older header, a lost connection stays lost") {
  HostProcess host;
  const std::string path = host.socket();
  States states;
  bp_connect_options options = reconnecting(path, &states);
  if (GENERATE(false, true)) {
    options.reconnect = 0;
  } else {
    options.struct_size = offsetof(bp_connect_options, reconnect);
  }
  const bp_context context = connected_to(options);
  Heard heard;
  bp_listener listener{};
  REQUIRE(bp_listen(context, BP_STR("backplane.disconnected"), Heard::on_event, &heard, &listener) == BP_OK);
  host.kill();
  REQUIRE(heard.comes_to({"backplane.disconnected"}));
  host.start({"echo"});
  Replies replies;
  const bp_submission call = submission("echo.raw", "x", replies);
  CHECK(bp_submit(context, &call, nullptr) == BP_UNREACHABLE);
  CHECK(bp_listen(context, BP_STR("a.b"), Heard::on_event, &heard, &listener) == BP_UNREACHABLE);
  CHECK(bp_context_destroy(context) == BP_OK);
  CHECK(states.all().empty());
}
