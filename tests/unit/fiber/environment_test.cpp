// SPDX-License-Identifier: Apache-2.0
//
// The parts that an environment is made of. What handlers see of it is tested in tests/fibers.
#include "fiber/environment.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fiber/fiber.hpp"

using namespace backplane::host;

namespace {

/// Runs `main` as a handler's run: on a fiber, in an environment that is open.
class Run {
 public:
  explicit Run(std::function<void(Environment&)> main) : main_(std::move(main)) {
    Fiber fiber(*stacks_.of(256 * 1024), body, this);
    fiber_ = &fiber;
    environment_.begin(1, fiber.stack(), 1'000'000);
    fiber.resume();
    environment_.end();
  }
  const FiberCounts& counts() const { return counts_; }
  Stacks& stacks() { return stacks_; }

 private:
  static void body(Fiber& self, void* argument) noexcept {
    auto& run = *static_cast<Run*>(argument);
    run.main_(run.environment_);
    for (;;) self.suspend();
  }

  Stacks stacks_;
  FiberCounts counts_;
  Environment environment_{stacks_, counts_};
  Fiber* fiber_ = nullptr;
  std::function<void(Environment&)> main_;
};

struct Body {
  std::function<bp_status()> run;
  static bp_status enter(void* body) { return static_cast<Body*>(body)->run(); }
};

std::uint64_t create(Environment& environment, Body& body, std::size_t stack = 0) {
  std::uint64_t id = 0;
  REQUIRE(environment.create({sizeof(bp_fiber_desc), 0, Body::enter, &body, nullptr, stack}, id) == BP_OK);
  return id;
}

}  // namespace

TEST_CASE("ids of any age are found in the table, whatever was put in and erased before") {
  struct Thing {
    std::uint64_t id = 0;
    Thing* same_hash = nullptr;
  };
  MemberTable<Thing> table;
  std::map<std::uint64_t, Thing> model;
  std::mt19937 random(7);
  std::uint64_t next = 1;
  for (int step = 0; step < 100'000; ++step) {
    if (model.size() < 3 || random() % 100 < (step < 50'000 ? 52u : 48u)) {
      REQUIRE(table.reserve());
      Thing& thing = model[next];
      thing.id = next;
      table.put(thing);
      next += 1 + random() % 3 * (random() % 50);  // many that collide
    } else {
      auto victim = model.lower_bound(random() % next);
      if (victim == model.end()) victim = model.begin();
      table.erase(victim->second);
      CHECK(table.find(victim->first) == nullptr);
      model.erase(victim);
    }
    REQUIRE(table.size() == model.size());
    if (step % 1'000 != 0) continue;
    for (auto& [id, thing] : model) REQUIRE(table.find(id) == &thing);
    std::size_t found = 0;
    for (std::uint64_t id = 1; id < next + 5; ++id) found += table.find(id) != nullptr ? 1 : 0;
    REQUIRE(found == model.size());
  }
}

TEST_CASE("fibers of an environment switch to each other directly, and end with main", "[memcheck]") {
  std::string trace;
  Run run([&](Environment& env) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    Body in_a{[&] {
      trace += 'a';
      CHECK(env.switch_to(b) == BP_OK);
      trace += 'A';
      CHECK(env.switch_to(BP_FIBER_MAIN) == BP_CANCELED);
      trace += 'x';
      return BP_CANCELED;
    }};
    Body in_b{[&] {
      trace += 'b';
      CHECK(env.switch_to(a) == BP_CANCELED);
      trace += 'y';
      return BP_OK;  // swallowed
    }};
    a = create(env, in_a);
    b = create(env, in_b);
    CHECK(env.switch_to(a) == BP_OK);
    trace += 'm';
    env.close();  // while what the fibers refer to is still there
  });
  CHECK(trace == "abAmyx");
  CHECK(run.counts().created == 2);
  CHECK(run.counts().alive == 0);
  CHECK(run.counts().swallowed == 1);
}

TEST_CASE("stacks that nobody has wanted for a while are given back, after a look at how deep they were used") {
  Stacks stacks;
  constexpr std::size_t size = 512 * 1024;  // which no other test here uses
  StackPool& pool = *stacks.of(size);
  const auto use = [] {
    for (const StackUse& one : stack_use()) {
      if (one.size == size) return one;
    }
    return StackUse{};
  };
  std::vector<Stack*> taken;
  for (int i = 0; i < 1'000; ++i) {
    taken.push_back(pool.take());
    REQUIRE(taken.back() != nullptr);
    static_cast<volatile char*>(taken.back()->top())[-1] = 1;
  }
  static_cast<volatile char*>(taken[500]->top())[-20'000] = 1;
  for (Stack* const stack : taken) pool.give_back(*stack);
  CHECK(use().resident >= 1'000 * 4'096);
  Nanos time = 1;
  Nanos next = stacks.trim(time);
  CHECK(use().resident >= 1'000 * 4'096);  // not at once
  for (int i = 0; i < 100 && next != 0; ++i) {
    time = next;
    next = stacks.trim(time);
  }
  CHECK(next == 0);
  CHECK(use().mapped <= 128);
  CHECK(use().resident <= 65 * 8'192);
  CHECK(use().high_water == 20'480);
  stacks.trim_all();
  CHECK(use().mapped == 0);
}

TEST_CASE("of large stacks few are kept, since each may have cost much memory") {
  Stacks stacks;
  StackPool& pool = *stacks.of(8 << 20);
  std::vector<Stack*> taken;
  for (int i = 0; i < 20; ++i) {
    taken.push_back(pool.take());
    REQUIRE(taken.back() != nullptr);
  }
  for (Stack* const stack : taken) pool.give_back(*stack);
  Nanos next = stacks.trim(1);
  for (int i = 0; i < 100 && next != 0; ++i) next = stacks.trim(next);
  for (const StackUse& use : stack_use()) {
    if (use.size == 8 << 20) CHECK(use.mapped <= 4);
  }
}

#if !defined(BP_ASAN) && !defined(BP_TSAN)  // they need more addresses than this leaves
TEST_CASE("idle stacks of one size make way for those of another") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit limit{std::size_t{1} << 30, std::size_t{1} << 30};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(2);
    Stacks stacks;
    StackPool& small = *stacks.of(16 * 1024);
    Stack* taken = nullptr;  // those of a pool are linked by `next` only while they are in it
    while (Stack* const stack = small.take()) stack->next = std::exchange(taken, stack);
    StackPool& large = *stacks.of(1 << 20);
    if (large.take() != nullptr) ::_exit(3);  // it is not used up
    while (taken != nullptr) small.give_back(*std::exchange(taken, taken->next));
    ::_exit(large.take() != nullptr ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
#endif
