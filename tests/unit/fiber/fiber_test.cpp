// SPDX-License-Identifier: Apache-2.0
//
// Fiber: resuming, suspending, exceptions, and its stack.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fiber/fiber.hpp"

using namespace backplane::host;

namespace {

/// A fiber that runs a function once, and then only suspends.
class Routine {
 public:
  explicit Routine(std::function<void(Fiber&)> run, std::size_t stack = 64 * 1024)
      : run_(std::move(run)), fiber_(*stacks().of(stack), body, this) {}
  /// Of the thread that runs the tests.
  static Stacks& stacks() {
    static Stacks all;
    return all;
  }
  void resume() { fiber_.resume(); }
  bool done() const { return done_; }

 private:
  static void body(Fiber& self, void* argument) noexcept {
    auto& routine = *static_cast<Routine*>(argument);
    routine.run_(self);
    routine.done_ = true;
    for (;;) self.suspend();
  }

  std::function<void(Fiber&)> run_;
  bool done_ = false;
  Fiber fiber_;
};

// Not inlined and not made into a loop: each level is to take stack.
[[gnu::noinline]] int descend(int levels, volatile char* above) {
  volatile char room[200];
  room[0] = above == nullptr ? 0 : above[0];
  if (levels == 0) return room[0];
  return descend(levels - 1, room) + 1;
}

}  // namespace

TEST_CASE("a fiber runs until it suspends, and goes on where it stood") {
  std::string trace;
  Routine routine([&](Fiber& self) {
    for (char c = 'a'; c <= 'c'; ++c) {
      trace += c;
      self.suspend();
    }
  });
  CHECK(trace.empty());
  for (int i = 0; i < 3; ++i) {
    routine.resume();
    trace += '.';
  }
  CHECK_FALSE(routine.done());
  routine.resume();
  CHECK(routine.done());
  CHECK(trace == "a.b.c.");
}

TEST_CASE("a fiber keeps its locals across suspensions while others run on the same thread", "[memcheck]") {
  std::vector<std::unique_ptr<Routine>> routines;
  std::vector<int> sums(100, 0);
  for (int n = 0; n < 100; ++n) {
    routines.push_back(std::make_unique<Routine>([n, &sums](Fiber& self) {
      int sum = 0;
      for (int i = 0; i < 50; ++i) {
        sum += n;
        self.suspend();
      }
      sums[static_cast<std::size_t>(n)] = sum;
    }));
  }
  for (int round = 0; round <= 50; ++round) {
    for (auto& routine : routines) routine->resume();
  }
  for (int n = 0; n < 100; ++n) CHECK(sums[static_cast<std::size_t>(n)] == 50 * n);
}

TEST_CASE("a fiber that suspends in a catch block keeps its exception, and nobody else sees it") {
  std::string first_saw;
  std::string second_saw;
  Routine first([&](Fiber& self) {
    try {
      throw std::runtime_error("of the first");
    } catch (const std::exception&) {
      self.suspend();
      try {
        throw;  // the one being handled here
      } catch (const std::exception& again) {
        first_saw = again.what();
      }
    }
  });
  Routine second([&](Fiber& self) {
    CHECK(std::current_exception() == nullptr);
    try {
      throw std::runtime_error("of the second");
    } catch (const std::exception&) {
      self.suspend();
      try {
        throw;
      } catch (const std::exception& again) {
        second_saw = again.what();
      }
    }
  });
  first.resume();
  CHECK(std::current_exception() == nullptr);
  second.resume();
  CHECK(std::current_exception() == nullptr);
  first.resume();  // ends its catch block before the second does: not the order of a stack
  second.resume();
  CHECK(first_saw == "of the first");
  CHECK(second_saw == "of the second");
  CHECK(std::uncaught_exceptions() == 0);
}

TEST_CASE("a fiber that suspends while an exception unwinds it has that exception alone in flight") {
  struct SuspendsOnExit {
    Fiber& fiber;
    int& in_flight;
    ~SuspendsOnExit() {
      fiber.suspend();
      in_flight = std::uncaught_exceptions();
    }
  };
  int in_flight = -1;
  std::string caught;
  Routine routine([&](Fiber& self) {
    try {
      const SuspendsOnExit guard{self, in_flight};
      throw std::runtime_error("on its way");
    } catch (const std::exception& error) {
      caught = error.what();
    }
  });
  routine.resume();
  CHECK(std::uncaught_exceptions() == 0);
  routine.resume();
  CHECK(in_flight == 1);
  CHECK(caught == "on its way");
}

TEST_CASE("a fiber has the stack that it was promised") {
  constexpr std::size_t size = 1u << 20;
  int depth = 0;
  Routine routine([&](Fiber&) { depth = descend(1'500, nullptr); }, size);
  routine.resume();
  CHECK(depth >= 1'500);
  StackPool& pool = *Routine::stacks().of(100'000);
  Stack& stack = *pool.take();
  CHECK(stack.size() >= 100'000);
  CHECK(stack.size() % static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) == 0);
  std::memset(stack.bottom, 1, stack.size());  // all of it
  pool.give_back(stack);
}

TEST_CASE("thousands of fibers may be suspended at once") {
  constexpr std::size_t count = 3'000;
  std::vector<std::unique_ptr<Routine>> routines;
  std::size_t done = 0;
  for (std::size_t i = 0; i < count; ++i) {
    routines.push_back(std::make_unique<Routine>(
        [&done](Fiber& self) {
          self.suspend();
          ++done;
        },
        16 * 1024));
    routines.back()->resume();
  }
  CHECK(done == 0);
  for (auto& routine : routines) routine->resume();
  CHECK(done == count);
}

#if !defined(BP_ASAN) && !defined(BP_TSAN)
TEST_CASE("a fiber that overruns its stack faults at the page below it") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGSEGV, SIG_DFL);
    volatile char* const bottom = Routine::stacks().of(16'384)->take()->bottom;
    *bottom = 1;  // the last byte that is its own
    if (::alarm(10) != 0) ::_exit(2);
    *(bottom - 1) = 1;
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
}
#endif

TEST_CASE("a stack larger than the address space is refused") {
  StackPool pool(std::size_t{1} << 60);
  CHECK(pool.take() == nullptr);
}
