// SPDX-License-Identifier: Apache-2.0
//
// Exceptions that are thrown, handled and in flight while fibers switch.
#include <functional>
#include <memory>
#include <stdexcept>

#include "row.hpp"

namespace fiber_rows {
namespace {

// The int that is being handled; -1: none, or something else.
int handled() {
  const std::exception_ptr current = std::current_exception();
  if (current == nullptr) return -1;
  try {
    std::rethrow_exception(current);
  } catch (int value) {
    return value;
  } catch (...) {
    return -1;
  }
}

}  // namespace

void switch_in_catch(Row& row) {
  Fibers fibers(row.call);
  Fiber a, b;
  a = Fiber(fibers, [&] {
    try {
      throw 1;
    } catch (int) {
      b.resume();  // which enters its catch block, and leaves it after this
      EXPECT_EQUAL(row, handled(), 1);
      try {
        throw;
      } catch (int again) {
        EXPECT_EQUAL(row, again, 1);
      }
    }
    EXPECT_EQUAL(row, handled(), -1);
    row.note('a');
    b.resume();
  });
  b = Fiber(fibers, [&] {
    EXPECT_EQUAL(row, handled(), -1);
    try {
      throw 2;
    } catch (int) {
      fibers.switch_to_main();
      EXPECT_EQUAL(row, handled(), 2);
      a.resume();
      EXPECT_EQUAL(row, handled(), 2);
      EXPECT_EQUAL(row, std::uncaught_exceptions(), 0);
    }
    EXPECT_EQUAL(row, handled(), -1);
    row.note('b');
    park(fibers);
  });
  try {
    throw 3;
  } catch (int) {
    a.resume();
    EXPECT_EQUAL(row, handled(), 3);
    b.resume();
    EXPECT_EQUAL(row, handled(), 3);
  }
  EXPECT_EQUAL(row, handled(), -1);
  EXPECT_EQUAL(row, std::uncaught_exceptions(), 0);
  EXPECT_TEXT(row, row.log, "ab");
}

namespace {

// Switches when it goes.
class Switcher {
 public:
  Switcher(Row& row, Fibers& fibers, std::uint64_t id) : row_(row), fibers_(fibers), id_(id) {}
  Switcher(const Switcher&) = delete;
  Switcher& operator=(const Switcher&) = delete;
  ~Switcher() {
    const int before = std::uncaught_exceptions();
    fibers_.switch_to(id_);
    EXPECT_EQUAL(row_, std::uncaught_exceptions(), before);
    EXPECT_EQUAL(row_, before, 1);
    row_.note('~');
  }

