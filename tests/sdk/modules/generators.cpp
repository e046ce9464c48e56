// SPDX-License-Identifier: Apache-2.0
//
// What the SDK's generators do.
#include "programs.hpp"

namespace programs {

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
  // The body itself destroys it, and gives one value more; its fiber ends with the run.
  source = std::make_unique<Generator<int>>(fibers, [&](Yield<int>& yield) {
    source.reset();
    yield(3);
  });
  HOLDS(source->next() == 3 && source == nullptr);
  // The same, and it ends in another way each.
  source = std::make_unique<Generator<int>>(fibers, [&](Yield<int>&) { source.reset(); });
  HOLDS(!source->next());
  source = std::make_unique<Generator<int>>(fibers, [&](Yield<int>&) {
    source.reset();
    throw Special(4);
  });
  HOLDS(throws<Special>([&] { source->next(); }));
}

/// What is moved to another generator goes with that one.
void generator_moves(Fibers& fibers) {
  int alive = 0;
  const auto endless = [&](int first) {
    return Generator<int>(fibers, [first, c = Counted(alive)](Yield<int>& yield) {
      for (int i = first;; ++i) yield(i);
    });
  };
  Generator<int> a = endless(1);
  Generator<int> b = endless(10);
  HOLDS(a.next() == 1 && b.next() == 10 && alive == 2);
  a = std::move(b);
  HOLDS(alive == 1 && a.next() == 11 && !b.next());
  Generator<int>& same = a;
  a = std::move(same);
  HOLDS(alive == 1 && a.next() == 12);
  a = Generator<int>(std::move(a));
  HOLDS(alive == 1 && a.next() == 13);
  { const Generator<int> last(std::move(a)); }
  HOLDS(alive == 0);
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

}  // namespace programs
