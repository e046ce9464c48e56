// SPDX-License-Identifier: Apache-2.0
//
// The end of main: what is unwound then, and when and how the run is answered.
#include <optional>

#include "host_fixture.hpp"

using namespace fiber_test;

namespace {

/// Runs a row that writes to a pipe; what had been written when the terminal reply came.
struct Run {
  Run(const HostFixture& fixture, const std::string& row, std::uint64_t timeout_ms = 0)
      : Run(fixture.context, row, timeout_ms) {}
  Run(const Context& context, const std::string& row, std::uint64_t timeout_ms = 0)
      : replies([this](const bp_answer& answer) {
          if (answer.status != BP_STALE) at_reply = pipe.text();
        }) {
    REQUIRE(context.submit(row, replies, pipe.number(), timeout_ms, &request) == BP_OK);
  }
  bool wrote(const std::string& text) {
    return eventually([&] { return pipe.text().size() >= text.size(); }) && pipe.text() == text;
  }
  Pipe pipe;
  std::string at_reply;
  bp_request request{};
  Replies replies;
};

std::string without(std::string text, char letter) {
  text.erase(std::remove(text.begin(), text.end(), letter), text.end());
  return text;
}

struct Ended {
  bp_status status;
  std::string text;
  std::string message;
};
Ended call(const HostFixture& fixture, const std::string& row) {
  Result result;
  const bp_status status = bp_call_sync(fixture.context.native, host_test::str(row), {nullptr, 0}, 0, &result);
  return {status, result.text(), result.words()};
}

}  // namespace

TEST_CASE("when main ends what is suspended is unwound, the newest first, and then the answer is delivered") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Run run(fixture, module + ".main_ends");
    CHECK(run.replies.wait() == Seen{"ok:ended"});
    // Capital letters: unwound; small ones: given back. The fourth, D, never ran.
    CHECK(without(run.at_reply, 'd') == ".EeCcBbAa");
    CHECK(std::count(run.at_reply.begin(), run.at_reply.end(), 'd') == 1);
    CHECK(run.pipe.text() == run.at_reply);
    CHECK(fixture.count("alive") == 0);
  }
}

TEST_CASE("when main fails what is suspended is unwound before its error is delivered") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Run run(fixture, module + ".main_fails");
    const std::vector<std::string> seen = run.replies.wait();
    REQUIRE(seen.size() == 1);
    CHECK(seen[0] == (module == "fiber_c" ? "no_reply" : "module"));
    CHECK(run.at_reply == ".BbAa");
    CHECK(fixture.count("alive") == 0);
  }
}

TEST_CASE("an answer given early is delivered when main has ended and all is unwound") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Run run(fixture, module + ".early_reply");
    CHECK(run.replies.wait() == Seen{"ok:early"});
    CHECK(run.at_reply == ".Aa");
  }
}

TEST_CASE("an answer given early is delivered at its deadline, and then all is unwound") {
  const HostFixture outer;  // holds the modules
  bp_context_options options = host_test::no_options();
  options.stale_interval_ms = 5;
  const Context context(options);
  for (const std::string& module : both) {
    CAPTURE(module);
    // A loaded machine may need longer to come as far as to the wait.
    for (std::uint64_t ms = 50; ms < 100'000; ms *= 4) {
      Application application(context);
      Run run(context, module + ".early_and_waits", ms);
      const Seen seen = run.replies.wait();
      REQUIRE(run.replies.terminal() == 1);
      CHECK(eventually([&] { return StatusCounts(context.native).nothing_open(); }));
      if (application.called() == 0) continue;
      CHECK(seen.back() == "ok:early");
      CHECK(run.at_reply.empty());
      CHECK(run.wrote("d.Aa"));
      CHECK(run.replies.terminal() == 1);
      break;
    }
  }
}

TEST_CASE("an answer given early is delivered at a cancel, and then all is unwound") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Application application(fixture.context);
    Run run(fixture, module + ".early_and_waits");
    REQUIRE(application.wait_called(1));
    CHECK(run.replies.terminal() == 0);
    CHECK(bp_cancel(fixture.context.native, run.request) == BP_OK);
    CHECK(run.replies.wait() == Seen{"ok:early"});
    CHECK(run.at_reply.empty());
    CHECK(run.wrote("k.Aa"));
    CHECK(eventually([&] { return StatusCounts(fixture.context.native).nothing_open(); }));
    CHECK(run.replies.terminal() == 1);
  }
}

