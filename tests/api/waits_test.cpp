// SPDX-License-Identifier: Apache-2.0
//
// Each call that waits for long shows in the statistics, and counts once.
#include <deque>

#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr auto stall = std::chrono::milliseconds(50);

Value name(const Context& context, const std::string& key) {
  const Value status = status_of(context.native);
  for (const Value& each : status["names"].items) {
    if (each["name"].text == key) return each;
  }
  throw std::runtime_error("the status says nothing of " + key);
}

std::uint64_t since(const Value& before, const Value& after, const char* what) {
  return after[what].number - before[what].number;
}

/// A host function that keeps the request thread from close() to open().
class Gate {
 public:
  explicit Gate(const Context& context) {
    REQUIRE(bp_function_set(context.native, BP_STR("app.gate"), pass, this) == BP_OK);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    closed_ = false;
    changed_.notify_all();
  }
  bool wait_inside() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, long_enough, [this] { return inside_; });
  }

 private:
  static void pass(void* user, bp_context context, bp_token token, bp_str, bp_bytes) {
    auto& self = *static_cast<Gate*>(user);
    {
      std::unique_lock lock(self.mutex_);
      self.inside_ = true;
      self.changed_.notify_all();
      self.changed_.wait_for(lock, long_enough, [&self] { return !self.closed_; });
      self.inside_ = false;
    }
    const bp_answer answer = answer_of(BP_OK, "through");
    bp_complete(context, token, &answer);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  bool inside_ = false;
};

struct Calls {
  explicit Calls(const Context& of) : context(of) {}
  void submit(const char* what, int count, bp_source source = {}) {
    for (int i = 0; i < count; ++i) {
      bp_submission submission{};
      submission.struct_size = sizeof submission;
      submission.name = str(what);
      submission.on_reply = Replies::on_reply;
      submission.user = &replies.emplace_back();
      submission.source = source;
      REQUIRE(bp_submit(context.native, &submission, nullptr) == BP_OK);
    }
  }
  void wait() {
    for (Replies& each : replies) REQUIRE(each.wait().size() == 1);
  }
  const Context& context;
  std::deque<Replies> replies;
};

/// Of a name without calls so far.
Value nothing(const Context& context, const char* called) {
  CHECK(context.call(called, "0").substr(0, 3) == "ok:");
  return name(context, called);
}

}  // namespace

