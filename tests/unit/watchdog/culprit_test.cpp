// SPDX-License-Identifier: Apache-2.0
//
// Who held a thread that fell silent.
#include "stall_detector_fixture.hpp"

using namespace backplane::host;

namespace {

struct Names {
  Names() {
    module.name = "slow";
    provider.name = "offers";
    method.name = "slow.spin";
    method.module = &module;
    generation.module = &provider;
    generation.number = 3;
  }
  Module module;
  Module provider;
  Method method;
  Generation generation;
};

void check(const Culprit& culprit, Holder in, const Module* module, std::uint64_t generation, const char* name) {
  CHECK(culprit.in == in);
  CHECK(culprit.module == module);
  CHECK(culprit.generation == generation);
  CHECK(culprit.name == name);
  CHECK(culprit.listener == 0);
}

}  // namespace

TEST_CASE("a stall says which wire name of which generation runs, and its end says the same") {
  const Names names;
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  thread.running(&names.method, 7);
  court.run(5'000 * ms);
  REQUIRE(court.told.size() == 1);
  check(court.told[0].culprit, Holder::handler, &names.module, 7, "slow.spin");
  thread.running_nothing();
  thread.beat();
  court.run(5'000 * ms);
  REQUIRE(court.told.size() >= 2);
  CHECK(court.told[1].responding);
  check(court.told[1].culprit, Holder::handler, &names.module, 7, "slow.spin");
  REQUIRE(court.told.size() == 3);
  check(court.told[2].culprit, Holder::none, nullptr, 0, "");
}

TEST_CASE("a heartbeat names whose code runs, and after a call-out again what ran before") {
  const Names names;
  Heartbeat thread;
  check(thread.culprit(), Holder::none, nullptr, 0, "");
  thread.running(&names.method, 7);
  {
    const Heartbeat::Hold hold(thread, Holder::function, &names.method, nullptr);
    check(thread.culprit(), Holder::function, nullptr, 0, "slow.spin");
  }
  check(thread.culprit(), Holder::handler, &names.module, 7, "slow.spin");
  {
    const Heartbeat::Hold hold(thread, Holder::function, &names.method, &names.generation);
    check(thread.culprit(), Holder::function, &names.provider, 3, "slow.spin");
  }
  check(thread.culprit(), Holder::handler, &names.module, 7, "slow.spin");
  thread.running_nothing();
  check(thread.culprit(), Holder::none, nullptr, 0, "");
  thread.replying(&names.method);
  check(thread.culprit(), Holder::reply, nullptr, 0, "slow.spin");
  thread.replying(nullptr);
  check(thread.culprit(), Holder::reply, nullptr, 0, "");
  {
    const Heartbeat::Hold hold(thread, Holder::instance, nullptr, &names.generation);
    check(thread.culprit(), Holder::instance, &names.provider, 3, "");
  }
}

TEST_CASE("who else knows better than the heartbeat is asked when the thread falls silent, and only then") {
  StallDetectorFixture court;
  Busy thread;
  int asked = 0;
  court.detector.add({&thread, "event", nullptr,
                      [&asked] {
                        ++asked;
                        return Culprit{Holder::listener, nullptr, 0, "kv.changed", 5};
                      }},
                     court.time);
  court.run(5'000 * ms);
  CHECK(asked == 1);
  REQUIRE(court.told.size() == 1);
  CHECK(court.told[0].culprit.name == "kv.changed");
  CHECK(court.told[0].culprit.listener == 5);
  thread.beat();
  court.look_after(1'000 * ms);
  CHECK(court.told.at(1).culprit.listener == 5);
  CHECK(asked == 1);
}

TEST_CASE("a thread that moves while it is asked who holds it is not accused") {
  StallDetectorFixture court;
  Busy thread;
  court.detector.add({&thread, "event", nullptr,
                      [&thread] {
                        thread.beat();
                        return Culprit{};
                      }},
                     court.time);
  CHECK(court.run(60'000 * ms) == 0);
}
