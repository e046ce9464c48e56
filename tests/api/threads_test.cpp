// SPDX-License-Identifier: Apache-2.0
//
// What module code gets that calls the application's functions on the threads of the host's it runs on.
#include "blocking_functions.hpp"
#include "matrix_fixture.hpp"

using namespace host_test;

namespace {

std::vector<bp_status> got;
bp_context calls_into{};

bp_handled calls_in(MatrixFixture& fixture, const Here& here) {
  got = blocking_functions(calls_into);
  return fixture.reply(here, BP_OK);
}

}  // namespace

TEST_CASE("blocking functions are refused in a handler, on a fiber and on a worker, and the context goes on") {
  MatrixFixture fixture;
  const Context context;
  const Context other;
  load(context.native, "matrix", fixture.config());
  fixture.begin(calls_in);
  for (const char* const wire : {"matrix.run", "matrix.block", "matrix.serial"}) {
    for (const bp_context target : {context.native, other.native}) {
      CAPTURE(wire, target.id == other.native.id);
      calls_into = target;
      got.clear();
      CHECK(context.call(wire, "1") == "ok:1");
      CHECK(got == all_refused);
    }
  }
  CHECK(other.call("matrix.echo", "still") == "ok:still");
  CHECK(unloaded(context.native, "matrix"));
}

TEST_CASE("blocking functions are refused in a module's init, and the load goes on") {
  MatrixFixture fixture;
  const Context context;
  calls_into = context.native;
  got.clear();
  fixture.init = [](matrix_fixture*) { got = blocking_functions(calls_into); };
  load(context.native, "matrix", fixture.config());
  CHECK(got == all_refused);
  CHECK(context.call("matrix.echo", "here") == "ok:here");
  CHECK(unloaded(context.native, "matrix"));
}

TEST_CASE("a synchronous call that waits when its context is destroyed is answered, and keeps nothing alive") {
  MatrixFixture fixture;
  const Context keeper;
  load(keeper.native, "matrix", fixture.config());
  bp_context_options options = no_options();
  options.stop_timeout_ms = 20;
  for (const char* const wire : {"matrix.run", "matrix.block"}) {
    for (int round = 0; round < 3; ++round) {
      CAPTURE(wire);
      fixture.begin([](MatrixFixture& self, const Here& here) -> bp_handled {
        self.arrive();
        return self.reply(here, here.await.sleep(here.call.token, 3'600'000));
      });
      Context context(options);
      std::atomic<int> canceled{0};
      std::vector<std::thread> callers;
      for (int i = 0; i < 4; ++i) {
        callers.emplace_back([&] { canceled += context.call(wire) == "canceled"; });
      }
      REQUIRE(fixture.wait_arrived(4));
      const bp_status status = bp_context_destroy(context.native);
      CHECK((status == BP_OK || status == BP_TIMEOUT));  // the latter on a slow machine
      for (auto& caller : callers) caller.join();
      context.native.id = 0;
      CHECK(canceled == 4);
    }
  }
  CHECK(unloaded(keeper.native, "matrix"));
}
