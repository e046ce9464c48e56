// SPDX-License-Identifier: Apache-2.0
//
// What the SDK's fibers and generators do beyond the extension below them. Each wire name is one program, which
// answers an error with the line that did not hold.
#include <backplane/sdk.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#define HOLDS(what) \
  if (!(what)) throw backplane::Error(BP_ERROR, backplane::join("line ", __LINE__, ": " #what))

namespace {

using backplane::Call;
using backplane::Canceled;
using backplane::EntryReturned;
using backplane::Error;
using backplane::Fiber;
using backplane::Fibers;
using backplane::Generator;
using backplane::StackSize;
using backplane::Yield;

/// Counts those that are alive; copying a fragile one throws.
struct Counted {
  int* alive;
  bool fragile = false;
  explicit Counted(int& count, bool breaks = false) : alive(&count), fragile(breaks) { ++*alive; }
  Counted(const Counted& other) : alive(other.alive), fragile(other.fragile) {
    if (fragile) throw std::runtime_error("a copy that fails");
    ++*alive;
  }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive; }
};

/// Calls a function at its end.
template <class F>
struct AtEnd {
  F f;
  ~AtEnd() { f(); }
};
template <class F>
AtEnd(F) -> AtEnd<F>;

template <class E, class F>
bool throws(F&& f) {
  try {
    f();
  } catch (const E&) {
    return true;
  }
  return false;
}

template <class F>
bp_status status_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.status();
  } catch (const Canceled& e) {
    return e.status;
  }
  return BP_OK;
}

void arguments(Fibers& fibers) {
  int sum = 0;
  auto owned = std::make_unique<int>(30);
  const auto add = [&](int& target, int a, std::unique_ptr<int> b, const std::string& text) {
    target += a + *b + static_cast<int>(text.size());
    fibers.switch_to_main();
  };
  const int four = 4;
  Fiber fiber(fibers, add, std::ref(sum), four, std::move(owned), "four");
  HOLDS(owned == nullptr);
  HOLDS(sum == 0);
  fiber.resume();
  HOLDS(sum == 38);
  struct Member {
    Fibers& fibers;
    int got = 0;
    void run(int n) {
      got = n;
      fibers.switch_to_main();
    }
  } member{fibers};
  Fiber other(fibers, &Member::run, &member, 5);
  fibers.switch_to(other);
  HOLDS(member.got == 5);
}

void closures(Fibers& fibers) {
  int alive = 0;
  {
    Fiber unused(fibers, [c = Counted(alive)] {});
    Fiber suspended(fibers, [&fibers, c = Counted(alive)] { fibers.switch_to_main(); });
    Fiber fails(fibers, [c = Counted(alive)] { throw std::runtime_error("over"); });
    HOLDS(alive == 3);
    suspended.resume();
    HOLDS(throws<std::runtime_error>([&] { fails.resume(); }));
    HOLDS(alive == 2);
    suspended.destroy();
    HOLDS(alive == 1);
  }
  HOLDS(alive == 0);
  const Counted fragile(alive, true);
  HOLDS(throws<std::runtime_error>([&] {
    Fiber(
        fibers, [](const Counted&) {}, fragile);
  }));
  HOLDS(status_of([&] {
          Fiber(
              fibers, StackSize{1}, [](const Counted&) {}, Counted(alive));
        }) == BP_INVALID_ARGUMENT);
  HOLDS(alive == 1);
}

