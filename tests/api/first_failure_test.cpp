// SPDX-License-Identifier: Apache-2.0
//
// The first use of the host in a process makes what all contexts share. Each trial is a process of its own, forked
// off this one, which never uses the host.
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

#include "failing.hpp"
#include "fixture.hpp"
#include "process_state.hpp"

using namespace host_test;
using failing::Which;

namespace {

constexpr long more_than_enough = 10'000;

enum Outcome { survived = 10, nothing_failed, wrong };

// CHECK is of no use in a child: the parent would not hear of it.
struct Trial {
  bool right = true;
  void expect(bool condition, const char* what) {
    if (condition) return;
    right = false;
    std::cerr << "expected: " << what << "\n";
  }
  Outcome outcome(const failing::Steps& steps) const {
    if (!right) return wrong;
    return steps.failed ? survived : nothing_failed;
  }
};

void expect_works(Trial& trial, bp_context context) {
  const std::string path = module_path("sleeper");
  const bp_load_options load = load_options(path);
  Result loaded;
  trial.expect(bp_module_load(context, &load, &loaded) == BP_OK, "a module can be loaded afterwards");
  bp_context another{};
  trial.expect(bp_context_create(nullptr, &another, nullptr) == BP_OK, "a context can be made afterwards");
  Result result;
  bp_call_sync(another, BP_STR("sleeper.remaining"), {nullptr, 0}, 0, &result);
  trial.expect(result.text() == "none", "a call answers");
  trial.expect(bp_context_destroy(another) == BP_OK, "the context can be destroyed");
}

// A forked child that makes threads can hang within ThreadSanitizer of GCC 12.
#if defined(__SANITIZE_THREAD__)
constexpr bool children_can_make_threads = false;
#else
constexpr bool children_can_make_threads = true;
#endif

// Those of a whole host (control, watchdog), or none; and none of a context.
bool no_more_than_a_host(std::size_t before) {
  return eventually([before] {
    const std::size_t now = threads();
    return now == before || now == before + 2 || now == before + 3;  // the second control thread may be missing
  });
}

Outcome first_context(long nth, Which which) {
  Trial trial;
  const std::size_t before = threads();
  Result why;
  bp_context context{1};
  failing::arm(nth, which);
  const bp_status status = bp_context_create(nullptr, &context, &why);
  const failing::Steps steps = failing::disarm();
  if (status == BP_OK) {
    trial.expect(steps.allocations > 0 && (steps.threads == 5 || steps.failed), "the host's steps are counted");
  } else {
    trial.expect(status == BP_OUT_OF_MEMORY || status == BP_IO, "out_of_memory or io");
    trial.expect(steps.failed, "a reason to fail");
    trial.expect(!why.words().empty(), "a message");
    trial.expect(context.id == 0, "no handle");
    trial.expect(no_more_than_a_host(before), "no threads of a context");
    trial.expect(bp_context_create(nullptr, &context, nullptr) == BP_OK, "the next one can be made");
  }
  expect_works(trial, context);
  trial.expect(bp_context_destroy(context) == BP_OK, "the context can be destroyed");
  return trial.outcome(steps);
}

Outcome host_context(long nth, Which which) {
  Trial trial;
  const std::size_t before = threads();
  failing::arm(nth, which);
  bp_context context = bp_host_context();
  const failing::Steps steps = failing::disarm();
  if (context.id == 0) {
    trial.expect(steps.failed, "a reason to fail");
    trial.expect(no_more_than_a_host(before), "no threads of a context");
    context = bp_host_context();
    trial.expect(context.id != 0, "the next one can be made");
  }
  expect_works(trial, context);
  return trial.outcome(steps);
}

int outcome_in_child(Outcome (*trial)(long, Which), long nth, Which which) {
  std::cout.flush();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(trial(nth, which));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void fail_at_every_step(Outcome (*trial)(long, Which)) {
  if (!children_can_make_threads) return;
  const auto which = GENERATE(Which::one, Which::from_then);
  for (long nth = 1;; ++nth) {
    CAPTURE(nth, static_cast<int>(which));
    const int outcome = outcome_in_child(trial, nth, which);
    if (outcome == nothing_failed) {
      CHECK(nth > 10);
      return;
    }
    REQUIRE(nth < more_than_enough);
    REQUIRE(outcome == survived);
  }
}

}  // namespace

TEST_CASE("the first context of a process leaves nothing behind, whichever step of making it and the host fails") {
  fail_at_every_step(first_context);
}

TEST_CASE("the handle of the host can be had after it could not, whichever step of making the host failed") {
  fail_at_every_step(host_context);
}
