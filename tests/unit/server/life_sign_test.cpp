// SPDX-License-Identifier: Apache-2.0
//
// LifeSign: it stops when the management hangs, and goes on when that answers again.
#include "server/life_sign.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "sync/latch.hpp"

using namespace backplane::host;
using namespace std::chrono_literals;

namespace {

constexpr auto interval = 5ms;
constexpr auto bound = 30s;

/// An io thread and a control thread, as a server has them.
struct Fixture {
  ~Fixture() {
    control.stop();
    boost::asio::post(io, [this] { sign.stop(); });
    thread.join();
  }

  void begin() {
    sign.begin(
        interval, [this] { ++questions; }, [this] { ++signs; });
    thread = std::thread([this] { io.run(); });
  }

  /// Whether there are `more` signs of life within the bound.
  bool comes(int more) const { return reaches(signs + more); }

  bool reaches(int all) const {
    const auto until = std::chrono::steady_clock::now() + bound;
    while (signs < all) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }

  boost::asio::io_context io{1};
  ControlThread control{bp_context{}};
  LifeSign sign{io, control};
  std::atomic<int> signs{0};
  std::atomic<int> questions{0};
  std::thread thread;
};

}  // namespace

TEST_CASE("signs of life come as long as management answers") {
  Fixture fixture;
  fixture.begin();
  REQUIRE(fixture.comes(5));
  CHECK(fixture.questions >= 4);
}

TEST_CASE("no sign of life comes while management hangs, and they come again after it") {
  Fixture fixture;
  Latch hangs;
  Latch goes_on;
  fixture.control.push([&](bool) {
    hangs.open();
    goes_on.wait_until(0);
  });
  hangs.wait_until(0);
  fixture.begin();
  // The sign for the answer before the hang is given, and no other one.
  REQUIRE(fixture.comes(1));
  const auto turns = 20 * interval;  // nothing can be waited for: it is the absence of signs that counts
  std::this_thread::sleep_for(turns);
  CHECK(fixture.signs == 1);
  CHECK(fixture.questions == 0);
  goes_on.open();
  CHECK(fixture.comes(3));
}

TEST_CASE("signs of life come while the question waits for other jobs, one for each interval with a job that is done") {
  Fixture fixture;
  constexpr int jobs = 4;
  std::atomic<int> released{0};
  for (int number = 1; number <= jobs; ++number) {
    fixture.control.push([&released, number](bool) {
      while (released < number) std::this_thread::sleep_for(1ms);
    });
  }
  fixture.begin();
  CHECK(fixture.reaches(1));  // for the answer before the first
  for (int number = 1; number < jobs; ++number) {
    released = number;
    CHECK(fixture.reaches(1 + number));
    CHECK(fixture.questions == 0);
  }
  released = jobs;
  CHECK(fixture.comes(3));
}

TEST_CASE("no sign of life comes while the io thread hangs") {
  Fixture fixture;
  fixture.begin();
  REQUIRE(fixture.comes(1));
  Latch hangs;
  Latch goes_on;
  boost::asio::post(fixture.io, [&] {
    hangs.open();
    goes_on.wait_until(0);
  });
  hangs.wait_until(0);
  const int before = fixture.signs;
  std::this_thread::sleep_for(20 * interval);
  CHECK(fixture.signs == before);
  goes_on.open();
  CHECK(fixture.comes(3));
}

TEST_CASE("signs of life go on while the host drains, when management has ended") {
  Fixture fixture;
  fixture.begin();
  fixture.control.stop();
  CHECK(fixture.comes(3));
}
