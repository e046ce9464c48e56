// SPDX-License-Identifier: Apache-2.0
//
// What a context tells the next host that it connects to, frame by frame, and how that can fail.
#include <sys/un.h>

#include <deque>

#include "raw_peer.hpp"
#include "reconnecting.hpp"
#include "temp_dir.hpp"
#include "wire/frame.hpp"

namespace wire = backplane::host::wire;

namespace {

wire::Features all_features() {
  wire::Features features;
  features.lossless = features.provide = features.expect = features.credit = true;
  return features;
}

/// A context that connects again, and hosts that the test speaks for.
struct Stage {
  TempDir dir;
  std::string path = dir / "s";
  RawListener door{path};
  States states;
  std::optional<RawPeer> host;
  bp_context context{};

  explicit Stage(bp_connect_options (*with)(bp_connect_options) = nullptr) {
    bp_connect_options options = reconnecting(path, &states);
    if (with != nullptr) options = with(options);
    std::jthread serve([this] { accept(); });
    context = connected_to(options);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage() {
    if (context.id != 0) CHECK(bp_context_destroy(context) == BP_OK);
  }

  /// Takes the next connection, and says hello.
  void accept() {
    host.emplace(door.accept());
    host->receive();
    wire::Hello hello{1, "0.1.0", 1};
    hello.features = all_features();
    host->send_frame(hello);
  }
  void next_host() {
    host->close();
    accept();
  }
  /// Takes the frame that comes next, and answers it.
  template <class Frame>
  std::uint64_t take(bp_status status = BP_OK, std::string_view why = {}) {
    const auto frame = host->receive_as<Frame>();
    REQUIRE(frame);
    host->send_frame(wire::Reply{frame->id, status, {}, why, {}});
    return frame->id;
  }
  /// Registers a listener, which the host takes.
  bp_listener listen(std::string_view pattern, Heard& heard, std::uint32_t flags = 0) {
    bp_subscription subscription{};
    subscription.struct_size = sizeof subscription;
    subscription.flags = flags;
    subscription.pattern = text(pattern);
    subscription.on_event = Heard::on_event;
    subscription.user = &heard;
    std::jthread serve([this] { take<wire::Listen>(); });
    bp_listener out{};
    REQUIRE(bp_subscribe(context, &subscription, &out) == BP_OK);
    return out;
  }
  void event(bp_listener listener, std::string_view name, std::uint32_t flags = 0) {
    host->send_frame(wire::Event{listener.id, flags, name, {}});
  }
};

/// A function that keeps its tokens.
struct Function {
  std::mutex mutex;
  std::vector<bp_token> asked, unasked;

  void provide(Stage& stage) {
    bp_provided provided{};
    provided.struct_size = sizeof provided;
    provided.name = BP_STR("a.f");
    provided.user = this;
    provided.on_ask = [](void* user, bp_context, const bp_ask* ask) {
      auto& self = *static_cast<Function*>(user);
      const std::lock_guard lock(self.mutex);
      self.asked.push_back(ask->token);
    };
    provided.on_unask = [](void* user, bp_context, bp_token token) {
      auto& self = *static_cast<Function*>(user);
      const std::lock_guard lock(self.mutex);
      self.unasked.push_back(token);
    };
    std::jthread serve([&stage] { stage.take<wire::Provide>(); });
    REQUIRE(bp_function_provide(stage.context, &provided) == BP_OK);
  }
  std::vector<bp_token> tokens() {
    const std::lock_guard lock(mutex);
    return asked;
  }
};

bp_status answer(bp_context context, bp_token token, std::string_view payload) {
  bp_answer out{};
  out.struct_size = sizeof out;
  out.payload = Line::bytes(payload);
  return bp_complete(context, token, &out);
}

bp_status submit(bp_context context, const char* name, Replies& replies) {
  const bp_submission call = submission(name, "", replies);
  return bp_submit(context, &call, nullptr);
}

}  // namespace

TEST_CASE("Events of the next host wait for the gap, and the gap for the moment when calls work") {
  Replies replies;  // the end of the context still answers
  Stage stage;
  Heard heard, other;
  const bp_listener first = stage.listen("a.*", heard);
  const bp_listener second = stage.listen("b.*", other);
  stage.event(first, "a.before");
  REQUIRE(heard.comes_to({"a.before"}));
  stage.next_host();
  stage.take<wire::Listen>();
  stage.event(first, "a.after");  // the other listener is not there yet
  const auto frame = stage.host->receive_as<wire::Listen>();
  REQUIRE(frame);
  CHECK(frame->listener == second.id);
  CHECK(submit(stage.context, "x.y", replies) == BP_UNREACHABLE);
  CHECK(heard.all() == std::vector<std::string>{"a.before"});
  stage.host->send_frame(wire::Reply{frame->id, BP_OK, {}, {}, {}});
  REQUIRE(heard.comes_to({"a.before", "gap", "a.after"}));
  CHECK(other.comes_to({"gap"}));
  CHECK(submit(stage.context, "x.y", replies) == BP_OK);
  stage.take<wire::Call>();
  CHECK(replies.wait().status == BP_OK);
}

TEST_CASE("A listener that the next host refuses gets no gap, is named, and is told to the host after it") {
  Stage stage;
  Heard heard;
  const bp_listener listener = stage.listen("a.*", heard);
  stage.next_host();
  stage.take<wire::Listen>(BP_OVERLOADED, "too many");
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK));
  CHECK(stage.states.last(BP_CONNECTION_BACK).message == "a.*: too many");
  stage.next_host();
  stage.take<wire::Listen>();
  stage.event(listener, "a.b");
  CHECK(heard.comes_to({"gap", "a.b"}));
}

