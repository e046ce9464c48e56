// SPDX-License-Identifier: Apache-2.0
//
// The pool that blocking handlers run on: how many threads it has, and what happens if it gets none.
#include "failing.hpp"
#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;

namespace {

constexpr std::uint32_t limit = 2;

/// A process has one host, and its options can be set only before its first context is made.
void configure() {
  static const bp_status status = [] {
    bp_host_options options{};
    options.struct_size = sizeof options;
    options.worker_threads = limit;
    return bp_host_configure(&options, nullptr);
  }();
  REQUIRE(status == BP_OK);
}

}  // namespace

// The first case, by its name, and the only one in which the pool has no threads yet.
TEST_CASE("a blocking call that gets no thread is refused, and the next one gets its turn") {
  configure();
  const Context context;
  const Loaded blocking(context, "blocking");
  failing::arm(1, failing::Which::threads);
  const std::string serial[2] = {context.call("blocking.one_by_one", "1", 10'000),
                                 context.call("blocking.one_by_one", "1", 10'000)};
  const std::string together = context.call("blocking.together", "1", 10'000);
  const failing::Steps steps = failing::disarm();
  CHECK(steps.threads == 3);
  for (const std::string& refused : serial) CHECK(refused == "out_of_memory");
  CHECK(together == "out_of_memory");
  CHECK(context.call("blocking.one_by_one", "1", 10'000) == "ok:1");
  CHECK(context.call("blocking.together", "1", 10'000) == "ok:1");
}

TEST_CASE("a blocking call waits for a thread that is there if no further one can be made") {
  configure();
  const Context context;
  const Loaded blocking(context, "blocking");
  REQUIRE(context.call("blocking.together", "1") == "ok:1");  // there is a thread now, or two
  failing::arm(1, failing::Which::threads);
  const std::uint64_t threads = status_of(context.native)["workers"]["threads"].number;
  REQUIRE(threads >= 1);
  Replies replies[4];
  for (Replies& each : replies) REQUIRE(context.submit("blocking.together", each, "5") == BP_OK);
  for (Replies& each : replies) {
    const std::string seen = each.wait().back();
    REQUIRE(seen.substr(0, 3) == "ok:");
    CHECK(std::stoul(seen.substr(3)) <= threads);
  }
  failing::disarm();
}

TEST_CASE("no more blocking handlers run at once than the host has worker threads") {
  configure();
  const Context context;
  const Loaded blocking(context, "blocking");
  Replies replies[8];
  for (Replies& each : replies) REQUIRE(context.submit("blocking.together", each, "30") == BP_OK);
  for (Replies& each : replies) {
    const std::string seen = each.wait().back();
    REQUIRE(seen.substr(0, 3) == "ok:");
    CHECK(std::stoul(seen.substr(3)) <= limit);
  }
}

TEST_CASE("a call that a blocking handler awaits is refused if all threads wait and there can be no further one") {
  configure();
  const Context context;
  const Loaded blocking(context, "blocking");
  REQUIRE(context.call("blocking.together", "1") == "ok:1");
  failing::arm(1, failing::Which::threads);
  constexpr int calls = 6;
  Replies replies[calls];
  for (Replies& each : replies) REQUIRE(context.submit("blocking.nest", each, "1", 10'000) == BP_OK);
  int refused = 0;
  for (Replies& each : replies) {
    const std::string seen = each.wait().back();
    CHECK((seen == "ok:nested" || seen.starts_with("overloaded")));
    refused += seen.starts_with("overloaded");
  }
  failing::disarm();
  CHECK(refused > 0);
  CHECK(status_of(context.native)["workers"]["refused"].number >= static_cast<std::uint64_t>(refused));
  CHECK(context.call("blocking.nest", "1", 10'000) == "ok:nested");
}