 private:
  Row& row_;
  Fibers& fibers_;
  std::uint64_t id_;
};

void throw_through(Row& row, Fibers& fibers, std::uint64_t id, int what) {
  const Switcher switcher(row, fibers, id);
  throw what;
}

}  // namespace

void switch_in_destructor(Row& row) {
  Fibers fibers(row.call);
  Fiber a(fibers, [&] {
    try {
      throw_through(row, fibers, main_id, 1);
    } catch (int value) {
      EXPECT_EQUAL(row, value, 1);
      EXPECT_EQUAL(row, std::uncaught_exceptions(), 0);
    }
    row.note('a');
    park(fibers);
  });
  a.resume();
  EXPECT_EQUAL(row, std::uncaught_exceptions(), 0);
  EXPECT_EQUAL(row, handled(), -1);
  try {  // main unwinds, too, and lets a go on meanwhile
    throw_through(row, fibers, a.id(), 2);
  } catch (int value) {
    EXPECT_EQUAL(row, value, 2);
  }
  EXPECT_TEXT(row, row.log, "~a~");

  // Destroyed in such a destructor: a second exception would end the process, so that switch just comes back.
  row.log.clear();
  Fiber b(fibers, [&] {
    const Guard guard(row, 'u');
    try {
      throw_through(row, fibers, main_id, 3);
    } catch (int value) {
      EXPECT_EQUAL(row, value, 3);
      row.note('c');
    }
    fibers.switch_to_main();
    row.note('!');
  });
  b.resume();
  b.destroy();
  EXPECT_TEXT(row, row.log, "~cu");
}

void destroy_in_destructor(Row& row) {
  Fibers fibers(row.call);
  try {
    Fiber a(fibers, [&] {
      try {
        park(fibers);
      } catch (const Canceled&) {
        EXPECT_EQUAL(row, std::uncaught_exceptions(), 0);  // main's is main's
        EXPECT_EQUAL(row, handled(), -1);
        row.note('a');
        throw;
      }
    });
    Fiber unstarted(fibers, [&] { row.note('!'); });
    a.resume();
    throw 4;
  } catch (int value) {
    EXPECT_EQUAL(row, value, 4);
    EXPECT_EQUAL(row, handled(), 4);
  }
  EXPECT_EQUAL(row, std::uncaught_exceptions(), 0);
  EXPECT_TEXT(row, row.log, "a");

  // A fiber that ends with an error destroys another while it unwinds.
  Fiber b(fibers, [&] {
    Fiber c(fibers, [&] {
      const Guard guard(row, 'c');
      fibers.switch_to(3);
      fibers.switch_to(3);
    });
    c.resume();
    throw 5;
  });
  try {
    b.resume();
  } catch (int value) {
    EXPECT_EQUAL(row, value, 5);
  }
  EXPECT_TEXT(row, row.log, "ac");
}

// The payload makes the exceptions of one run differ from those of others.
void wait_in_catch(Row& row) {
  Fibers fibers(row.call);
  const int base = 10 * row.number();
  Fiber a, b;
  const auto wait_twice = [&](int mine, Fiber& other) {
    for (int i = 0; i < 3; ++i) {
      try {
        throw base + mine;
      } catch (int value) {
        row.call.sleep(Milliseconds(i % 2));
        EXPECT_EQUAL(row, handled(), base + mine);
        EXPECT_EQUAL(row, value, base + mine);
        other.resume();
        EXPECT_EQUAL(row, handled(), base + mine);
        row.call.yield();
        EXPECT_EQUAL(row, handled(), base + mine);
      }
      EXPECT_EQUAL(row, handled(), -1);
    }
    row.note('.');
    fibers.switch_to_main();
  };
  a = Fiber(fibers, wait_twice, 1, std::ref(b));
  b = Fiber(fibers, wait_twice, 2, std::ref(a));
  try {
    throw base + 3;
  } catch (int) {
    a.resume();
    row.call.sleep(Milliseconds(1));
    EXPECT_EQUAL(row, handled(), base + 3);
    b.resume();
    EXPECT_EQUAL(row, handled(), base + 3);
  }
  EXPECT_TEXT(row, row.log, "..");
}

namespace {

void unwound_by(Row& row, Fibers& fibers) {
  const Guard d(row, 'd');
  try {
    const Guard e(row, 'e');
    park(fibers);
  } catch (const std::exception&) {
    row.note('!');  // a cancellation is none
  }
}

}  // namespace

void destructors_in_order(Row& row) {
  Fibers fibers(row.call);
  int freed = 0;
  Fiber a(fibers, [&, load = Load(freed)] {
    const Guard first(row, 'a');
    const auto second = std::make_unique<Guard>(row, 'b');
    try {
      const Guard third(row, 'c');
      unwound_by(row, fibers);
    } catch (...) {
      EXPECT_EQUAL(row, freed, 0);
      row.note('.');
      throw;
    }
  });
  a.resume();
  a.resume();
  EXPECT_TEXT(row, row.log, "");
  a.destroy();
  EXPECT_TEXT(row, row.log, "edc.ba");
  EXPECT_EQUAL(row, freed, 1);
}

namespace {

// Throws and handles `depth` exceptions inside each other, and goes to main in each of the blocks, on the way in
// and on the way out.
void handle_nested(Row& row, Fibers& fibers, int base, int depth) {
  try {
    throw base + depth;
  } catch (int value) {
    fibers.switch_to_main();
    EXPECT_EQUAL(row, value, base + depth);
    EXPECT_EQUAL(row, handled(), base + depth);
    if (depth > 1) handle_nested(row, fibers, base, depth - 1);
    EXPECT_EQUAL(row, handled(), base + depth);
    fibers.switch_to_main();
    EXPECT_EQUAL(row, handled(), base + depth);
  }
}

}  // namespace

void nested_exceptions(Row& row) {
  constexpr int count = 5;
  constexpr int depth = 4;
  Fibers fibers(row.call);
  std::vector<Fiber> all;
  for (int i = 1; i <= count; ++i) {
    all.emplace_back(fibers, [&, i] {
      handle_nested(row, fibers, 100 * i, depth);
      EXPECT_EQUAL(row, handled(), -1);
      row.note('.');
      park(fibers);
    });
  }
  // Each its own number of turns a round, so that they are at different depths all the time.
  for (int round = 0; round < 2 * depth + 1; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t turn = 0; turn <= (i + static_cast<std::size_t>(round)) % 3; ++turn) all[i].resume();
      EXPECT_EQUAL(row, handled(), -1);
    }
  }
  EXPECT_TEXT(row, row.log, ".....");
}

}  // namespace fiber_rows
