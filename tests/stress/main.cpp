// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>

#include "options.hpp"
#include "run.hpp"

namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler writes it

// The first one ends the run early; the second, by the default, the process.
void end_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

int main(int argc, char** argv) try {
  int exit_code = 0;
  const auto options = stress::parse(argc, argv, exit_code);
  if (!options) return exit_code;
  std::fprintf(stderr, "stress: seed %llu, %u threads\n", static_cast<unsigned long long>(options->seed),
               options->threads);
  end_on_interrupt();
  // Never freed: a context that was set aside may call back as long as the process lives.
  static stress::World* const kept = new stress::World;  // static, so that a leak checker finds it
  stress::World& world = *kept;
  const stress::Outcome outcome = stress::run(world, *options, interrupted);
  return stress::report(world, *options, outcome) ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "backplane-stress: %s\n", error.what());
  return 1;
}
