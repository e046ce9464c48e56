// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <csignal>

#include "support/signal_name.hpp"

using namespace backplane::host;

TEST_CASE("a signal has the name that the system gives it, and one without a name its number") {
  CHECK(signal_name(SIGTERM) == "SIGTERM");
  CHECK(signal_name(SIGUSR2) == "SIGUSR2");
  CHECK(signal_name(SIGRTMIN + 1) == "signal " + std::to_string(SIGRTMIN + 1));
  CHECK(signal_name(0) == "signal 0");
}