/// A closure that never ran holds another fiber, which holds another.
void nested_closures(Fibers& fibers) {
  int alive = 0;
  Fiber chain;
  for (int i = 0; i < 20'000; ++i) {
    chain = Fiber(fibers, [inner = std::make_shared<Fiber>(std::move(chain)), c = Counted(alive)] {});
  }
  HOLDS(alive == 20'000);
  chain = Fiber();
  HOLDS(alive == 0);
  // Each destroys the next from its own frame.
  for (int i = 0; i < 1'000; ++i) {
    chain = Fiber(fibers, [&fibers, inner = std::make_shared<Fiber>(std::move(chain)), c = Counted(alive)] {
      fibers.switch_to_main();
    });
    chain.resume();
  }
  chain.destroy();
  HOLDS(alive == 0);
}

void handles(Fibers& fibers) {
  int alive = 0;
  const auto wait = [&fibers](const Counted&) {
    for (;;) fibers.switch_to_main();
  };
  Fiber none;
  HOLDS(!none && none.id() == 0);
  none.destroy();
  HOLDS(status_of([&] { none.resume(); }) == BP_NOT_FOUND);
  HOLDS(status_of([&] { fibers.switch_to(none); }) == BP_NOT_FOUND);
  Fiber a(fibers, wait, Counted(alive));
  Fiber b(fibers, wait, Counted(alive));
  const std::uint64_t id = b.id();
  a = std::move(b);
  HOLDS(alive == 1 && a.id() == id && !b);
  a.resume();
  Fiber& same = a;
  a = std::move(same);
  HOLDS(alive == 1 && a.id() == id);
  a.detach();
  HOLDS(!a && alive == 1);
  fibers.switch_to(id);
  Fiber self(fibers, [&] {
    if (status_of([&] { self.destroy(); }) != BP_INVALID_ARGUMENT) throw Error(BP_ERROR, "it destroyed itself");
    self = Fiber();  // it goes on without a handle
    fibers.switch_to_main();
    alive += 100;
    fibers.switch_to_main();
  });
  const std::uint64_t selfless = self.id();
  self.resume();
  HOLDS(!self);
  fibers.switch_to(selfless);
  HOLDS(alive == 101);
}

struct Special : std::runtime_error {
  explicit Special(int n) : runtime_error("special"), code(n) {}
  int code;
};

void errors(Fibers& fibers) {
  Fiber special(fibers, [] { throw Special(7); });
  try {
    special.resume();
    HOLDS(!"an error in main");
  } catch (const Special& e) {
    HOLDS(e.code == 7);
  }
  HOLDS(fibers.ended() == special.id());
  HOLDS(status_of([&] { special.resume(); }) == BP_NOT_FOUND);
  // The status of an error is no proof that the switch itself failed so.
  Fiber lost(fibers, [] { throw Error(BP_NOT_FOUND, "of my own"); });
  try {
    lost.resume();
    HOLDS(!"an error in main");
  } catch (const Error& e) {
    HOLDS(e.message() == "of my own");
  }
  try {
    lost.resume();
    HOLDS(!"an error in main");
  } catch (const Error& e) {
    HOLDS(e.message().find("there is no fiber " + std::to_string(lost.id())) == 0);
  }
  Fiber ends(fibers, [] {});
  try {
    ends.resume();
    HOLDS(!"an error in main");
  } catch (const EntryReturned& e) {
    HOLDS(e.id() == ends.id() && e.status() == BP_ENTRY_RETURNED);
  }
  Fiber gives_up(fibers, [] { throw Canceled{BP_DEADLINE}; });
  HOLDS(status_of([&] { gives_up.resume(); }) == BP_DEADLINE);
  Fiber quiet(fibers, [] { throw Error(BP_NOT_FOUND, "quiet"); });
  HOLDS(fibers.try_switch_to(quiet.id()) == BP_NOT_FOUND);
  HOLDS(fibers.ended() == quiet.id());
  HOLDS(status_of([&] { quiet.resume(); }) == BP_NOT_FOUND);
  Fiber returns(fibers, [] {});
  HOLDS(fibers.try_switch_to(returns.id()) == BP_ENTRY_RETURNED);
  HOLDS(fibers.ended() == returns.id());
}

/// What a closure holds may switch once more at its end: another fiber fails meanwhile.
void late_errors(Fibers& fibers) {
  Fiber other(fibers, [] { throw Special(2); });
  auto once = [&] {
    if (fibers.active() != 0) fibers.switch_to_main();
  };
  Fiber first(fibers, [at_end = std::make_shared<AtEnd<decltype(once)>>(AtEnd{once})] { throw Special(1); });
  first.resume();
  try {
    other.resume();
    HOLDS(!"an error in main");
  } catch (const Special& e) {
    HOLDS(e.code == 2);
  }
  try {
    first.resume();
    HOLDS(!"an error in main");
  } catch (const Special& e) {
    HOLDS(e.code == 1);
  }
}

/// Switches in destructors: of a fiber that is destroyed, of one that throws, of main.
void unwinding(Fibers& fibers) {
  int steps = 0;
  const auto switch_at_end = [&] { return AtEnd{[&] { fibers.switch_to_main(), ++steps; }}; };
  Fiber destroyed(fibers, [&] {
    const auto guard = switch_at_end();
    fibers.switch_to_main();
  });
  destroyed.resume();
  destroyed.destroy();
  HOLDS(steps == 1);

  Fiber caught(fibers, [&] {
    try {
      fibers.switch_to_main();
    } catch (const Canceled&) {
      if (status_of([&] { fibers.switch_to_main(); }) == BP_CANCELED) ++steps;
      throw;
    }
  });
  caught.resume();
  caught.destroy();
  HOLDS(steps == 2);

  Fiber thrower(fibers, [&] {
    const auto guard = switch_at_end();
    throw Special(3);
  });
  thrower.resume();  // from the destructor, with an exception in flight
  HOLDS(std::uncaught_exceptions() == 0);
  HOLDS(throws<Special>([&] { thrower.resume(); }));
  HOLDS(steps == 3);

  Fiber bad(fibers, [] { throw Special(4); });
  HOLDS(throws<std::logic_error>([&] {
    const AtEnd guard{[&] { bad.resume(), fibers.switch_to(bad), ++steps; }};
    throw std::logic_error("first");
  }));
  HOLDS(steps == 4);
  // It was told of, and does not come back later.
  HOLDS(status_of([&] { bad.resume(); }) == BP_NOT_FOUND);
}

void own_scope(Call& call) {
  int alive = 0;
  for (int round = 0; round < 3; ++round) {
    Fibers fibers(call);
    HOLDS(status_of([&] { Fibers again(call); }) == BP_REENTRANT);
    HOLDS(&fibers.call() == &call);
    Fiber fiber(fibers, [&fibers, c = Counted(alive)] {
      fibers.call().yield();
      fibers.switch_to_main();
    });
    fiber.resume();
    HOLDS(fibers.active() == 0);
    Fiber(fibers, [c = Counted(alive)] {}).detach();
    Fiber(fibers, [c = Counted(alive), &fiber] { fiber.resume(); }).detach();
    HOLDS(alive == 3);
  }
  HOLDS(alive == 0);
}

void generators(Fibers& fibers) {
  int alive = 0;
  const auto count_to = [&](int n) {
    return [n, c = Counted(alive)](Yield<int>& yield) {
      for (int i = 1; i <= n; ++i) yield(i);
    };
  };
  Generator<int> three(fibers, count_to(3));
  HOLDS(three.next() == 1 && three.next() == 2 && three.next() == 3);
  HOLDS(alive == 1);
  HOLDS(!three.next() && !three.next());
  HOLDS(alive == 0);
  Generator<int> moved(fibers, count_to(10));
  HOLDS(moved.next() == 1);
  Generator<int> to(std::move(moved));
  HOLDS(!moved.next() && to.next() == 2);
  int sum = 0;
  for (const int i : to) sum += i;
  HOLDS(sum == 52);
  // Values that can only be moved; a fiber asks, then main.
  Generator<std::unique_ptr<int>> owners(fibers, [](Yield<std::unique_ptr<int>>& yield) {
    for (int i = 1;; ++i) yield(std::make_unique<int>(i));
  });
  Fiber asker(fibers, [&] {
    for (;;) {
      sum += **owners.next();
      fibers.switch_to_main();
    }
  });
  asker.resume();
  HOLDS(**owners.next() == 2);
  asker.resume();
  HOLDS(sum == 56);
}

void generator_errors(Fibers& fibers) {
  Generator<int> fails(fibers, [](Yield<int>& yield) {
    yield(1);
    throw Special(9);
  });
  int seen = 0;
  Fiber asker(fibers, [&] {
    while (seen < 100) {
      try {
        seen += *fails.next();
      } catch (const Special& e) {
        seen += 100 * e.code;
      }
    }
    fibers.switch_to_main();
  });
  asker.resume();  // its error went to the fiber that asked
  HOLDS(seen == 901);
  HOLDS(!fails.next());

  std::unique_ptr<Generator<int>> self;
  self = std::make_unique<Generator<int>>(fibers, [&](Yield<int>& yield) { yield(*self->next()); });
  HOLDS(status_of([&] { self->next(); }) == BP_REENTRANT);

  Generator<int> stray(fibers, [&](Yield<int>& yield) {
    fibers.switch_to_main();
    yield(5);
  });
  HOLDS(status_of([&] { stray.next(); }) == BP_ERROR);
  HOLDS(stray.next() == 5);

  Generator<int> gives_up(fibers, [](Yield<int>&) { throw Canceled{BP_DEADLINE}; });
  HOLDS(status_of([&] { gives_up.next(); }) == BP_DEADLINE);
}

/// A generator goes while a fiber waits for its value.
void generator_orphans(Fibers& fibers) {
  int alive = 0;
  auto source = std::make_unique<Generator<int>>(fibers, [&, c = Counted(alive)](Yield<int>& yield) {
    fibers.switch_to_main();
    yield(1);
  });
  bp_status status = BP_OK;
  Fiber asker(fibers, [&] {
    status = status_of([&] { source->next(); });
    fibers.switch_to_main();
  });
  asker.resume();
  source.reset();
  HOLDS(alive == 0);
  asker.resume();
  HOLDS(status == BP_ERROR);
  // The same, but the asker is destroyed.
  source = std::make_unique<Generator<int>>(fibers, [&](Yield<int>&) { fibers.switch_to_main(); });
  Fiber other(fibers, [&] { source->next(); });
  other.resume();
  source.reset();
  other.destroy();
}

void swallows(Fibers& fibers) {
  Generator<int> stubborn(fibers, [](Yield<int>& yield) {
    try {
      yield(1);
    } catch (const Canceled&) {
    }
  });
  stubborn.next();
}

void later(Fibers& fibers, backplane::Later<int>&& reply) {
  Fiber fiber(fibers, [&] {
    reply.reply(6);
    fibers.switch_to_main();
  });
  fiber.resume();
}

void unasked(Fibers& fibers) {
  Fiber fiber(fibers, [] {});
  static_cast<void>(fibers.try_switch_to(fiber.id()));
}

}  // namespace

BACKPLANE_MODULE(backplane::Stateless, "fibers", "1", backplane::handler<"fibers.arguments", arguments>,
                 backplane::handler<"fibers.closures", closures>,
                 backplane::handler<"fibers.nested_closures", nested_closures>,
                 backplane::handler<"fibers.handles", handles>, backplane::handler<"fibers.errors", errors>,
                 backplane::handler<"fibers.late_errors", late_errors>,
                 backplane::handler<"fibers.unwinding", unwinding>, backplane::handler<"fibers.own_scope", own_scope>,
                 backplane::handler<"fibers.generators", generators>,
                 backplane::handler<"fibers.generator_errors", generator_errors>,
                 backplane::handler<"fibers.generator_orphans", generator_orphans>,
                 backplane::handler<"fibers.swallows", swallows>, backplane::handler<"fibers.later", later>,
                 backplane::handler<"fibers.unasked", unasked>);
