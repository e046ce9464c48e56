// SPDX-License-Identifier: Apache-2.0
//
// Handlers and fibers that fork without exec. The child is a copy of the host, and must do nothing of the host's work.
#include <sys/wait.h>
#include <unistd.h>

#include <deque>

#include "../fibers/host_fixture.hpp"

using namespace fiber_test;

namespace {

/// The host function app.gate, which lets the application do something while it holds the request thread.
struct Gate {
  Gate(const Context& of, std::function<void()> what) : context(of), inside(std::move(what)) {
    REQUIRE(bp_function_set(context.native, BP_STR("app.gate"), pass, this) == BP_OK);
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { CHECK(bp_function_set(context.native, BP_STR("app.gate"), nullptr, nullptr) == BP_OK); }
  static void pass(void* user, bp_context context, bp_token token, bp_str, bp_bytes) {
    static_cast<Gate*>(user)->inside();
    const bp_answer answer = host_test::answer_of(BP_OK);
    bp_complete(context, token, &answer);
  }
  const Context& context;
  const std::function<void()> inside;
};

}  // namespace

TEST_CASE("in a child that a handler forks everything is refused, and what waits in the host runs once") {
  const Context context;
  const host_test::Loaded forks(context, "forks");
  std::deque<Replies> queued(1'000);
  std::atomic<int> refused{0};
  const Gate gate(context, [&] {
    for (Replies& each : queued) refused += context.submit("forks.count", each) != BP_OK;
  });
  CHECK(context.call("forks.tries") == "ok:0");
  CHECK(refused == 0);
  for (Replies& each : queued) CHECK(each.wait() == Seen{"ok"});
  CHECK(context.call("forks.counted") == "ok:1000");
}

TEST_CASE("in a child that a fiber or a blocking handler forks everything is refused, too") {
  const Context context;
  const host_test::Loaded forks(context, "forks");
  CHECK(context.call("forks.fiber") == "ok:0");
  CHECK(context.call("forks.blocking") == "ok:0");
}

TEST_CASE("a child that returns to the host ends with a line that says from where, and the parent goes on") {
  const Context context;
  const host_test::Loaded forks(context, "forks");
  const Log log;
  CHECK(context.call("forks.returns") == "ok:1");
  CHECK(context.call("forks.replied") == "ok:before");
  CHECK(context.call("forks.woven") == "ok:1");
  CHECK(context.call("forks.worker") == "ok:1");
  CHECK(context.call("forks.asks") == "ok:1");
  for (const char* name : {"returns", "replied", "woven", "worker"}) {
    CAPTURE(name);
    CHECK(log.lines_with(
              {"backplane: a forked child of the host returned from the handler of \"forks." + std::string(name) +
                   "\" of the module \"forks\", generation ",
               "; the child ends with 1, because the host goes on in its parent alone. Call exec or _exit"}) == 1);
  }
  CHECK(log.lines_with({"returned from the function of \"forks.asks\" of the module \"forks\""}) == 1);
  CHECK(context.call("forks.counted") == "ok:0");
}

TEST_CASE("a child that returns from a callback of the application ends as well") {
  const Context context;
  const host_test::Loaded forks(context, "forks");
  const Log log;
  std::atomic<pid_t> child{-1};
  Replies replies([&](const bp_answer&) {
    const pid_t forked = ::fork();
    if (forked != 0) child = forked;
  });
  Replies next;
  REQUIRE(context.submit("forks.count", replies) == BP_OK);
  REQUIRE(context.submit("forks.count", next) == BP_OK);
  CHECK(replies.wait() == Seen{"ok"});
  CHECK(next.wait() == Seen{"ok"});
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; }));
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(log.lines_with({"returned from the reply of \"forks.count\""}) == 1);
}
