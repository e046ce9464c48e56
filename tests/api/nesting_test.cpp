// SPDX-License-Identifier: Apache-2.0
//
// Handlers that wait for handlers: what of the outermost call reaches the innermost, on fibers and on workers.
#include "matrix_fixture.hpp"
#include "status_counts.hpp"

using namespace host_test;

namespace {

/// What the handlers of one nest have seen, the innermost first.
struct Told {
  std::mutex mutex;
  std::vector<bp_status> statuses;
  std::vector<bp_status> checks;
  std::vector<std::uint64_t> remaining;

  void note(bp_status status, const Here& here) {
    std::uint64_t ms = 0;
    const bp_status checked = here.await.check(here.call.token, &ms);
    const std::lock_guard lock(mutex);
    statuses.push_back(status);
    checks.push_back(checked);
    remaining.push_back(ms);
  }
  std::size_t count() {
    const std::lock_guard lock(mutex);
    return statuses.size();
  }
};
Told* told = nullptr;
const char* innermost = nullptr;  // what the last handler waits for: a host function's name, or null for a sleep
std::uint64_t call_timeout = 0;   // of the calls in between

// Its payload is the wire names yet to be called, with spaces between.
bp_handled nest(MatrixFixture& fixture, const Here& here) {
  const std::string path = text_of(here.call.payload);
  const std::size_t end = std::min(path.find(' '), path.size());
  bp_result result{};
  result.struct_size = sizeof result;
  bp_status status = BP_OK;
  if (path != ".") {
    const std::string rest = end == path.size() ? "." : path.substr(end + 1);
    status = here.await.call(here.call.token, str(std::string_view(path).substr(0, end)), bytes_of(rest), call_timeout,
                             &result);
  } else if (innermost != nullptr) {
    status = here.await.host_call(here.call.token, str(innermost), {nullptr, 0}, 0, &result);
  } else {
    fixture.arrive();
    status = here.await.sleep(here.call.token, 3'600'000);
  }
  here.host.result_free(&result);
  told->note(status, here);
  return fixture.reply(here, status);
}

void never_answers(void* user, bp_context, bp_token, bp_str, bp_bytes) { static_cast<MatrixFixture*>(user)->arrive(); }

struct Nest {
  Nest() {
    load(context.native, "matrix", fixture.config());
    REQUIRE(bp_function_set(context.native, BP_STR("app.never"), never_answers, &fixture) == BP_OK);
    begin(nullptr, 0);
  }
  ~Nest() {
    CHECK(eventually([&] { return StatusCounts(context.native).nothing_open(); }));
    CHECK(unloaded(context.native, "matrix"));
  }
  Told& begin(const char* at_last, std::uint64_t timeout_ms) {
    seen = std::make_unique<Told>();
    told = seen.get();
    innermost = at_last;
    call_timeout = timeout_ms;
    fixture.begin(nest);
    return *seen;
  }
  std::unique_ptr<Told> seen;
  MatrixFixture fixture;
  const Context context;
};

const std::vector<std::string> nests = {
    "matrix.run",
    "matrix.run matrix.run",
    "matrix.block matrix.run",
    "matrix.run matrix.block",
    "matrix.block matrix.block",
};
const char* const innermosts[] = {nullptr, "app.never"};

}  // namespace

TEST_CASE("a cancel of the outermost call reaches every handler below it, and each ends once") {
  Nest nested;
  for (const std::string& path : nests) {
    for (const char* const at_last : innermosts) {
      CAPTURE(path, at_last == nullptr ? "sleep" : at_last);
      Told& seen = nested.begin(at_last, 0);
      const std::size_t deep = 2 + static_cast<std::size_t>(std::count(path.begin(), path.end(), ' '));
      Replies replies;
      bp_request request{};
      REQUIRE(nested.context.submit("matrix.run", replies, path, 0, &request) == BP_OK);
      REQUIRE(nested.fixture.wait_arrived(1));
      CHECK(replies.terminal() == 0);
      CHECK(bp_cancel(nested.context.native, request) == BP_OK);
      CHECK(replies.wait() == Seen{"canceled"});
      CHECK(eventually([&] { return seen.count() == deep; }));
      CHECK(seen.statuses == std::vector<bp_status>(deep, BP_CANCELED));
      CHECK(seen.checks == std::vector<bp_status>(deep, BP_CANCELED));
      CHECK(eventually([&] { return StatusCounts(nested.context.native).nothing_open(); }));
      CHECK(nested.fixture.odd == 0);
      CHECK(replies.terminal() == 1);
    }
  }
}

