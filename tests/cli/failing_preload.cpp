// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into the executable, lets its memory run out; see tests/api/failing.hpp. BACKPLANE_FAIL is "N one" or
// "N from_then". The steps count from where main() ignores SIGPIPE, or with BACKPLANE_FAIL_AT=signal from the first
// SIGUSR2. SIGUSR1 ends it. At the end of the process, the file BACKPLANE_FAIL_REPORT gets the number of steps.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../api/failing.hpp"

namespace {

long nth = 0;
failing::Which which = failing::Which::one;
bool at_signal = false;

void arm(int) { failing::arm(nth, which); }
void disarm(int) { failing::disarm(); }

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(number, &action, nullptr);
}

__attribute__((constructor)) void read_environment() {
  const char* const fail = std::getenv("BACKPLANE_FAIL");
  if (fail == nullptr) return;
  char* end = nullptr;
  nth = std::strtol(fail, &end, 10);
  if (std::strcmp(end, " from_then") == 0) which = failing::Which::from_then;
  at_signal = std::getenv("BACKPLANE_FAIL_AT") != nullptr;
  handle(SIGUSR2, arm);
  handle(SIGUSR1, disarm);
}

__attribute__((destructor)) void report() {
  const failing::Steps steps = failing::disarm();
  const char* const path = std::getenv("BACKPLANE_FAIL_REPORT");
  if (path == nullptr) return;
  const int file = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return;
  ::dprintf(file, "%ld\n", steps.allocations);
  ::close(file);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void (*signal(int number, void (*handler)(int)) noexcept)(int) {
  handle(number, handler);
  if (number == SIGPIPE && nth != 0 && !at_signal) arm(0);
  return SIG_DFL;
}
