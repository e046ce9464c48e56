// SPDX-License-Identifier: Apache-2.0
//
// Reloads the old generation first while memory is short: each call is answered once, and the module is not lost.
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "failing.hpp"
#include "old_first.hpp"

using failing::Which;
using old_first::Holding;

// What fails is a step of the call, or of the one after it, by which the first has come to its turn.
TEST_CASE("a call for which there is no memory to wait is refused, and the others wait on") {
  const failing::Spared spared;
  Holding holding;
  std::vector<std::unique_ptr<Call>> calls;
  std::size_t refused = 0;
  for (bool failed = true; failed;) {
    CAPTURE(calls.size());
    calls.push_back(std::make_unique<Call>());
    failing::arm(static_cast<long>(calls.size()), Which::one);
    bp_status status = BP_OK;
    {
      const failing::Exposed exposed;
      status = calls.back()->submit(holding.ctx, "owner.generation");
    }
    holding.ctx.settle();
    failed = failing::disarm().failed;
    const bool answered = status == BP_OK && calls.back()->replies() != 0;
    if (status == BP_OK && !answered) continue;
    ++refused;
    CHECK(failed);
    CHECK((answered ? calls.back()->wait().status : status) == BP_OUT_OF_MEMORY);
    if (!answered) calls.back() = nullptr;  // it was not accepted
  }
  CHECK(refused >= 1);
  CHECK(refused < calls.size());
  CHECK(holding.held()["calls"].number == calls.size() - refused);
  CHECK(holding.finish().status == BP_OK);
  std::size_t served = 0;
  for (const auto& each : calls) served += each != nullptr && each->wait().payload == "2";
  CHECK(served == calls.size() - refused);
}

// What fails is a step of the end of the old generation, of the start of the new one, or of the return of the old file.
TEST_CASE("a reload for which memory is short tells it, and a generation runs afterwards") {
  const failing::Spared spared;
  Holding holding;
  bool failed = true;
  for (long nth = 1; failed; nth += 1 + nth / 8) {
    CAPTURE(nth);
    Call held;
    REQUIRE(held.submit(holding.ctx, "owner.generation") == BP_OK);
    holding.ctx.settle();
    failing::arm(nth, Which::one);
    const Outcome out = holding.finish();
    failed = failing::disarm().failed;
    INFO(out.message);
    if (out.status != BP_OK) CHECK(failed);
    const std::string runs = holding.ctx.call("owner.generation").payload;
    CHECK((runs == "1" || runs == "2"));
    const Outcome told = held.wait();
    CHECK((told.payload == runs || told.status == BP_OUT_OF_MEMORY));
    holding.hold(runs == "1" ? "owner_2" : "owner_1");
  }
}