TEST_CASE("a deadline of the outermost call is that of every handler below it") {
  Nest nested;
  std::size_t heard = 0;
  for (const std::string& path : nests) {
    for (const char* const at_last : innermosts) {
      CAPTURE(path, at_last == nullptr ? "sleep" : at_last);
      Told& seen = nested.begin(at_last, 0);
      Replies replies;
      const auto begin = Clock::now();
      REQUIRE(nested.context.submit("matrix.run", replies, path, 20) == BP_OK);
      CHECK(replies.wait() == Seen{"deadline"});
      CHECK(Clock::now() - begin >= std::chrono::milliseconds(20));
      CHECK(eventually([&] { return StatusCounts(nested.context.native).nothing_open(); }));
      heard += seen.count();
      // On a machine so slow that not all began in time the innermost ones are missing.
      for (const bp_status status : seen.statuses) CHECK((status == BP_DEADLINE || status == BP_CANCELED));
      for (const bp_status status : seen.checks) CHECK((status == BP_DEADLINE || status == BP_CANCELED));
      for (const std::uint64_t ms : seen.remaining) CHECK(ms == 0);
      CHECK(nested.fixture.odd == 0);
      CHECK(replies.terminal() == 1);
    }
  }
  CHECK(heard > 0);
}

TEST_CASE("the timeout of a call that a handler makes ends that call alone, and the handler goes on") {
  Nest nested;
  for (const char* const wire : {"matrix.run", "matrix.block"}) {
    for (const std::uint64_t own : {std::uint64_t{0}, std::uint64_t{60'000}}) {
      CAPTURE(wire, own);
      Told& seen = nested.begin("app.never", 5);
      Replies replies;
      REQUIRE(nested.context.submit(wire, replies, "matrix.run", own) == BP_OK);
      CHECK(replies.wait() == Seen{"deadline"});  // the handler passes on what it was told
      CHECK(eventually([&] { return StatusCounts(nested.context.native).nothing_open(); }));
      const std::size_t count = seen.count();  // on a slow machine the inner one has not begun in time
      REQUIRE((count == 1 || count == 2));
      CHECK(seen.statuses == std::vector<bp_status>(count, BP_DEADLINE));
      CHECK(std::count(seen.checks.begin(), seen.checks.end(), BP_OK) == 1);  // the outer one is wanted still
      CHECK(std::count(seen.checks.begin(), seen.checks.end(), BP_DEADLINE) == static_cast<int>(count) - 1);
      const std::uint64_t left = *std::max_element(seen.remaining.begin(), seen.remaining.end());
      CHECK((own == 0 ? left == UINT64_MAX : left > 0 && left <= own));
    }
  }
}

TEST_CASE("of a handler's own deadline and its call's timeout the earlier one holds") {
  Nest nested;
  std::size_t heard = 0;
  for (const char* const wire : {"matrix.run", "matrix.block"}) {
    CAPTURE(wire);
    Told& seen = nested.begin(nullptr, 3'600'000);
    Replies replies;
    REQUIRE(nested.context.submit(wire, replies, "matrix.run matrix.run", 20) == BP_OK);
    CHECK(replies.wait() == Seen{"deadline"});
    CHECK(eventually([&] { return StatusCounts(nested.context.native).nothing_open(); }));
    heard += seen.count();
    for (const std::uint64_t ms : seen.remaining) CHECK(ms == 0);
  }
  CHECK(heard > 0);
}

TEST_CASE("a nested call gets its turn although calls from outside wait all the time") {
  const Context context;
  const Loaded asks(context, "asks");
  const Loaded sleeper(context, "sleeper");
  // Each answer brings the next call: more of them wait than one turn of the request thread begins.
  struct Chain {
    bp_context context;
    std::atomic<bool> ends{false};
    std::atomic<int> open{0};
    static void on_reply(void* user, const bp_answer*) {
      auto& self = *static_cast<Chain*>(user);
      if (!self.ends) self.call();
      --self.open;
    }
    void call() {
      bp_submission submission{};
      submission.struct_size = sizeof submission;
      submission.name = BP_STR("sleeper.remaining");
      submission.on_reply = on_reply;
      submission.user = this;
      open += bp_submit(context, &submission, nullptr) == BP_OK;
    }
  } chain{context.native, {}, {}};
  for (int i = 0; i < 500; ++i) chain.call();
  for (int i = 0; i < 10; ++i) {
    Replies nested;
    REQUIRE(context.submit("asks.call", nested, "sleeper.remaining", 0, nullptr, BP_SUBMIT_NO_STALE) == BP_OK);
    const Seen seen = nested.wait();
    CHECK(seen == Seen{"ok:none"});
    if (seen.empty()) {
      chain.ends = true;
      nested.wait();
    }
  }
  CHECK(chain.open >= 400);  // they have waited throughout
  chain.ends = true;
  CHECK(eventually([&] { return chain.open == 0; }));
}