TEST_CASE("A host that ends while it is told costs one more attempt, and listeners get one gap") {
  Stage stage;
  Heard heard;
  const bp_listener listener = stage.listen("a.*", heard);
  for (int i = 0; i < 3; ++i) {
    stage.next_host();
    REQUIRE(stage.host->receive_as<wire::Listen>());
    stage.event(listener, "a.never");
  }
  stage.next_host();
  stage.take<wire::Listen>();
  stage.event(listener, "a.b");
  REQUIRE(heard.comes_to({"gap", "a.b"}));
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK));
  const auto all = stage.states.all();
  CHECK(all.size() >= 5);
  for (const auto& state : all) {
    if (state.kind == BP_CONNECTION_WAITING) CHECK(state.message.find("no connection to the host: ") == 0);
  }
  CHECK(all.front().kind == BP_CONNECTION_LOST);
  CHECK(all.back().kind == BP_CONNECTION_BACK);
}

TEST_CASE("A listener that is removed while the next host is told of it is taken back") {
  Stage stage;
  Heard heard;
  const bp_listener listener = stage.listen("a.*", heard);
  stage.next_host();
  const auto frame = stage.host->receive_as<wire::Listen>();
  REQUIRE(frame);
  CHECK(bp_unlisten(stage.context, listener) == BP_OK);
  REQUIRE(stage.host->receive_as<wire::Unlisten>());  // it may have come first, so one more follows
  stage.host->send_frame(wire::Reply{frame->id, BP_OK, {}, {}, {}});
  const auto again = stage.host->receive_as<wire::Unlisten>();
  REQUIRE(again);
  CHECK(again->listener == listener.id);
}

TEST_CASE("A listener that is made while the next host is told is told once") {
  Replies replies;  // the end of the context still answers
  Stage stage;
  Heard heard, late;
  stage.listen("a.*", heard);
  stage.next_host();
  const auto frame = stage.host->receive_as<wire::Listen>();
  REQUIRE(frame);
  const bp_listener made = stage.listen("b.*", late);
  stage.event(made, "b.c");
  stage.host->send_frame(wire::Reply{frame->id, BP_OK, {}, {}, {}});
  CHECK(late.comes_to({"b.c"}));
  CHECK(heard.comes_to({"gap"}));
  REQUIRE(eventually([&] { return submit(stage.context, "x.y", replies) == BP_OK; }));
  stage.take<wire::Call>();  // so nothing came in between
}

