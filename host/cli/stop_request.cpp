// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_request.hpp"

#include <backplane/backplane.h>
#include <poll.h>
#include <unistd.h>

#include <thread>

namespace backplane::host::cli {
namespace {

// How long the end waits for stderr to take the last lines.
constexpr std::uint32_t last_lines_ms = 100;

}  // namespace

std::shared_ptr<StopRequest> StopRequest::from_signals(int exit_code) {
  const sigset_t set = block_ending_signals();
  auto request = std::make_shared<StopRequest>();
  // Detached, because the signal may never arrive. The thread keeps the request alive.
  std::thread([set, request, exit_code] {
    for (;;) {
      int signal = 0;
      if (sigwait(&set, &signal) != 0) continue;
      if (request->asked()) {
        bp_log_flush(last_lines_ms);
        ::_exit(exit_code);
      }
      request->ask();
    }
  }).detach();
  return request;
}

void StopRequest::ask() noexcept {
  asked_.store(true);
  bell_.ring();
}

void StopRequest::wait() const {
  while (!asked()) {
    pollfd fd = {bell_.fd(), POLLIN, 0};
    ::poll(&fd, 1, -1);
  }
}

}  // namespace backplane::host::cli
