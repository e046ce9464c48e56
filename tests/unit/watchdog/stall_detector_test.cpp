// SPDX-License-Identifier: Apache-2.0
//
// The rules of the watchdog, on a clock that the test moves.
#include "stall_detector_fixture.hpp"

using namespace backplane::host;

TEST_CASE("a thread that is busy and does not move is told of once an episode, and once when it is back") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  CHECK(court.run(60'000 * ms) == 2'000 * ms);  // suspected after the first second, so a second later
  REQUIRE(court.told.size() == 1);
  CHECK_FALSE(court.told[0].responding);
  CHECK(court.told[0].for_ms == 2'000);
  CHECK(std::string(court.told[0].thread) == "request");

  thread.beat();
  court.run(1'000 * ms);
  REQUIRE(court.told.size() == 2);
  CHECK(court.told[1].responding);
  CHECK(court.told[1].for_ms == 61'000);  // the last 1000 in part, nobody knows which
  thread.beat();
  court.run(1'000 * ms);
  CHECK(court.told.size() == 2);

  court.run(2'000 * ms);
  CHECK(court.told.size() == 3);  // a new episode
}

TEST_CASE("the threshold itself is too long, anything below it is not") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  court.look_after(1 * ms);
  for (const Nanos step : {250, 250, 250, 249}) CHECK(court.look_after(step * ms) == 0);
  CHECK(court.look_after(1 * ms) == 1);
}

TEST_CASE("while somebody is suspected the detector looks in quarters of the threshold, and not before or after") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  CHECK(court.detector.interval() == 1'000 * ms);
  thread.beat();
  court.look_after(1'000 * ms);
  CHECK(court.detector.interval() == 1'000 * ms);
  court.look_after(1'000 * ms);
  CHECK(court.detector.interval() == 250 * ms);
  court.run(1'000 * ms);
  CHECK(court.told.size() == 1);
  CHECK(court.detector.interval() == 1'000 * ms);  // told, and watched at leisure
}

TEST_CASE("a long backlog in which the beats move is no stall") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  for (int i = 0; i < 100; ++i) {
    thread.beat();
    CHECK(court.look_after(court.detector.interval()) == 0);
  }
  CHECK(court.probed == 0);  // the kernel is asked of suspects only
}

TEST_CASE("a handler just short of the threshold, again and again, is no stall") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  for (int i = 0; i < 100; ++i) {
    thread.beat();
    CHECK(court.run(990 * ms) == 0);
  }
}

TEST_CASE("a wait without work is no stall, and ends one") {
  StallDetectorFixture court;
  Heartbeat thread;
  court.watch(thread);
  court.run(20'000 * ms);
  thread.busy();
  court.run(1'900 * ms);
  thread.idle();
  court.run(900 * ms);
  thread.busy();
  court.run(1'900 * ms);  // counted from anew
  CHECK(court.told.empty());
  court.run(1'000 * ms);
  CHECK(court.told.size() == 1);
}

TEST_CASE("a new thread is not judged during its start grace, and is right after it") {
  StallDetectorFixture court({1'000 * ms, 1'000 * ms, 10'000 * ms});
  Busy thread;
  court.watch(thread);
  CHECK(court.run(30'000 * ms) == 10'000 * ms);
}

TEST_CASE("one stalled thread is told of although others move") {
  StallDetectorFixture court;
  Busy stalled;
  Busy moving;
  court.watch(moving, "moving");
  court.watch(stalled, "stalled");
  for (int i = 0; i < 10; ++i) {
    moving.beat();
    court.look_after(court.detector.interval());
  }
  REQUIRE(court.told.size() == 1);
  CHECK(std::string(court.told[0].thread) == "stalled");
}

TEST_CASE("a look that comes late says nothing of any one thread") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  court.look_after(1'000 * ms);  // a suspect
  CHECK(court.look_after(3'600'000 * ms) == 0);
  CHECK(court.look_after(501 * ms) == 0);  // late, too: it was to come after 250
  CHECK(court.run(999 * ms) == 0);
  CHECK(court.look_after(1 * ms) == 1);
  CHECK(court.told[0].for_ms == 2'000);
}

TEST_CASE("looks that are each late by less than a quarter of the threshold count, however often they should come") {
  StallDetectorFixture court({10 * ms, 1'000 * ms, 0});
  Busy thread;
  court.watch(thread);
  court.look_after(10 * ms);
  for (int i = 0; i < 3; ++i) REQUIRE(court.look_after(260 * ms) == 0);
  REQUIRE(court.look_after(261 * ms) == 0);  // late
  CHECK(court.look_after(260 * ms) == 1);
}

TEST_CASE("a process that is stopped and goes on is no stall, whenever in the interval between two looks it is") {
  for (Nanos stopped_at = 0; stopped_at <= 1'000; stopped_at += 50) {
    for (const Nanos stop : {300, 900, 950, 1'500, 2'500, 60'000}) {
      CAPTURE(stopped_at, stop);
      StallDetectorFixture court;
      Busy thread;
      court.watch(thread);
      thread.beat();
      court.look_after(1'000 * ms);
      // A handler of 50 ms begins just before the stop; the look comes when it was asked for, or at the end of it.
      const Nanos stopped_till = stopped_at + stop;
      const Nanos ends = stopped_till + 50;
      if (stopped_at > 1) thread.beat();
      Nanos at = 0;
      Nanos due = 1'000;
      while (at < ends + 3'000) {
        due = std::max(due, due >= stopped_at && due < stopped_till ? stopped_till : due);
        if (due >= ends && at < ends) thread.idle();
        court.look_after((due - at) * ms);
        at = due;
        due += court.detector.interval() / ms;
      }
      CHECK(court.told.empty());
    }
  }
}

TEST_CASE("what happened while nobody looked, because nothing moved, is nobody's stall") {
  StallDetectorFixture court;
  Heartbeat thread;
  court.watch(thread);
  court.look_after(1'000 * ms);
  CHECK_FALSE(court.detector.anything_moves());
  court.time += 3'600'000 * ms;
  thread.busy();
  CHECK(court.detector.anything_moves());
  court.detector.slept(court.time);
  CHECK(court.run(1'999 * ms) == 0);
  CHECK(court.look_after(1 * ms) == 1);
}

TEST_CASE("there is something to look at while a thread is busy, has moved, or has yet to be told to be back") {
  StallDetectorFixture court;
  Heartbeat thread;
  const auto id = court.watch(thread);
  CHECK_FALSE(court.detector.anything_moves());
  thread.beat();
  CHECK(court.detector.anything_moves());
  court.look_after(1'000 * ms);
  CHECK_FALSE(court.detector.anything_moves());
  thread.busy();
  CHECK(court.detector.anything_moves());
  court.run(3'000 * ms);
  CHECK(court.told.size() == 1);
  thread.idle();
  CHECK(court.detector.anything_moves());
  court.look_after(1'000 * ms);
  CHECK(court.told.size() == 2);
  CHECK_FALSE(court.detector.anything_moves());
  thread.busy();
  court.detector.remove(id);
  CHECK_FALSE(court.detector.anything_moves());
}

TEST_CASE("one that is not watched any more is not judged, and its heartbeat may be watched again from anew") {
  StallDetectorFixture court;
  Busy thread;
  const auto first = court.watch(thread);
  court.run(1'900 * ms);
  court.detector.remove(first);
  CHECK_FALSE(court.detector.has(first));
  CHECK(court.run(5'000 * ms) == 0);
  const auto second = court.watch(thread);
  CHECK(second > first);
  CHECK(court.run(1'999 * ms) == 0);
  CHECK(court.look_after(1 * ms) == 1);
}

// ---- What the kernel says ----

TEST_CASE("time for which a thread waits for a core does not count") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  court.scheduling = Scheduling{'S', 0, 7'000 * ms};
  court.look_after(1'000 * ms);
  for (int i = 0; i < 400; ++i) {  // it gets a hundredth of what it wants
    court.scheduling->waited += 248 * ms;
    REQUIRE(court.look_after(250 * ms) == 0);
    if (i == 300) CHECK(court.probed == 302);
  }
  for (int i = 0; i < 100; ++i) {
    court.scheduling->waited += 248 * ms;
    court.look_after(250 * ms);
  }
  REQUIRE(court.told.size() == 1);  // the time it did not wait adds up
  CHECK(court.told[0].for_ms == 1'000 + 500 * 250);
}

TEST_CASE("of a thread that could run, what counts is that it ran: the kernel has not added up the wait it is in") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  court.scheduling = Scheduling{'R', 5'000 * ms, 0};
  court.look_after(1'000 * ms);
  for (int i = 0; i < 400; ++i) REQUIRE(court.look_after(250 * ms) == 0);
  for (int i = 0; i < 3; ++i) {
    court.scheduling->ran += 251 * ms;  // its clock is not ours: not more than the time there was
    REQUIRE(court.look_after(250 * ms) == 0);
  }
  court.scheduling->ran += 250 * ms;
  CHECK(court.look_after(250 * ms) == 1);
}

TEST_CASE("a thread that waits for something else than a core stalls") {
  for (const char state : {'S', 'D'}) {
    StallDetectorFixture court;
    Busy thread;
    court.watch(thread);
    court.scheduling = Scheduling{state, 5'000 * ms, 9'000 * ms};
    CHECK(court.run(5'000 * ms) == 2'000 * ms);
  }
}

TEST_CASE("a thread that a debugger has stopped does not stall, and is judged when it goes on") {
  for (const char state : {'T', 't'}) {
    StallDetectorFixture court;
    Busy thread;
    court.watch(thread);
    court.scheduling = Scheduling{state, 0, 0};
    CHECK(court.run(600'000 * ms) == 0);
    court.scheduling = Scheduling{'S', 0, 0};
    CHECK(court.run(5'000 * ms) == 1'000 * ms);
  }
}

TEST_CASE("where the kernel says nothing, all time counts") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  court.look_after(1'000 * ms);
  court.scheduling = Scheduling{'R', 0, 0};  // once, in the middle: nothing to compare it with
  court.look_after(250 * ms);
  court.scheduling.reset();
  CHECK(court.run(5'000 * ms) == 750 * ms);
}

TEST_CASE("the kernel is not asked of a thread that has been told of") {
  StallDetectorFixture court;
  Busy thread;
  court.watch(thread);
  court.run(5'000 * ms);
  const int probed = court.probed;
  court.run(60'000 * ms);
  CHECK(court.probed == probed);
}
