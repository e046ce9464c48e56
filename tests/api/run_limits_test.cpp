// SPDX-License-Identifier: Apache-2.0
//
// How deep handlers may call handlers, how many may be suspended at once, and how many calls of a name may be in
// flight.
#include "matrix_fixture.hpp"
#include "status_counts.hpp"

using namespace host_test;

namespace {

std::atomic<int> begun{0};

bp_context_options with(void (*set)(bp_context_options&)) {
  bp_context_options options = no_options();
  set(options);
  return options;
}

// Passes on what it is told. Its payload is the wire names of the calls below it in turns, with spaces between.
bp_handled call_on(MatrixFixture& fixture, const Here& here) {
  ++begun;
  const std::string turns = text_of(here.call.payload);
  const std::size_t end = std::min(turns.find(' '), turns.size());
  const std::string next = turns.substr(0, end);
  const std::string rest = end == turns.size() ? next : turns.substr(end + 1) + " " + next;
  bp_result result{};
  result.struct_size = sizeof result;
  const bp_status status = here.await.call(here.call.token, str(next), bytes_of(rest), 0, &result);
  bp_answer answer = answer_of(status);
  const std::string message = text_of(result.message);
  answer.message = str(message);
  here.host.result_free(&result);
  fixture.accepted += here.host.reply(here.call.token, &answer) == BP_OK;
  return BP_DONE;
}

bp_handled wait_long(MatrixFixture& fixture, const Here& here) {
  if (text_of(here.call.payload) == "quick") return fixture.reply(here, BP_OK);
  fixture.arrive();
  return fixture.reply(here, here.await.sleep(here.call.token, 3'600'000));
}

// Its payload is what the call waits for; "hold", which the fixture handles, is for its thread.
bp_handled wait_somehow(MatrixFixture& fixture, const Here& here) {
  if (text_of(here.call.payload) != "later") return wait_long(fixture, here);
  fixture.hand([&fixture, host = here.host, token = here.call.token] { fixture.reply(host, token, BP_OK, "later"); },
               false);
  return BP_LATER;
}

struct Rig {
  explicit Rig(MatrixFixture::Handler handler, const bp_context_options& options = no_options()) : context(options) {
    load(context.native, "matrix", fixture.config());
    fixture.begin(handler);
    begun = 0;
  }
  ~Rig() {
    CHECK(eventually([&] { return StatusCounts(context.native).nothing_open(); }));
    CHECK(StatusCounts(context.native).sum("suspended.now") == 0);
    CHECK(fixture.odd == 0);
    CHECK(unloaded(context.native, "matrix"));
  }
  std::uint64_t status(const std::string& key) const { return StatusCounts(context.native).sum(key); }

  MatrixFixture fixture;
  const Context context;
};

// Calls whose handlers wait until they are canceled.
struct Suspended {
  Suspended(Rig& of, std::size_t count, std::string_view wire) : rig(of), replies(count), requests(count) {
    for (std::size_t i = 0; i < count; ++i) {
      REQUIRE(rig.context.submit(wire, replies[i], "", 0, &requests[i]) == BP_OK);
    }
  }
  void end(std::size_t i) {
    CHECK(bp_cancel(rig.context.native, requests[i]) == BP_OK);
    CHECK(replies[i].wait() == Seen{"canceled"});
  }
  Rig& rig;
  std::deque<Replies> replies;
  std::vector<bp_request> requests;
};

}  // namespace

TEST_CASE("handlers that call each other without end are stopped at call_depth, and told the chain") {
  Rig rig(call_on);
  struct Row {
    std::string first, turns, chain, last;
  };
  // On fibers, on worker threads, and in turns.
  const std::string run = "matrix.run -> ", block = "matrix.block -> ";
  const auto row =
      GENERATE_COPY(values<Row>({{"matrix.run", "matrix.run", run + run + run, "matrix.run"},
                                 {"matrix.block", "matrix.block", block + block + block, "matrix.block"},
                                 {"matrix.run", "matrix.block matrix.run", run + block + run, "matrix.run"}}));
  Replies replies;
  REQUIRE(rig.context.submit(row.first, replies, row.turns) == BP_OK);
  CHECK(replies.wait() == Seen{"overloaded"});
  CHECK(replies.message() ==
        "the call is 65 deep; at most 64 (call_depth): " + row.chain + "... (61 more) -> " + row.last);
  CHECK(begun == 64);
  CHECK(rig.fixture.accepted == 64);
  CHECK(rig.status("call_depth.limit") == 64);
  CHECK(rig.status("call_depth.refused") == 1);
}

