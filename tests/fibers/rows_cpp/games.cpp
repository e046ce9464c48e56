// SPDX-License-Identifier: Apache-2.0
//
// Short programs whose results are known.
#include <cstdio>
#include <memory>
#include <numeric>

#include "row.hpp"

namespace fiber_rows {

void game_two_loops(Row& row) {
  Fibers fibers(row.call);
  bool stop = false;
  int n = 0;
  Fiber a, b;
  a = Fiber(fibers, [&] {
    for (;;) {
      b.resume();
      if (stop) fibers.switch_to_main();
      ++n;
    }
  });
  b = Fiber(fibers, [&] {
    for (int i = 0; i < 4; ++i) a.resume();
    stop = true;
    a.resume();
  });
  a.resume();
  EXPECT_EQUAL(row, n, 4);
}

void game_loop_and_main(Row& row) {
  Fibers fibers(row.call);
  bool stop = false;
  int n = 0;
  Fiber a(fibers, [&] {
    for (;;) {
      fibers.switch_to_main();
      if (stop) fibers.switch_to_main();
      ++n;
    }
  });
  for (int i = 0; i < 5; ++i) a.resume();
  EXPECT_EQUAL(row, n, 4);
  stop = true;
  a.resume();
  EXPECT_EQUAL(row, n, 4);
}

void game_there_and_back(Row& row) {
  Fibers fibers(row.call);
  int ran[3] = {};
  Fiber a, b, c;
  a = Fiber(fibers, [&] {
    ++ran[0];
    b.resume();
    fibers.switch_to_main();
  });
  b = Fiber(fibers, [&] {
    ++ran[1];
    c.resume();
    a.resume();
  });
  c = Fiber(fibers, [&] {
    ++ran[2];
    b.resume();
  });
  a.resume();
  for (const int times : ran) EXPECT_EQUAL(row, times, 1);
  for (Fiber* each : {&a, &b, &c}) each->destroy();
  for (const int times : ran) EXPECT_EQUAL(row, times, 1);
}

void game_log(Row& row) {
  Fibers fibers(row.call);
  Fiber a, b, c;
  a = Fiber(fibers, [&] {
    row.note('1');
    b.resume();
    row.note('4');
    c.resume();
    row.note('6');
    fibers.switch_to_main();
  });
  b = Fiber(fibers, [&] {
    row.note('2');
    c.resume();
    row.note('5');
    a.resume();
  });
  c = Fiber(fibers, [&] {
    row.note('3');
    a.resume();
    row.note('7');
    b.resume();
  });
  a.resume();
  EXPECT_TEXT(row, row.log, "1234756");
  b.destroy();
  c.destroy();
  EXPECT_TEXT(row, row.log, "1234756");
  a.detach();  // stays suspended
}

void game_destroys(Row& row) {
  const bp_fiber_api& native = *backplane::detail::host.fiber;
  Fibers fibers(row.call);
  Fiber a;
  a = Fiber(fibers, [&] {
    EXPECT_STATUS(row, BP_INVALID_ARGUMENT, a.destroy());
    fibers.switch_to_main();
  });
  a.resume();
  EXPECT_EQUAL(row, native.destroy(row.call.token(), main_id), BP_INVALID_ARGUMENT);
  a.destroy();
  EXPECT_STATUS(row, BP_NOT_FOUND, a.resume());
  a.destroy();
}

void game_ping_pong(Row& row) {
  constexpr int rounds = 1000;
  Fibers fibers(row.call);
  int done[2] = {};
  Fiber ping, pong;
  const auto play = [&](int number, Fiber& other) {
    long sum = number;
    double product = 1.0;
    for (int i = 0; i < rounds; ++i) {
      sum += static_cast<long>(i) * number;
      product *= -1.0;
      other.resume();
      ++done[number - 1];
    }
    EXPECT_EQUAL(row, sum, number + number * (rounds * (rounds - 1) / 2));
    EXPECT(row, product == 1.0);
    fibers.switch_to_main();
  };
  ping = Fiber(fibers, play, 1, std::ref(pong));
  pong = Fiber(fibers, play, 2, std::ref(ping));
  ping.resume();
  EXPECT_EQUAL(row, done[0], rounds);
  pong.resume();
  EXPECT_EQUAL(row, done[1], rounds);
}

namespace {

int sum_down(int n, int factor, Fiber& other) {
  const int mine = n * factor;
  other.resume();
  const int below = n == 0 ? 0 : sum_down(n - 1, factor, other);
  other.resume();
  return mine + below;
}

}  // namespace

void game_recursion(Row& row) {
  Fibers fibers(row.call);
  int sums[2] = {};
  Fiber a, b;
  const auto recurse = [&](int factor, Fiber& other) {
    sums[factor - 1] = sum_down(20, factor, other);
    fibers.switch_to_main();
  };
  a = Fiber(fibers, recurse, 1, std::ref(b));
  b = Fiber(fibers, recurse, 2, std::ref(a));
  a.resume();
  b.resume();
  EXPECT_EQUAL(row, sums[0], 210);
  EXPECT_EQUAL(row, sums[1], 420);
}

void game_twenty(Row& row) {
  Fibers fibers(row.call);
  std::vector<int> counts(40, 0);
  std::vector<Fiber> all;
  const auto shared = [&](int number) { park(fibers, counts[static_cast<std::size_t>(number)]); };
  for (int i = 0; i < 40; ++i) all.emplace_back(fibers, shared, i);
  for (int round = 1; round < 4; ++round) {
    for (std::size_t i = 0; i < 20; ++i) {
      all[i].resume();
      EXPECT_EQUAL(row, counts[i], round);
    }
  }
  for (std::size_t i = 20; i < 40; ++i) all[i].destroy();
  EXPECT_EQUAL(row, std::accumulate(counts.begin(), counts.end(), 0), 60);
  for (std::size_t i = 20; i < 40; ++i) EXPECT_STATUS(row, BP_NOT_FOUND, all[i].resume());
}

void game_heap_and_file(Row& row) {
  constexpr std::size_t size = 64 * 1024;
  Fibers fibers(row.call);
  Fiber a, b;
  a = Fiber(fibers, [&] {
    const auto mine = std::make_unique<std::string>(size, 'a');
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
    EXPECT(row, file != nullptr && std::fputs("first ", file.get()) >= 0);
    b.resume();
    EXPECT(row, *mine == std::string(size, 'a'));
    char text[32] = "";
    EXPECT(row, file != nullptr && std::fputs("second", file.get()) >= 0);
    if (file != nullptr) std::rewind(file.get());
    EXPECT(row, file != nullptr && std::fgets(text, sizeof text, file.get()) != nullptr);
    EXPECT_TEXT(row, text, "first second");
    row.note('a');
    fibers.switch_to_main();
  });
  b = Fiber(fibers, [&] {
    for (int i = 0; i < 50; ++i) EXPECT(row, std::string(size, 'x').back() == 'x');
    a.resume();
  });
  a.resume();
  EXPECT_TEXT(row, row.log, "a");
  a.destroy();
}

namespace {

struct Seven : std::exception {
  int code = 7;
};

}  // namespace

void game_code_seven(Row& row) {
  Fibers fibers(row.call);
  Fiber a(fibers, [] { throw Seven(); });
  try {
    a.resume();
  } catch (const Seven& e) {
    EXPECT_EQUAL(row, e.code, 7);
    row.note('7');
  }
  EXPECT_TEXT(row, row.log, "7");
  a.destroy();
}

}  // namespace fiber_rows
