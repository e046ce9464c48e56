// SPDX-License-Identifier: Apache-2.0
//
// destroy, and what a fiber that is being destroyed may do.
#include "row.hpp"

namespace fiber_rows {

void destroy_self(Row& row) {
  Fibers fibers(row.call);
  int count = 0;
  Fiber a;
  a = Fiber(fibers, [&] {
    EXPECT_STATUS(row, BP_INVALID_ARGUMENT, a.destroy());
    EXPECT_EQUAL(row, fibers.active(), a.id());
    try {
      park(fibers, count);
    } catch (const Canceled&) {
      EXPECT_STATUS(row, BP_INVALID_ARGUMENT, a.destroy());  // also while it is being destroyed
      throw;
    }
  });
  a.resume();
  a.resume();
  EXPECT_EQUAL(row, count, 2);
  a.destroy();
}

// No handle holds main, so this asks the extension itself.
void destroy_main(Row& row) {
  const bp_fiber_api& native = *backplane::detail::host.fiber;
  Fibers fibers(row.call);
  EXPECT_EQUAL(row, native.destroy(row.call.token(), main_id), BP_INVALID_ARGUMENT);
  Fiber a(fibers, [&] {
    EXPECT_EQUAL(row, native.destroy(row.call.token(), main_id), BP_INVALID_ARGUMENT);
    park(fibers);
  });
  a.resume();
  EXPECT_EQUAL(row, fibers.active(), main_id);
}

void destroy_gone(Row& row) {
  Fibers fibers(row.call);
  Fiber().destroy();
  int freed = 0;
  Fiber a(fibers, [&, load = Load(freed)] { park(fibers); });
  Fiber b(fibers, [&, load = Load(freed)] { throw Error(code_seven, "seven"); });
  a.resume();
  a.destroy();
  EXPECT_EQUAL(row, freed, 1);
  a.destroy();
  EXPECT_STATUS(row, code_seven, b.resume());
  EXPECT_EQUAL(row, freed, 2);
  b.destroy();
  b.destroy();
  EXPECT_EQUAL(row, freed, 2);
}

void destroy_unstarted(Row& row) {
  int ran = 0;
  int freed_a = 0;
  int freed_b = 0;
  {
    Fibers fibers(row.call);
    Fiber a(fibers, [&, load = Load(freed_a)] { ++ran; });
    Fiber b(fibers, [&, load = Load(freed_b)] { ++ran; });
    b.detach();
    a.destroy();
    EXPECT_EQUAL(row, freed_a, 1);
    EXPECT_EQUAL(row, freed_b, 0);
    EXPECT_STATUS(row, BP_NOT_FOUND, a.resume());
    a.destroy();
  }
  EXPECT_EQUAL(row, freed_a, 1);
  EXPECT_EQUAL(row, freed_b, 1);
  EXPECT_EQUAL(row, ran, 0);
}

namespace {
void deep(Fibers& fibers, Row& row, int frames) {
  const Guard guard(row, static_cast<char>('0' + frames));
  if (frames == 0) return fibers.switch_to_main();
  deep(fibers, row, frames - 1);
}
}  // namespace

void destroy_suspended(Row& row) {
  Fibers fibers(row.call);
  int freed = 0;
  Fiber a(fibers, [&, load = Load(freed)] { deep(fibers, row, 9); });
  Fiber b(fibers, [&] { park(fibers); });
  a.resume();
  b.resume();
  row.note('[');
  a.destroy();
  row.note(']');
  EXPECT_TEXT(row, row.log, "[0123456789]");
  EXPECT_EQUAL(row, freed, 1);
  EXPECT_EQUAL(row, fibers.active(), main_id);
  b.resume();
  EXPECT_EQUAL(row, fibers.ended(), 0);
}

void canceled_again(Row& row) {
  Fibers fibers(row.call);
  Call& call = row.call;
  int others = 0;
  Fiber b(fibers, [&] { park(fibers, others); });
  Fiber a(fibers, [&] {
    try {
      fibers.switch_to_main();
    } catch (const Canceled& first) {
      EXPECT_EQUAL(row, first.status, BP_CANCELED);
      for (int turn = 0; turn < 3; ++turn) {
        int freed = 0;
        EXPECT_STATUS(row, BP_CANCELED, fibers.switch_to_main());
        EXPECT_STATUS(row, BP_CANCELED, b.resume());
        EXPECT_EQUAL(row, fibers.try_switch_to(main_id), BP_CANCELED);
        EXPECT_STATUS(row, BP_CANCELED, Fiber(fibers, [load = Load(freed)] {}));
        EXPECT_EQUAL(row, freed, 1);
        EXPECT_STATUS(row, BP_CANCELED, call.yield());
        EXPECT_STATUS(row, BP_CANCELED, call.sleep(std::chrono::hours(1)));
        EXPECT_STATUS(row, BP_CANCELED, call.call_raw("fiber_cpp.echo", View()));
        EXPECT_STATUS(row, BP_CANCELED, call.host_call_raw("app.nobody", View()));
        EXPECT_STATUS(row, BP_CANCELED, call.wait_fd(0, BP_FD_READABLE));
      }
      row.note('a');
      throw;
    }
  });
  a.resume();
  a.destroy();
  EXPECT_TEXT(row, row.log, "a");
  EXPECT_EQUAL(row, others, 0);
  call.yield();  // the others, and main, are not canceled
  b.resume();
}

void swallowed(Row& row) {
  {
    Fibers fibers(row.call);
    const auto swallow = [&](char letter, bool throws) {
      try {
        park(fibers);
      } catch (...) {
        row.note(letter);
      }
      if (throws) throw std::runtime_error("something else");
    };
    Fiber a(fibers, swallow, 'A', false);
    Fiber b(fibers, swallow, 'B', true);
    Fiber c(fibers, swallow, 'C', false);
    Fiber d(fibers, swallow, 'D', true);
    for (Fiber* each : {&a, &b, &c, &d}) each->resume();
    a.destroy();
    b.destroy();
    Fiber e(fibers, [&] {
      c.destroy();
      EXPECT_EQUAL(row, fibers.active(), 5);
      row.note('E');
      park(fibers);
    });
    e.resume();
    EXPECT_TEXT(row, row.log, "ABCE");
    EXPECT_EQUAL(row, fibers.ended(), 0);
    EXPECT_STATUS(row, BP_NOT_FOUND, a.resume());
    a.destroy();
    d.detach();
  }
  EXPECT_TEXT(row, row.log, "ABCED");
}

void destroy_the_destroyer(Row& row) {
  Fibers fibers(row.call);
  int turns = 0;
  Fiber a;
  Fiber b;
  a = Fiber(fibers, [&] {
    b.destroy();
    EXPECT_EQUAL(row, fibers.active(), a.id());
    row.note('A');
    park(fibers, turns);
  });
  b = Fiber(fibers, [&] {
    try {
      park(fibers);
    } catch (const Canceled&) {
      EXPECT_STATUS(row, BP_INVALID_ARGUMENT, a.destroy());
      EXPECT_STATUS(row, BP_INVALID_ARGUMENT, b.destroy());
      row.note('B');
      throw;
    }
  });
  b.resume();
  a.resume();
  EXPECT_TEXT(row, row.log, "BA");
  EXPECT_STATUS(row, BP_NOT_FOUND, b.resume());
  a.resume();
  a.destroy();
  EXPECT_EQUAL(row, turns, 2);
}

void destroyed_destroys(Row& row) {
  Fibers fibers(row.call);
  int ran = 0;
  int freed = 0;
  Fiber unstarted(fibers, [&, load = Load(freed)] { ++ran; });
  // Each holds the next on its own stack, and so destroys it when it is unwound.
  const auto hold = [&](auto& self, int more) -> void {
    Guard closing(row, ')');
    Fiber next;
    if (more > 0) {
      next = Fiber(fibers, [&self, more] { self(self, more - 1); });
    } else {
      next = Fiber(fibers, [&] {
        Guard innermost(row, 'x');
        park(fibers);
      });
    }
    next.resume();
    try {
      park(fibers);
    } catch (const Canceled&) {
      row.note('(');
      unstarted.destroy();
      next.destroy();
      EXPECT_STATUS(row, BP_CANCELED, fibers.switch_to_main());
      throw;
    }
  };
  Fiber first(fibers, [&] { hold(hold, 4); });
  first.resume();
  for (std::uint64_t id = 2; id < 7; ++id) fibers.switch_to(id);  // each has made the next, and now parks
  EXPECT_TEXT(row, row.log, "");
  first.destroy();
  EXPECT_TEXT(row, row.log, "(((((x)))))");
  EXPECT_EQUAL(row, ran, 0);
  EXPECT_EQUAL(row, freed, 1);
  for (std::uint64_t id = 2; id < 9; ++id) EXPECT_STATUS(row, BP_NOT_FOUND, fibers.switch_to(id));
}

}  // namespace fiber_rows
