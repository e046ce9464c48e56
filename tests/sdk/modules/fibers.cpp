// SPDX-License-Identifier: Apache-2.0
//
// What the SDK's fibers do beyond the extension below them.
#include <functional>
#include <vector>

#include "programs.hpp"

namespace programs {
namespace {

/// Calls a function at its end.
template <class F>
struct AtEnd {
  F f;
  ~AtEnd() { f(); }
};
template <class F>
AtEnd(F) -> AtEnd<F>;

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
  static int alive;  // one that is let go of ends when this has returned
  alive = 0;
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
  try {
    quiet.resume();
    HOLDS(!"an error in main");
  } catch (const Error& e) {
    HOLDS(e.message().find("there is no fiber") == 0);
  }
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

  // What it tells of while an exception unwinds does not come back later.
  Fiber bad(fibers, [] { throw Error(BP_NOT_FOUND, "of my own"); });
  HOLDS(throws<std::logic_error>([&] {
    const AtEnd guard{[&] { bad.resume(), ++steps; }};
    throw std::logic_error("first");
  }));
  HOLDS(steps == 4);
  try {
    bad.resume();
    HOLDS(!"an error in main");
  } catch (const Error& e) {
    HOLDS(e.message().find("there is no fiber") == 0);
  }
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

/// A switch that fails for another reason tells nobody of it.
void unasked_before_another(Fibers& fibers) {
  Fiber fiber(fibers, [] {});
  static_cast<void>(fibers.try_switch_to(fiber.id()));
  HOLDS(status_of([&] { fibers.switch_to(999); }) == BP_NOT_FOUND);
  HOLDS(fibers.try_switch_to(999) == BP_NOT_FOUND);
}

}  // namespace
}  // namespace programs

using namespace programs;

BACKPLANE_MODULE(backplane::Stateless, "fibers", "1", backplane::handler<"fibers.arguments", arguments>,
                 backplane::handler<"fibers.closures", closures>,
                 backplane::handler<"fibers.nested_closures", nested_closures>,
                 backplane::handler<"fibers.handles", handles>, backplane::handler<"fibers.errors", errors>,
                 backplane::handler<"fibers.late_errors", late_errors>,
                 backplane::handler<"fibers.unwinding", unwinding>, backplane::handler<"fibers.own_scope", own_scope>,
                 backplane::handler<"fibers.generators", generators>,
                 backplane::handler<"fibers.generator_errors", generator_errors>,
                 backplane::handler<"fibers.generator_orphans", generator_orphans>,
                 backplane::handler<"fibers.generator_moves", generator_moves>,
                 backplane::handler<"fibers.swallows", swallows>, backplane::handler<"fibers.later", later>,
                 backplane::handler<"fibers.unasked", unasked>,
                 backplane::handler<"fibers.unasked_before_another", unasked_before_another>);
