// SPDX-License-Identifier: Apache-2.0
//
// Fibers that await: the whole environment waits, and goes on in the fiber that did.
#include "row.hpp"

namespace fiber_rows {
namespace {

// Whether the fiber that asks is active before and after, and gets what it expects.
void expect_answer(Row& row, Fibers& fibers, const Bytes& answer, std::string_view expected, std::uint64_t self) {
  EXPECT_TEXT(row, text_of(answer), expected);
  EXPECT_EQUAL(row, fibers.active(), self);
}

}  // namespace

void awaits(Row& row) {
  Fibers fibers(row.call);
  Call& call = row.call;
  Fiber a, b, c;
  a = Fiber(fibers, [&] {
    row.note('a');
    call.sleep(Milliseconds(1));
    EXPECT_EQUAL(row, fibers.active(), a.id());
    row.note('A');
    b.resume();
    call.yield();
    row.note('E');
    park(fibers);
  });
  b = Fiber(fibers, [&] {
    row.note('b');
    const Bytes over_there = bytes_of("over there");
    expect_answer(row, fibers, call.call_raw("fiber_cpp.echo", over_there), "over there", b.id());
    EXPECT_STATUS(row, BP_UNKNOWN_NAME, call.call_raw("nobody.nothing", View()));
    EXPECT_STATUS(row, BP_NO_HOST_FUNCTION, call.host_call_raw("app.nobody", View()));
    row.note('B');
    c.resume();
    park(fibers);
  });
  c = Fiber(fibers, [&] {
    int ends[2] = {-1, -1};
    EXPECT_EQUAL(row, ::pipe(ends), 0);
    row.note('c');
    EXPECT(row, !call.wait_fd(ends[0], BP_FD_READABLE, Milliseconds(1)));
    EXPECT(row, !call.wait_fd(ends[0], BP_FD_READABLE, Milliseconds(0)));
    EXPECT(row, call.wait_fd(ends[1], BP_FD_WRITABLE, Milliseconds(0)));
    EXPECT(row, call.wait_fd(ends[1], BP_FD_WRITABLE));
    EXPECT_EQUAL(row, ::write(ends[1], "x", 1), 1);
    EXPECT(row, call.wait_fd(ends[0], BP_FD_READABLE));
    EXPECT_EQUAL(row, ::close(ends[0]) + ::close(ends[1]), 0);
    EXPECT_EQUAL(row, fibers.active(), c.id());
    row.note('C');
    a.resume();
    park(fibers);
  });
  a.resume();
  EXPECT_TEXT(row, row.log, "aAbBcCE");
  EXPECT_EQUAL(row, fibers.active(), main_id);
}

void waits_for_host(Row& row) {
  Fibers fibers(row.call);
  const Bytes question = bytes_of("?");
  Fiber a, b;
  int turns_a = 0;
  int turns_c = 0;
  a = Fiber(fibers, [&] {
    row.note('a');
    expect_answer(row, fibers, row.call.host_call_raw("app.wait", question), "answered", a.id());
    row.note('a');
    b.resume();
    park(fibers, turns_a);
  });
  b = Fiber(fibers, [&] {
    row.note('b');
    expect_answer(row, fibers, row.call.host_call_raw("app.wait", question), "answered", b.id());
    row.note('b');
    park(fibers);
  });
  Fiber c(fibers, [&] { park(fibers, turns_c); });
  c.resume();
  a.resume();
  expect_answer(row, fibers, row.call.host_call_raw("app.wait", question), "answered", main_id);
  EXPECT_TEXT(row, row.log, "aabb");
  a.resume();
  EXPECT_EQUAL(row, turns_a, 1);
  EXPECT_EQUAL(row, turns_c, 1);
}

// The payload is how deep the nest is. Each level has an environment of its own.
void nested(Row& row) {
  Fibers fibers(row.call);
  const auto call_itself = [&](char letter, std::uint64_t self) {
    if (row.number() > 0) {
      const Bytes deeper = bytes_of(std::to_string(row.number() - 1));
      expect_answer(row, fibers, row.call.call_raw("fiber_cpp.nested", deeper), "ok", self);
    }
    row.note(letter);
    park(fibers);
  };
  Fiber a(fibers, call_itself, 'a', 1);
  Fiber b(fibers, call_itself, 'b', 2);
  EXPECT_EQUAL(row, a.id(), 1);
  EXPECT_EQUAL(row, b.id(), 2);
  b.resume();
  a.resume();
  EXPECT_EQUAL(row, Fiber(fibers, [] {}).id(), 3);
  EXPECT_TEXT(row, row.log, "ba");
}

void main_waits(Row& row) {
  Fibers fibers(row.call);
  int count = 0;
  Fiber a(fibers, [&] { park(fibers, count); });
  for (int turn = 1; turn < 4; ++turn) {
    a.resume();
    fibers.call().sleep(Milliseconds(1));
    EXPECT_EQUAL(row, fibers.active(), main_id);
    EXPECT_EQUAL(row, count, turn);
  }
}

}  // namespace fiber_rows
