// SPDX-License-Identifier: Apache-2.0
//
// What a fiber runs: what it throws, what it holds, and who holds it.
#include <stdexcept>

#include "row.hpp"

namespace fiber_rows {
namespace {

struct Coded : Error {
  explicit Coded(int number) : Error(code_seven, "coded"), code(number) {}
  int code;
};

}  // namespace

void types_kept(Row& row) {
  Fibers fibers(row.call);
  const auto expect = [&](auto thrown, auto check) {
    using Thrown = decltype(thrown);
    Fiber thrower(fibers, [&] { throw Thrown(thrown); });
    Fiber between(fibers, [&] {
      thrower.resume();
      park(fibers);
    });
    bool caught = false;
    try {
      between.resume();
    } catch (const Thrown& e) {
      caught = check(e);
    } catch (...) {
    }
    EXPECT(row, caught);
    EXPECT_EQUAL(row, fibers.ended(), thrower.id());
    thrower.destroy();
  };
  expect(7, [](int value) { return value == 7; });
  expect(std::string("text"), [](const std::string& text) { return text == "text"; });
  expect(std::out_of_range("range"), [](const std::out_of_range& e) { return e.what() == std::string("range"); });
  expect(Coded(7), [](const Coded& e) { return e.code == 7 && e.status() == code_seven && e.message() == "coded"; });
  expect(Error(BP_BAD_PAYLOAD, "bad"), [](const Error& e) { return e.status() == BP_BAD_PAYLOAD; });
  expect(Canceled{BP_DEADLINE}, [](const Canceled& e) { return e.status == BP_DEADLINE; });
  // One after the other: none is mistaken for an earlier one.
  Fiber first(fibers, [] { throw 1; });
  Fiber second(fibers, [] {});
  EXPECT_EQUAL(row, fibers.try_switch_to(first.id()), BP_EXCEPTION);  // and nobody asks what it was
  EXPECT_STATUS(row, BP_ENTRY_RETURNED, second.resume());
}

void closures_freed(Row& row) {
  int freed[7] = {};
  {
    Fibers fibers(row.call);
    Fiber thrown(fibers, [load = Load(freed[0])] { throw 1; });
    Fiber returned(fibers, [load = Load(freed[1])] {});
    Fiber destroyed(fibers, [&, load = Load(freed[2])] { park(fibers); });
    Fiber unstarted(fibers, [load = Load(freed[3])] {});
    Fiber left(fibers, [&, load = Load(freed[4])] { park(fibers); });
    Fiber dropped(fibers, [load = Load(freed[5])] {});
    Fiber with_argument(
        fibers, [&](const Load&) { park(fibers); }, Load(freed[6]));
    try {
      thrown.resume();
    } catch (int) {
    }
    EXPECT_STATUS(row, BP_ENTRY_RETURNED, returned.resume());
    for (Fiber* each : {&destroyed, &left, &with_argument}) each->resume();
    EXPECT_EQUAL(row, freed[0] + freed[1], 2);
    EXPECT_EQUAL(row, freed[2] + freed[3] + freed[6], 0);
    destroyed.destroy();
    unstarted.destroy();
    with_argument.destroy();
    EXPECT_EQUAL(row, freed[2] + freed[3] + freed[6], 3);
    EXPECT_EQUAL(row, freed[4] + freed[5], 0);
    left.detach();
    dropped.detach();
  }
  for (const int times : freed) EXPECT_EQUAL(row, times, 1);

  // What a callable holds may be a fiber, which goes with it.
  int inner_freed = 0;
  Fibers fibers(row.call);
  Fiber inner(fibers, [&, load = Load(inner_freed)] { park(fibers); });
  inner.resume();
  Fiber outer(fibers, [held = std::move(inner)] {});
  EXPECT(row, !inner);
  outer.destroy();
  EXPECT_EQUAL(row, inner_freed, 1);
}

void handles(Row& row) {
  Fibers fibers(row.call);
  int freed[3] = {};
  const auto make = [&](int number) { return Fiber(fibers, [&fibers, load = Load(freed[number])] { park(fibers); }); };
  Fiber none;
  EXPECT(row, !none && none.id() == 0);
  Fiber a = make(0);
  EXPECT(row, a && a.id() == 1);
  a.resume();
  Fiber moved(std::move(a));
  EXPECT(row, !a && a.id() == 0 && moved.id() == 1);
  moved.resume();
  moved = make(1);
  EXPECT_EQUAL(row, freed[0], 1);
  EXPECT_EQUAL(row, moved.id(), 2);
  {
    const Fiber scoped = make(2);
    fibers.switch_to(scoped);
  }
  EXPECT_EQUAL(row, freed[2], 1);
  const std::uint64_t id = moved.id();
  moved.resume();
  moved.detach();
  EXPECT(row, !moved);
  EXPECT_EQUAL(row, freed[1], 0);
  fibers.switch_to(id);  // it is still there
  moved.destroy();
  moved = Fiber();
  EXPECT_EQUAL(row, freed[1], 0);
}

}  // namespace fiber_rows