TEST_CASE("a chain of call_depth calls is served, and a record that was deep is not deep in its next use") {
  Rig rig(call_on, with([](bp_context_options& o) { o.call_depth = 3; }));
  for (int i = 0; i < 200; ++i) {  // more than the records that a context keeps
    Replies served;
    REQUIRE(rig.context.submit("matrix.run", served, "matrix.run matrix.echo") == BP_OK);
    REQUIRE(served.wait() == Seen{"ok"});
    Replies deep;
    REQUIRE(rig.context.submit("matrix.run", deep, "matrix.run matrix.run matrix.echo") == BP_OK);
    REQUIRE(deep.wait() == Seen{"overloaded"});
    REQUIRE(deep.message() ==
            "the call is 4 deep; at most 3 (call_depth): matrix.run -> matrix.run -> matrix.run -> matrix.echo");
  }
  CHECK(rig.status("call_depth.refused") == 200);
}

TEST_CASE("with call_depth 1 no handler can call another") {
  Rig rig(call_on, with([](bp_context_options& o) { o.call_depth = 1; }));
  Replies replies;
  REQUIRE(rig.context.submit("matrix.run", replies, "not.there") == BP_OK);
  CHECK(replies.wait() == Seen{"overloaded"});
  CHECK(replies.message() == "the call is 2 deep; at most 1 (call_depth): matrix.run -> not.there");
}

TEST_CASE("calls are refused while the context has suspended_limit suspended handlers, and only then") {
  Rig rig(wait_long, with([](bp_context_options& o) {
            o.suspended_limit = 3;
            o.suspended_per_name = 3;
          }));
  const std::string wire = GENERATE("matrix.run", "matrix.block");
  CAPTURE(wire);
  Suspended suspended(rig, 3, wire);
  REQUIRE(eventually([&] { return rig.status("suspended.now") == 3; }));
  // On the quick path (echo was called before) and on the others.
  for (const char* const other : {"matrix.echo", "matrix.run", "matrix.block"}) {
    Replies refused;
    REQUIRE(rig.context.submit(other, refused, "quick") == BP_OK);
    CHECK(refused.wait() == Seen{"overloaded"});
    CHECK(refused.message() == "the context has 3 suspended handlers, its limit (suspended_limit)");
  }
  CHECK(rig.status("suspended.refused") == 3);
  suspended.end(0);
  REQUIRE(eventually([&] { return rig.status("suspended.now") == 2; }));
  for (const char* const other : {"matrix.echo", "matrix.run", "matrix.block"}) {
    CHECK(rig.context.call(other, "quick") == "ok:quick");
  }
  suspended.end(1);
  suspended.end(2);
}

TEST_CASE("of one name suspended_per_name handlers may be suspended, and other names are served") {
  Rig rig(wait_long, with([](bp_context_options& o) { o.suspended_per_name = 2; }));
  const std::string wire = GENERATE("matrix.run", "matrix.block");
  CAPTURE(wire);
  for (int i = 0; i < 2; ++i) CHECK(rig.context.call(wire, "quick") == "ok:quick");
  Suspended suspended(rig, 2, wire);
  REQUIRE(eventually([&] { return rig.status("suspended.now") == 2; }));
  Replies refused;
  REQUIRE(rig.context.submit(wire, refused, "quick") == BP_OK);
  CHECK(refused.wait() == Seen{"overloaded"});
  CHECK(refused.message() == "\"" + wire + "\" has 2 suspended handlers, its limit (suspended_per_name)");
  CHECK(rig.context.call("matrix.echo", "quick") == "ok:quick");
  CHECK(rig.context.call("matrix.serial", "quick") == "ok:quick");
  suspended.end(0);
  REQUIRE(eventually([&] { return rig.status("suspended.now") == 1; }));
  CHECK(rig.context.call(wire, "quick") == "ok:quick");
  suspended.end(1);
}