TEST_CASE("A token of an older connection answers nothing, although the next host uses the same number") {
  Stage stage;
  Function function;
  function.provide(stage);
  stage.host->send_frame(wire::Ask{7, "a.f", {}, 0, 0});
  REQUIRE(eventually([&] { return function.tokens().size() == 1; }));
  stage.next_host();
  stage.take<wire::Provide>();
  stage.host->send_frame(wire::Ask{7, "a.f", {}, 0, 0});
  REQUIRE(eventually([&] { return function.tokens().size() == 2; }));
  const auto tokens = function.tokens();
  CHECK(tokens[0] != tokens[1]);
  CHECK(function.unasked == std::vector<bp_token>{tokens[0]});
  CHECK(answer(stage.context, tokens[0], "old") == BP_STALE_TOKEN);
  CHECK(answer(stage.context, tokens[1], "new") == BP_OK);
  const auto got = stage.host->receive_as<wire::Answer>();
  REQUIRE(got);
  CHECK(got->token == 7);
  CHECK(wire::as_text(got->payload) == "new");
  stage.host->send_frame(wire::Ask{8, "a.f", {}, 0, 0});
  stage.host->send_frame(wire::Unask{8});
  REQUIRE(eventually([&] {
    const std::lock_guard lock(function.mutex);
    return function.unasked.size() == 2;
  }));
  CHECK(function.unasked[1] == function.tokens()[2]);
}

TEST_CASE("A function whose name is still taken by the old connection is provided as soon as it is free") {
  Stage stage;
  Function function;
  function.provide(stage);
  stage.next_host();
  stage.take<wire::Provide>(BP_NAME_TAKEN, "taken");
  stage.take<wire::Provide>(BP_NAME_TAKEN, "taken");
  stage.take<wire::Provide>();
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK));
  CHECK(stage.states.last(BP_CONNECTION_BACK).message.empty());
}

TEST_CASE("A function whose name another one has taken is named, and provided to the host after that") {
  Stage stage;
  Function function;
  function.provide(stage);
  stage.next_host();
  std::jthread refuse([&] {
    while (stage.states.all().empty() || stage.states.all().back().kind != BP_CONNECTION_BACK) {
      const auto frame = stage.host->receive_as<wire::Provide>(std::chrono::milliseconds(50));
      if (frame) stage.host->send_frame(wire::Reply{frame->id, BP_NAME_TAKEN, {}, "another has it", {}});
    }
  });
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK));
  refuse.join();
  CHECK(stage.states.last(BP_CONNECTION_BACK).message == "a.f: another has it");
  stage.next_host();
  stage.take<wire::Provide>();
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK, 2));
  CHECK(stage.states.last(BP_CONNECTION_BACK).message.empty());
}

TEST_CASE("A function that is withdrawn while the next host is told of it is taken back") {
  Stage stage;
  Function function;
  function.provide(stage);
  stage.next_host();
  const auto frame = stage.host->receive_as<wire::Provide>();
  REQUIRE(frame);
  CHECK(bp_function_withdraw(stage.context, BP_STR("a.f"), &function) == BP_OK);
  REQUIRE(stage.host->receive_as<wire::Withdraw>());
  stage.host->send_frame(wire::Reply{frame->id, BP_OK, {}, {}, {}});
  CHECK(stage.host->receive_as<wire::Withdraw>());
}

TEST_CASE("What a callback has taken of the old connection gives no credit on the next one") {
  Stage stage;
  struct Slow {
    std::atomic<bool> inside{false}, go{false};
    Heard heard;
  } slow;
  bp_subscription subscription{};
  subscription.struct_size = sizeof subscription;
  subscription.flags = BP_LISTEN_LOSSLESS;
  subscription.pattern = BP_STR("a.*");
  subscription.user = &slow;
  subscription.on_event = [](void* user, const bp_event* event) {
    auto& self = *static_cast<Slow*>(user);
    self.inside = true;
    while (!self.go) std::this_thread::sleep_for(1ms);
    self.heard.note(*event);
  };
  bp_listener listener{};
  {
    std::jthread serve([&] { stage.take<wire::Listen>(); });
    REQUIRE(bp_subscribe(stage.context, &subscription, &listener) == BP_OK);
  }
  stage.event(listener, "a.old", BP_EVENT_LOSSLESS);
  REQUIRE(eventually([&] { return slow.inside.load(); }));
  stage.next_host();
  stage.take<wire::Listen>();
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK));
  stage.event(listener, "a.newer", BP_EVENT_LOSSLESS);
  slow.go = true;
  REQUIRE(slow.heard.comes_to({"a.old", "gap", "a.newer"}));
  const auto heard = stage.host->receive_as<wire::Heard>();
  REQUIRE(heard);
  CHECK(heard->bytes == std::string_view("a.newer").size());
}

