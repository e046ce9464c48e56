// SPDX-License-Identifier: Apache-2.0
//
// How fibers end, and what becomes of them when main does.
#include "row.hpp"

namespace fiber_rows {
namespace {

// The id that the EntryReturned has which `f` ends with; 0 if it ends otherwise.
template <class F>
std::uint64_t returned_of(F f) {
  try {
    f();
  } catch (const EntryReturned& e) {
    return e.status() == BP_ENTRY_RETURNED ? e.id() : 0;
  }
  return 0;
}

}  // namespace

void entry_returned(Row& row) {
  Fibers fibers(row.call);
  int count = 0;
  int freed = 0;
  Fiber a(fibers, [&] { ++count; });
  Fiber b(fibers, [&, load = Load(freed)] { return ++count; });
  EXPECT_EQUAL(row, fibers.ended(), 0);
  EXPECT_EQUAL(row, returned_of([&] { b.resume(); }), b.id());
  EXPECT_EQUAL(row, fibers.ended(), b.id());
  EXPECT_EQUAL(row, freed, 1);
  EXPECT_EQUAL(row, returned_of([&] { fibers.switch_to(a); }), a.id());
  EXPECT_EQUAL(row, fibers.ended(), a.id());
  EXPECT_STATUS(row, BP_NOT_FOUND, a.resume());
  a.destroy();
  EXPECT_EQUAL(row, fibers.active(), main_id);
  EXPECT_EQUAL(row, count, 2);
  Fiber(fibers, [&] { park(fibers); }).resume();
}

void entry_failed(Row& row) {
  Fibers fibers(row.call);
  const auto fail = [] { throw Error(code_seven, "it is seven"); };
  Fiber a(fibers, fail);
  try {
    a.resume();
    EXPECT(row, false);
  } catch (const Error& e) {
    EXPECT_EQUAL(row, e.status(), code_seven);
    EXPECT_TEXT(row, e.message(), "it is seven");
  }
  EXPECT_EQUAL(row, fibers.ended(), a.id());
  EXPECT_STATUS(row, BP_NOT_FOUND, a.resume());
  a.destroy();
  Fiber b(fibers, fail);
  EXPECT_STATUS(row, code_seven, b.resume());
}

void end_reaches_main(Row& row) {
  Fibers fibers(row.call);
  int turns = 0;
  Fiber a, b;
  Fiber c(fibers, [] { throw Error(code_seven, "c"); });
  Fiber d(fibers, [] {});
  a = Fiber(fibers, [&] {
    ++turns;
    b.resume();
    park(fibers, turns);
  });
  b = Fiber(fibers, [&] {
    ++turns;
    c.resume();
    park(fibers, turns);
  });
  EXPECT_STATUS(row, code_seven, a.resume());
  EXPECT_EQUAL(row, fibers.active(), main_id);
  EXPECT_EQUAL(row, fibers.ended(), c.id());
  EXPECT_EQUAL(row, turns, 2);  // neither has gone on
  b.resume();
  a.resume();
  EXPECT_EQUAL(row, turns, 4);
  EXPECT_EQUAL(row, returned_of([&] { d.resume(); }), d.id());
}

void close_unwinds(Row& row) {
  {
    Fibers fibers(row.call);
    const auto guarded = [&](char letter) {
      Guard guard(row, letter);
      park(fibers);
    };
    Fiber a(fibers, guarded, 'A');
    Fiber b(fibers, guarded, 'B');
    Fiber never(fibers, guarded, 'X');
    Fiber c(fibers, guarded, 'C');
    c.resume();  // not the order in which they ran counts, but who was made last
    a.resume();
    b.resume();
    for (Fiber* each : {&a, &b, &never, &c}) each->detach();
  }
  EXPECT_TEXT(row, row.log, "CBA");
  Fibers again(row.call);
  EXPECT_EQUAL(row, again.active(), main_id);
}

// ---- Checked by the test ----

namespace {

int pipe_of(View payload) { return std::atoi(text_of(payload).c_str()); }

// One that tells with a capital letter when it is unwound, and with a small one when its callable is freed.
std::uint64_t make_telling(Fibers& fibers, int fd, char letter) {
  Fiber fiber(fibers, [&fibers, fd, letter, freed = Teller(fd, static_cast<char>(letter + ('a' - 'A')))] {
    Teller unwound(fd, letter);
    park(fibers);
  });
  const std::uint64_t id = fiber.id();
  fiber.detach();
  return id;
}

}  // namespace

Bytes main_ends(Call& call, View payload) {
  const int fd = pipe_of(payload);
  Fibers fibers(call);
  for (const char letter : {'A', 'B', 'C', 'D', 'E'}) {
    const std::uint64_t id = make_telling(fibers, fd, letter);
    if (letter != 'D') fibers.switch_to(id);
  }
  Teller::tell(fd, '.');
  return bytes_of("ended");
}

namespace {

// The SDK's way to answer early is Later, which is for CBOR; the test wants plain bytes.
void answer_early(Call& call, int fd) {
  const Bytes early = bytes_of("early");
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.payload = {early.data(), early.size()};
  if (backplane::detail::host.api->reply(call.token(), &answer) != BP_OK) Teller::tell(fd, '!');
}

void tell_cause(int fd, bp_status cause) {
  Teller::tell(fd, cause == BP_CANCELED ? 'k' : cause == BP_DEADLINE ? 'd' : '?');
}

}  // namespace

Bytes early_reply(Call& call, View payload) {
  const int fd = pipe_of(payload);
  answer_early(call, fd);
  Fibers fibers(call);
  fibers.switch_to(make_telling(fibers, fd, 'A'));
  call.sleep(Milliseconds(2));  // others, and replies, have their turn
  Teller::tell(fd, '.');
  return bytes_of("late");
}

Bytes early_and_waits(Call& call, View payload) {
  const int fd = pipe_of(payload);
  answer_early(call, fd);
  Fibers fibers(call);
  fibers.switch_to(make_telling(fibers, fd, 'A'));
  tell_cause(fd, status_of([&] { call.host_call_raw("app.wait", View()); }));
  Teller::tell(fd, '.');
  return bytes_of("late");
}

// With a timeout. A loaded machine may need longer to let the other begin.
Bytes calls_early(Call& call, View payload) {
  Bytes answer;
  bp_status status = BP_DEADLINE;
  for (int ms = 50; status == BP_DEADLINE && ms < 5000; ms *= 4) {
    status = status_of([&] { answer = call.call_raw("fiber_cpp.early_and_waits", payload, Milliseconds(ms)); });
  }
  return status == BP_OK ? answer : bytes_of(backplane::status_name(status));
}

Bytes entry_returned_unasked(Call& call, View) {
  Fibers fibers(call);
  for (int i = 0; i < 5; ++i) Fiber unstarted(fibers, [] {});
  Fiber sixth(fibers, [] {});
  sixth.resume();
  return bytes_of("fine");
}

Bytes entry_returned_unasked_twice(Call& call, View) {
  Fibers fibers(call);
  try {
    Fiber(fibers, [] {}).resume();
  } catch (const EntryReturned&) {  // of the first, which is settled so
  }
  Fiber second(fibers, [] {});
  if (second.id() == fibers.ended() || fibers.try_switch_to(second.id()) != BP_ENTRY_RETURNED) return bytes_of("odd");
  return bytes_of("fine");  // nobody has been told which
}

Bytes main_fails(Call& call, View payload) {
  const int fd = pipe_of(payload);
  Fibers fibers(call);
  for (const char letter : {'A', 'B'}) fibers.switch_to(make_telling(fibers, fd, letter));
  Teller::tell(fd, '.');
  throw Error(code_seven, "main fails");
}

// While C waits for the application, nobody wants the run any more: C hears of it, and all can still be switched to.
Bytes ended_while_waiting(Call& call, View payload) {
  const int fd = pipe_of(payload);
  Fibers fibers(call);
  const auto odd_unless = [fd](bool holds) {
    if (!holds) Teller::tell(fd, '!');
  };
  const auto parked = [&](char letter) {
    Teller unwound(fd, letter);
    park(fibers);
  };
  Fiber a(fibers, parked, 'A');
  Fiber b(fibers, parked, 'B');
  a.resume();
  b.resume();
  Fiber c(fibers, [&] {
    try {
      call.host_call_raw("app.wait", View());
    } catch (const Canceled& e) {
      tell_cause(fd, e.status);
      odd_unless(fibers.active() == 3);
      odd_unless(status_of([&] { call.yield(); }) == e.status);
      fibers.switch_to(4);
      Teller::tell(fd, 'z');
      throw;
    }
  });
  Fiber d(fibers, [&] {
    Teller unwound(fd, 'D');
    Teller::tell(fd, 'y');
    c.resume();
  });
  for (Fiber* each : {&a, &b, &d}) each->detach();
  const bp_status status = status_of([&] { fibers.switch_to(3); });
  Teller::tell(fd, status == BP_CANCELED || status == BP_DEADLINE ? '.' : '!');
  return bytes_of("too late");
}

// A fiber hears of the deadline and switches away; destroyed then, it ends with what it heard first.
Bytes deadline_kept(Call& call, View payload) {
  const int fd = pipe_of(payload);
  Fibers fibers(call);
  Fiber a(fibers, [&, freed = Teller(fd, 'a')] {
    try {
      call.sleep(std::chrono::hours(1));
    } catch (const Canceled& heard) {
      tell_cause(fd, heard.status);
      Teller::tell(fd, status_of([&] { fibers.switch_to_main(); }) == BP_CANCELED ? 'x' : '!');
      throw;
    }
  });
  a.resume();
  a.destroy();
  Teller::tell(fd, '.');
  return bytes_of("too late");
}

}  // namespace fiber_rows
