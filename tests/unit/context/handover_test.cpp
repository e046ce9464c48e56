// SPDX-License-Identifier: Apache-2.0
//
// What the life of a context is handed over by: latches, turns at the control thread, an event log that settles.
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "context/control.hpp"
#include "event/event_log.hpp"
#include "sync/latch.hpp"

using namespace backplane::host;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds long_enough{20'000};

}  // namespace

TEST_CASE("a latch lets through who comes after it was opened, and not who comes before") {
  Latch latch;
  CHECK_FALSE(latch.wait(milliseconds(0)));
  CHECK_FALSE(latch.wait(milliseconds(2), 10'000));
  latch.open();
  CHECK(latch.wait(milliseconds(0)));
  CHECK(latch.is_open());
  latch.close();
  CHECK_FALSE(latch.wait(milliseconds(0)));
}

TEST_CASE("a latch wakes all who sleep on it, also after somebody has waited in vain") {
  Latch latch;
  CHECK_FALSE(latch.wait(milliseconds(1)));
  std::atomic<int> through{0};
  std::vector<std::thread> waiting;
  for (const Nanos spin : {Nanos{0}, Nanos{0}, Nanos{1'000}}) {
    waiting.emplace_back([&latch, &through, spin] { through += latch.wait(long_enough, spin) ? 1 : 0; });
  }
  std::this_thread::sleep_for(milliseconds(5));
  latch.open();
  for (std::thread& thread : waiting) thread.join();
  CHECK(through == 3);
}

TEST_CASE("who has waited for a latch may free it at once") {
  for (int i = 0; i < 500; ++i) {
    auto latch = std::make_unique<Latch>();
    std::thread opener([&waited = *latch] { waited.open(); });
    const bool opened = latch->wait(long_enough, i % 2 == 0 ? 0 : 100'000);
    latch.reset();
    opener.join();
    REQUIRE(opened);
  }
}

TEST_CASE("a turn at the control thread is taken on the caller's own thread if nothing else runs there") {
  Control control;
  std::thread::id here;
  bool within = false;
  CHECK(control.try_here([&] {
    here = std::this_thread::get_id();
    within = control.on_thread();
    CHECK_FALSE(control.try_here([] {}));  // it is taken
  }));
  CHECK(here == std::this_thread::get_id());
  CHECK(within);
  CHECK_FALSE(control.on_thread());
  CHECK_THROWS_AS(control.try_here([] { throw std::runtime_error("failed"); }), std::runtime_error);
  CHECK(control.try_here([] {}));
}

TEST_CASE(
    "jobs that come while somebody has his turn at the control thread run after it, and keep others from theirs") {
  Control control;
  std::atomic<bool> turn_over{false};
  std::future<bool> job;
  REQUIRE(control.try_here([&] {
    job = std::async(std::launch::async, [&] { return control.run_now([&] { return turn_over.load(); }); });
    CHECK(job.wait_for(milliseconds(10)) == std::future_status::timeout);
    turn_over = true;
  }));
  CHECK(job.get());

  std::promise<void> go_on;
  std::promise<void> begun;
  auto busy = std::async(std::launch::async, [&] {
    return control.run_now([&] {
      begun.set_value();
      go_on.get_future().wait();
      return true;
    });
  });
  begun.get_future().wait();
  CHECK_FALSE(control.try_here([] {}));
  CHECK_FALSE(control.on_thread());
  go_on.set_value();
  CHECK(busy.get());
}

TEST_CASE("turns and jobs of many threads never run at the same time") {
  Control control;
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::atomic<int> done{0};
  const auto work = [&] {
    if (++inside != 1) ++overlaps;
    std::this_thread::yield();
    --inside;
    ++done;
    return true;
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        if (!control.try_here(work)) control.run_now(work);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(overlaps == 0);
  CHECK(done == 2'000);
}

TEST_CASE("an event log settles when what was appended is done with, refuses more, and can be opened again") {
  EventLog log({});
  log.subscribe("*");
  EventLog::Reader reader(log);
  CHECK(log.settle(milliseconds(0)));  // nothing was queued: nobody is needed for it
  CHECK(log.put("a.b", {nullptr, 0}, 0) == EventLog::Put::closed);
  log.open();
  REQUIRE(log.put("a.b", {nullptr, 0}, 0) == EventLog::Put::ok);
  CHECK_FALSE(log.settle(milliseconds(1)));
  std::promise<void> taken;
  std::promise<void> go_on;
  std::thread consumer([&] {
    reader.take();
    reader.release();
    taken.set_value();
    go_on.get_future().wait();
    if (reader.take() == EventLog::Reader::Next::event) reader.release();
    reader.take();
  });
  taken.get_future().wait();
  CHECK(log.end() == reader.position());
  CHECK_FALSE(log.settle(milliseconds(1)));  // what follows on the event is not over
  go_on.set_value();
  CHECK(log.settle(long_enough));
  log.open();
  CHECK(log.put("a.b", {nullptr, 0}, 0) == EventLog::Put::ok);
  CHECK(log.settle(long_enough));
  log.close();
  consumer.join();
}