TEST_CASE("Ids of calls are not used again, so a late cancel cannot reach a call of the next connection") {
  Replies old, fresh;  // the end of the context still answers
  Stage stage;
  bp_submission call = submission("x.a", "", old);
  bp_request before{}, after{};
  REQUIRE(bp_submit(stage.context, &call, &before) == BP_OK);
  stage.next_host();
  CHECK(old.wait().status == BP_UNREACHABLE);
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK));
  call = submission("x.b", "", fresh);
  REQUIRE(bp_submit(stage.context, &call, &after) == BP_OK);
  CHECK(after.id > before.id);
  CHECK(bp_cancel(stage.context, before) == BP_INVALID_HANDLE);
  stage.take<wire::Call>();
  CHECK(fresh.wait().status == BP_OK);
  CHECK(old.terminal() == 1);
}

TEST_CASE("A destroy does not wait for a host that says no hello, or does not answer what it is told") {
  Stage stage([](bp_connect_options options) {
    options.timeout_ms = 600'000;
    return options;
  });
  Heard heard;
  stage.listen("a.*", heard);
  stage.host->close();
  if (GENERATE(false, true)) {
    stage.accept();
    REQUIRE(stage.host->receive_as<wire::Listen>());
  } else {
    stage.host.emplace(stage.door.accept());
    REQUIRE(stage.host->receive_as<wire::Hello>());
  }
  const auto begin = std::chrono::steady_clock::now();
  CHECK(bp_context_destroy(std::exchange(stage.context, {})) == BP_OK);
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
  CHECK(stage.states.all().size() == 1);
  CHECK(heard.all().empty());
}

TEST_CASE("The next connection begins when the callbacks of the old one have returned") {
  Stage stage;
  struct User {
    std::atomic<bool> inside{false}, go{false}, left{false};
  } user;
  bp_submission call{};
  call.struct_size = sizeof call;
  call.name = BP_STR("x.a");
  call.user = &user;
  call.on_reply = [](void* u, const bp_answer*) {
    auto& self = *static_cast<User*>(u);
    self.inside = true;
    while (!self.go) std::this_thread::sleep_for(1ms);
    self.left = true;
  };
  REQUIRE(bp_submit(stage.context, &call, nullptr) == BP_OK);
  stage.take<wire::Call>();
  REQUIRE(eventually([&] { return user.inside.load(); }));
  stage.host->close();
  std::jthread release([&] {
    std::this_thread::sleep_for(50ms);  // an attempt that does not wait would come in this time
    user.go = true;
  });
  stage.accept();
  CHECK(user.left);
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK));
}

TEST_CASE("A closed context stays closed on the next connection") {
  Replies replies;  // the end of the context still answers
  Stage stage;
  CHECK(bp_context_close(stage.context) == BP_OK);
  stage.next_host();
  REQUIRE(stage.states.saw(BP_CONNECTION_BACK));
  CHECK(submit(stage.context, "x.y", replies) == BP_CLOSED);
  Heard heard;
  bp_listener listener{};
  CHECK(bp_listen(stage.context, BP_STR("a.*"), Heard::on_event, &heard, &listener) == BP_CLOSED);
}

TEST_CASE("A context whose listener hangs in a destroy is gone when that has returned") {
  struct Hangs {
    std::promise<void> began, release;
    std::shared_future<void> released = release.get_future().share();
    static void on_event(void* user, const bp_event*) {
      auto& self = *static_cast<Hangs*>(user);
      self.began.set_value();
      self.released.wait();
    }
  };
  Hangs hangs;
  HostProcess host;
  const std::string path = host.socket();
  const bp_context context = connected_to(reconnecting(path));
  bp_listener listener{};
  REQUIRE(bp_listen(context, BP_STR("backplane.disconnected"), Hangs::on_event, &hangs, &listener) == BP_OK);
  host.kill();
  hangs.began.get_future().wait();
  CHECK(bp_context_destroy(context) == BP_TIMEOUT);
  // The thread that the library sets the context aside with may get the id of the reader, which has been joined.
  std::promise<void> gone;
  const auto reached = [](void* user) { static_cast<std::promise<void>*>(user)->set_value(); };
  REQUIRE(bp_context_then(context, BP_CONTEXT_GONE, reached, &gone) == BP_OK);
  hangs.release.set_value();
  CHECK(gone.get_future().wait_for(30s) == std::future_status::ready);
}
