// SPDX-License-Identifier: Apache-2.0
//
// Environments, create and switch_to.
#include <functional>

#include "row.hpp"

namespace fiber_rows {

void open_twice(Row& row) {
  {
    Fibers fibers(row.call);
    EXPECT_STATUS(row, BP_REENTRANT, Fibers second(row.call));
    Fiber a(fibers, [&] {
      EXPECT_STATUS(row, BP_REENTRANT, Fibers inside(row.call));
      row.note('a');
      park(fibers);
    });
    a.resume();
    EXPECT_TEXT(row, row.log, "a");
    EXPECT_EQUAL(row, fibers.active(), main_id);
  }
  Fibers again(row.call);
  EXPECT_STATUS(row, BP_REENTRANT, Fibers second(row.call));
}

void create_refused(Row& row) {
  Fibers fibers(row.call);
  int ran = 0;
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{8192}, (std::uint64_t{1} << 30) + 1, UINT64_MAX}) {
    int freed = 0;
    EXPECT_STATUS(row, BP_INVALID_ARGUMENT,
                  Fiber(fibers, backplane::StackSize{size}, [&, load = Load(freed)] { ++ran; }));
    EXPECT_EQUAL(row, freed, 1);
  }
  for (std::uint64_t id = 1; id < 9; ++id) EXPECT_STATUS(row, BP_NOT_FOUND, fibers.switch_to(id));
  EXPECT_EQUAL(row, ran, 0);
  // The nearest that C++ has to a null entry is one that throws when it is called.
  Fiber empty(fibers, std::function<void()>());
  EXPECT_EQUAL(row, empty.id(), 1);
  try {
    empty.resume();
    EXPECT(row, false);
  } catch (const std::bad_function_call&) {
    row.note('e');
  }
  EXPECT_TEXT(row, row.log, "e");
}

void create_waits(Row& row) {
  Fibers fibers(row.call);
  int count[3] = {};
  Fiber a(fibers, [&] { park(fibers, count[0]); });
  Fiber b(fibers, [&] { park(fibers, count[1]); });
  Fiber c(
      fibers, [&](int& mine) { park(fibers, mine); }, std::ref(count[2]));
  EXPECT_EQUAL(row, a.id(), 1);
  EXPECT_EQUAL(row, b.id(), 2);
  EXPECT_EQUAL(row, c.id(), 3);
  EXPECT_EQUAL(row, count[0] + count[1] + count[2], 0);
  b.resume();
  EXPECT_EQUAL(row, count[1], 1);
  EXPECT_EQUAL(row, count[0] + count[2], 0);
}

void switch_to_self(Row& row) {
  Fibers fibers(row.call);
  int others = 0;
  fibers.switch_to_main();
  Fiber other(fibers, [&] { park(fibers, others); });
  fibers.switch_to_main();
  EXPECT_EQUAL(row, fibers.active(), main_id);
  Fiber a;
  a = Fiber(fibers, [&] {
    for (int i = 0; i < 3; ++i) a.resume();
    EXPECT_EQUAL(row, fibers.active(), a.id());
    row.note('a');
    park(fibers);
  });
  a.resume();
  EXPECT_TEXT(row, row.log, "a");
  EXPECT_EQUAL(row, others, 0);
}

void switch_to_gone(Row& row) {
  Fibers fibers(row.call);
  int count = 0;
  Fiber destroyed(fibers, [&] { park(fibers, count); });
  Fiber finished(fibers, [&] { row.note('f'); });
  destroyed.resume();
  EXPECT_STATUS(row, BP_NOT_FOUND, fibers.switch_to(77));
  EXPECT_STATUS(row, BP_NOT_FOUND, Fiber().resume());
  EXPECT_STATUS(row, BP_NOT_FOUND, fibers.switch_to(Fiber()));
  EXPECT_EQUAL(row, fibers.active(), main_id);
  destroyed.resume();  // untouched
  destroyed.destroy();
  EXPECT_STATUS(row, BP_ENTRY_RETURNED, finished.resume());
  EXPECT_STATUS(row, BP_NOT_FOUND, destroyed.resume());
  EXPECT_STATUS(row, BP_NOT_FOUND, finished.resume());
  EXPECT_EQUAL(row, fibers.active(), main_id);
  int turns = 0;
  Fiber c(fibers, [&] {
    for (const std::uint64_t gone : {destroyed.id(), finished.id(), std::uint64_t{77}, std::uint64_t{1} << 32}) {
      EXPECT_STATUS(row, BP_NOT_FOUND, fibers.switch_to(gone));
      EXPECT_EQUAL(row, fibers.try_switch_to(gone), BP_NOT_FOUND);
    }
    EXPECT_EQUAL(row, fibers.active(), 3);
    park(fibers, turns);
  });
  for (int turn = 1; turn < 4; ++turn) {
    c.resume();
    EXPECT_EQUAL(row, turns, turn);
  }
  EXPECT_EQUAL(row, count, 2);
  EXPECT_TEXT(row, row.log, "f");
}

void active_on_both_sides(Row& row) {
  Fibers fibers(row.call);
  EXPECT_EQUAL(row, fibers.active(), main_id);
  Fiber a;
  Fiber b;
  const auto look = [&](Fiber& self, Fiber* next, Fiber* last, char letter) {
    EXPECT_EQUAL(row, fibers.active(), self.id());
    if (next != nullptr) next->resume();
    EXPECT_EQUAL(row, fibers.active(), self.id());
    row.note(letter);
    try {
      fibers.switch_to(last == nullptr ? main_id : last->id());
    } catch (const Canceled&) {
      EXPECT_EQUAL(row, fibers.active(), self.id());  // also while it is being destroyed
      throw;
    }
  };
  a = Fiber(fibers, look, std::ref(a), &b, nullptr, 'A');
  b = Fiber(fibers, look, std::ref(b), nullptr, &a, 'B');
  EXPECT_EQUAL(row, fibers.active(), main_id);
  a.resume();
  EXPECT_EQUAL(row, fibers.active(), main_id);
  EXPECT_TEXT(row, row.log, "BA");
  b.destroy();
  EXPECT_EQUAL(row, fibers.active(), main_id);
}

void ids_never_reused(Row& row) {
  std::uint64_t last = 0;
  for (int round = 0; round < 4; ++round) {
    Fibers fibers(row.call);
    for (std::uint64_t old = 1; old <= last; ++old) EXPECT_STATUS(row, BP_NOT_FOUND, fibers.switch_to(old));
    for (int i = 0; i < 3; ++i) {
      Fiber a(fibers, [&] { park(fibers); });
      EXPECT(row, a.id() > last);
      last = a.id();
      if (i != 1) a.resume();
    }
    Fiber left(fibers, [&] { park(fibers); });
    EXPECT_EQUAL(row, left.id(), last + 1);
    last = left.id();
    left.resume();
    left.detach();
  }
}

}  // namespace fiber_rows