TEST_CASE("each of a thousand calls that wait behind a handler counts as one that waited for longer than 1 ms") {
  const Context context;
  const Loaded asks(context, "asks");
  const Loaded sleeper(context, "sleeper");
  const Value before = nothing(context, "sleeper.remaining");
  Gate gate(context);
  gate.close();
  Replies holder;
  REQUIRE(context.submit("asks.host", holder, "app.gate") == BP_OK);
  REQUIRE(gate.wait_inside());
  Calls calls(context);
  const auto begin = Clock::now();
  calls.submit("sleeper.remaining", 1'000);
  std::this_thread::sleep_for(stall);
  const auto waited = std::chrono::nanoseconds(Clock::now() - begin);
  gate.open();
  calls.wait();
  CHECK(holder.wait() == Seen{"ok:through"});
  const Value after = name(context, "sleeper.remaining");
  CHECK(since(before, after, "calls") == 1'000);
  CHECK(since(before, after, "waits_above_1ms") == 1'000);
  CHECK(since(before["wait_ns"], after["wait_ns"], "measured") == 1'000);
  CHECK(after["wait_ns"]["max"].number >= 50 * ms);
  CHECK(after["wait_ns"]["max"].number >= static_cast<std::uint64_t>(waited.count()) * 9 / 10);
}

TEST_CASE("a stall in code that has been quick is noticed by those who submit, and then each wait counts") {
  const Context context;
  const Loaded asks(context, "asks");
  const Loaded sleeper(context, "sleeper");
  const Value of_few = nothing(context, "sleeper.remaining");
  const Value of_source = nothing(context, "sleeper.sleep");
  bp_source source{};
  REQUIRE(bp_source_open(context.native, &source) == BP_OK);
  Gate gate(context);
  for (int i = 0; i < 300; ++i) REQUIRE(context.call("asks.host", "app.gate") == "ok:through");
  gate.close();
  Replies holder;
  REQUIRE(context.submit("asks.host", holder, "app.gate") == BP_OK);
  REQUIRE(gate.wait_inside());
  Calls calls(context);
  for (int i = 0; i < 3; ++i) {  // noted; found to wait after 1 ms
    calls.submit("sleeper.stubborn", 64);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  calls.submit("sleeper.remaining", 10);
  calls.submit("sleeper.sleep", 10, source);
  std::this_thread::sleep_for(stall);
  gate.open();
  calls.wait();
  CHECK(holder.wait() == Seen{"ok:through"});
  CHECK(since(of_few, name(context, "sleeper.remaining"), "waits_above_1ms") == 10);
  CHECK(since(of_source, name(context, "sleeper.sleep"), "waits_above_1ms") == 10);
  CHECK(bp_source_close(context.native, source) == BP_OK);
}

TEST_CASE("each wait of a blocking handler for its turn is measured") {
  const Context context;
  const Loaded blocking(context, "blocking");
  std::deque<Replies> replies;
  for (int i = 0; i < 10; ++i) REQUIRE(context.submit("blocking.one_by_one", replies.emplace_back(), "5") == BP_OK);
  for (Replies& each : replies) REQUIRE(each.wait().size() == 1);
  CHECK(eventually([&] { return name(context, "blocking.one_by_one")["in_flight"].number == 0; }));
  const Value after = name(context, "blocking.one_by_one");
  CHECK(after["wait_ns"]["measured"].number == 10);
  CHECK(after["waits_above_1ms"].number >= 8);
  CHECK(after["waits_above_1ms"].number <= 10);
}

TEST_CASE("the status names the oldest call of a context, whose it is, and how it stands") {
  const Context context;
  const Loaded sleeper(context, "sleeper");
  const Loaded asks(context, "asks");
  const Loaded holder(context, "holder");
  const Loaded blocking(context, "blocking");
  struct Oldest {
    std::string name;
    std::string state;
    std::string client;
    std::uint64_t for_ms = 0;
  };
  const auto oldest = [&] {
    const Value status = status_of(context.native);
    for (const Value& each : status["contexts"].items) {
      const Value& call = each["oldest_call"];
      if (!call.fields.empty()) {
        return Oldest{call["name"].text, call["state"].text, call["client"].text, call["for_ms"].number};
      }
    }
    return Oldest();
  };
  const auto shows = [&](const char* called, const char* state, const char* client) {
    return eventually([&] {
      const Oldest found = oldest();
      return found.name == called && found.state == state && found.client == client;
    });
  };
  CHECK(oldest().name.empty());

  bp_source source{};
  REQUIRE(bp_source_open(context.native, &source) == BP_OK);
  REQUIRE(bp_source_name(context.native, source, BP_STR("process 4711 (user 1000, curl)")) == BP_OK);
  Replies pending;
  bp_request request{};
  bp_submission submission{};
  submission.struct_size = sizeof submission;
  submission.name = BP_STR("holder.keep");
  submission.on_reply = Replies::on_reply;
  submission.user = &pending;
  submission.source = source;
  REQUIRE(bp_submit(context.native, &submission, &request) == BP_OK);
  CHECK(shows("holder.keep", "pending", "process 4711 (user 1000, curl)"));
  Replies sleeping;
  bp_request younger{};
  REQUIRE(context.submit("sleeper.sleep", sleeping, "60000", 0, &younger) == BP_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  CHECK(oldest().name == "holder.keep");
  CHECK(oldest().for_ms >= 1'100);
  CHECK(oldest().for_ms < 20'000);
  CHECK(bp_cancel(context.native, request) == BP_OK);
  CHECK(shows("sleeper.sleep", "suspended", "this process"));
  CHECK(oldest().for_ms >= 1'100);

  // A request thread that is stuck cannot be asked.
  Gate gate(context);
  gate.close();
  Replies held;
  REQUIRE(context.submit("asks.host", held, "app.gate") == BP_OK);
  REQUIRE(gate.wait_inside());
  const auto begin = Clock::now();
  CHECK(shows("asks.host", "running", "this process"));
  CHECK(Clock::now() - begin < std::chrono::seconds(2));
  gate.open();
  CHECK(held.wait().size() == 1);
  CHECK(bp_cancel(context.native, younger) == BP_OK);
  CHECK(sleeping.wait() == Seen{"canceled"});
  CHECK(pending.wait().back() == "canceled");

  Replies on_worker;
  Replies waits;
  REQUIRE(context.submit("blocking.one_by_one", on_worker, "300") == BP_OK);
  REQUIRE(context.submit("blocking.one_by_one", waits, "300") == BP_OK);
  CHECK(shows("blocking.one_by_one", "on a worker", "this process"));
  CHECK(on_worker.wait().size() == 1);
  CHECK(waits.wait().size() == 1);
  CHECK(bp_source_close(context.native, source) == BP_OK);
}

TEST_CASE("a source has one name, which is one line of text") {
  const Context context;
  bp_source source{};
  REQUIRE(bp_source_open(context.native, &source) == BP_OK);
  for (const std::string& wrong : {std::string(), std::string(65, 'a'), std::string("a\nb"), std::string("a\x7f"),
                                   std::string("\xff"), std::string("a\xc2\x9b"), std::string("a\0b", 3)}) {
    CAPTURE(wrong);
    CHECK(bp_source_name(context.native, source, str(wrong)) == BP_INVALID_ARGUMENT);
  }
  CHECK(bp_source_name(context.native, {source.id + 4}, BP_STR("a")) == BP_INVALID_HANDLE);
  CHECK(bp_source_name(context.native, source, str(std::string(62, 'a') + "\xc3\xa4")) == BP_OK);
  CHECK(bp_source_name(context.native, source, BP_STR("b")) == BP_INVALID_ARGUMENT);
  CHECK(bp_source_close(context.native, source) == BP_OK);
  CHECK(bp_source_name(context.native, source, BP_STR("b")) == BP_INVALID_HANDLE);
}