TEST_CASE("an answer given early is delivered when the context stops, and all is unwound") {
  for (const std::string& module : both) {
    CAPTURE(module);
    const HostFixture outer;  // holds the modules
    Context context;
    std::optional<Application> application(std::in_place, context);
    Run run(context, module + ".early_and_waits");
    REQUIRE(application->wait_called(1));
    application.reset();
    bp_context_stop(context.native, 5);
    CHECK(run.replies.wait() == Seen{"ok:early"});
    CHECK(run.wrote("k.Aa"));
  }
}

TEST_CASE("an answer given early reaches a handler that waits for it when the timeout of its call passes") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Application application(fixture.context);
    Run run(fixture, module + ".calls_early");
    CHECK(run.replies.wait() == Seen{"ok:early"});
    CHECK(run.wrote("d.Aa"));
    CHECK(eventually([&] { return StatusCounts(fixture.context.native).nothing_open(); }));
  }
}

TEST_CASE("if main does not ask which entry returned the answer is error 129 with its id") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    const Ended first = call(fixture, module + ".entry_returned_unasked");
    CHECK(first.status == 129);
    CHECK(first.text.empty());
    CAPTURE(first.message);
    CHECK(first.message.find("fiber 6") != std::string::npos);

    const Ended second = call(fixture, module + ".entry_returned_unasked_twice");
    CHECK(second.status == BP_ENTRY_RETURNED);
    CAPTURE(second.message);
    CHECK(second.message.find("fiber 2") != std::string::npos);
    CHECK(fixture.context.call(module + ".echo", "next") == "ok:next");
  }
}

TEST_CASE("a cancel reaches the fiber that waits, which can still switch, and then all is unwound") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    Application application(fixture.context);
    Run run(fixture, module + ".ended_while_waiting");
    REQUIRE(application.wait_called(1));
    CHECK(run.replies.terminal() == 0);
    CHECK(fixture.count("alive") == 4);
    CHECK(bp_cancel(fixture.context.native, run.request) == BP_OK);
    CHECK(run.replies.wait() == Seen{"canceled"});
    CHECK(run.wrote("kyz.DBA"));
    CHECK(run.pipe.text() == "kyz.DBA");
    CHECK(eventually([&] { return fixture.count("alive") == 0; }));
    CHECK(fixture.count("swallowed") == 0);
    CHECK(run.replies.terminal() == 1);
  }
}

TEST_CASE("a deadline reaches the fiber that waits as one, and then all is unwound") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    // A loaded machine may need longer to come as far as to the wait.
    for (std::uint64_t ms = 50; ms < 100'000; ms *= 4) {
      Application application(fixture.context);
      Run run(fixture, module + ".ended_while_waiting", ms);
      CHECK(run.replies.wait() == Seen{"deadline"});
      CHECK(eventually(
          [&] { return fixture.count("alive") == 0 && StatusCounts(fixture.context.native).nothing_open(); }));
      if (application.called() == 0) continue;
      CHECK(run.wrote("dyz.DBA"));
      CHECK(run.replies.terminal() == 1);
      break;
    }
  }
}

TEST_CASE("a fiber that heard of a deadline, and is destroyed later, may end with that") {
  const HostFixture fixture;
  for (const std::string& module : both) {
    CAPTURE(module);
    // A loaded machine may need longer to begin.
    for (std::uint64_t ms = 50; ms < 100'000; ms *= 4) {
      Run run(fixture, module + ".deadline_kept", ms);
      CHECK(run.replies.wait() == Seen{"deadline"});
      CHECK(eventually([&] { return StatusCounts(fixture.context.native).nothing_open(); }));
      if (run.pipe.text().empty()) continue;
      CHECK(run.pipe.text() == "dxa.");
      break;
    }
    CHECK(fixture.count("alive") == 0);
    CHECK(fixture.count("swallowed") == 0);
  }
}

TEST_CASE("a context that is destroyed unwinds the fibers of a run that waits") {
  for (const std::string& module : both) {
    CAPTURE(module);
    const HostFixture outer;  // holds the modules
    Context context;
    Pipe pipe;
    Replies replies;
    {
      Application application(context);
      REQUIRE(context.submit(module + ".ended_while_waiting", replies, pipe.number()) == BP_OK);
      REQUIRE(application.wait_called(1));
    }
    bp_context_stop(context.native, 5);
    CHECK(replies.wait() == Seen{"canceled"});
    CHECK(eventually([&] { return pipe.text() == "kyz.DBA"; }));
  }
}