TEST_CASE("the limits of suspended handlers have defaults, and one name gets half") {
  Rig rig(wait_long);
  CHECK(rig.status("suspended.limit") == 262'144);
  CHECK(rig.status("suspended.limit_per_name") == 131'072);
  const Context small(with([](bp_context_options& o) { o.suspended_limit = 3; }));
  CHECK(rig.status("suspended.limit") == 262'144 + 3);
  CHECK(rig.status("suspended.limit_per_name") == 131'072 + 2);
}

TEST_CASE("of one name calls_per_name calls may be in flight, whatever they wait for, and other names are served") {
  Rig rig(wait_somehow, with([](bp_context_options& o) { o.calls_per_name = 3; }));
  struct Row {
    std::string wire, payload;
  };
  const auto row = GENERATE(values<Row>({{"matrix.run", "later"},  // for an answer, without a stack
                                         {"matrix.run", "wait"},   // suspended
                                         {"matrix.block", "wait"},
                                         {"matrix.block", "hold"},      // it runs
                                         {"matrix.serial", "hold"}}));  // one runs, and two wait for their instance
  CAPTURE(row.wire, row.payload);
  CHECK(rig.context.call(row.wire, "quick") == "ok:quick");
  std::deque<Replies> replies(3);
  std::vector<bp_request> requests(3);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(rig.context.submit(row.wire, replies[i], row.payload, 0, &requests[i]) == BP_OK);
  }
  REQUIRE(eventually([&] { return rig.status("running") == 3; }));
  for (std::uint64_t i = 1; i < 3; ++i) {
    Replies refused;
    REQUIRE(rig.context.submit(row.wire, refused, "quick") == BP_OK);
    CHECK(refused.wait() == Seen{"overloaded"});
    CHECK(refused.message() == "calls in flight of \"" + row.wire + "\": 3 (calls_per_name); wait for answers");
    CHECK(rig.status("calls_per_name.refused") == i);
  }
  CHECK(rig.context.call("matrix.echo", "quick") == "ok:quick");
  if (row.payload != "hold") {
    CHECK(bp_cancel(rig.context.native, requests[0]) == BP_OK);
    CHECK(replies[0].wait() == Seen{"canceled"});
    REQUIRE(eventually([&] { return rig.status("running") == 2; }));
    CHECK(rig.context.call(row.wire, "quick") == "ok:quick");
  }
  for (const bp_request request : requests) bp_cancel(rig.context.native, request);
  rig.fixture.open();
  for (Replies& each : replies) CHECK(each.wait() == Seen{"canceled"});
  REQUIRE(eventually([&] { return rig.status("running") == 0; }));
  CHECK(rig.context.call(row.wire, "quick") == "ok:quick");
  CHECK(rig.status("suspended.refused") == 0);
}

TEST_CASE("calls that are answered before their handlers return do not count in calls_per_name") {
  Rig rig(wait_somehow, with([](bp_context_options& o) { o.calls_per_name = 1; }));
  const std::uint64_t timeout_ms = GENERATE(0, 60'000);  // inline calls, and records from the first
  std::deque<Replies> replies(1'000);
  for (Replies& each : replies) REQUIRE(rig.context.submit("matrix.run", each, "quick", timeout_ms) == BP_OK);
  for (Replies& each : replies) REQUIRE(each.wait() == Seen{"ok:quick"});
  CHECK(rig.status("calls_per_name.refused") == 0);
}

TEST_CASE("calls_per_name has a default, which is not below the suspended handlers of a name") {
  Rig rig(wait_long);
  CHECK(rig.status("calls_per_name.limit") == 262'144);
  const Context large(with([](bp_context_options& o) { o.suspended_per_name = 300'000; }));
  CHECK(rig.status("calls_per_name.limit") == 262'144 + 300'000);
}

TEST_CASE("limits of runs that are out of bounds are refused") {
  for (const auto set : {+[](bp_context_options& o) { o.call_depth = 65'536; },
                         +[](bp_context_options& o) { o.suspended_limit = 8'388'609; },
                         +[](bp_context_options& o) { o.suspended_per_name = 8'388'609; },
                         +[](bp_context_options& o) { o.calls_per_name = 8'388'609; }}) {
    const bp_context_options options = with(set);
    bp_context context{};
    Result why;
    CHECK(bp_context_create(&options, &context, &why) == BP_INVALID_ARGUMENT);
    CHECK(why.says("expected 1 to "));
  }
}
