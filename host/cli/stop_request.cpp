// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_request.hpp"

#include <backplane/backplane.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <thread>

#include "cli/failure.hpp"
#include "cli/log_options.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

// How often it is looked whether the start has come to its end, once a signal has come.
constexpr timespec look = {0, 100'000'000};

[[noreturn]] void leave(int code) {
  bp_log_flush(last_lines_ms);
  ::_exit(code);
}

}  // namespace

std::shared_ptr<StopRequest> StopRequest::from_signals(int exit_code) {
  const sigset_t set = block_ending_signals();
  auto request = std::make_shared<StopRequest>();
  // Detached, because the signal may never arrive. The thread keeps the request alive.
  std::thread([set, request, exit_code] { request->watch(set, exit_code); }).detach();
  return request;
}

void StopRequest::watch(const sigset_t& set, int exit_code) {
  for (;;) {
    const bool bounded = asked() && phase_.load() == Phase::starting;
    const int signal = bounded ? ::sigtimedwait(&set, nullptr, &look) : ::sigwaitinfo(&set, nullptr);
    if (bounded && phase_.load() == Phase::starting && since() >= longest_start) {
      log_line(BP_LOG_WARN, "a module has not returned from its start; the host ends without waiting for it");
      leave(exit_error);
    }
    if (signal < 0) continue;
    if (!asked()) {
      signal_ = signal;
      Phase reading = Phase::reading;
      if (phase_.compare_exchange_strong(reading, Phase::leaving)) leave(exit_ok);
      ask();
    } else if (since() >= same_request) {
      leave(exit_code);
    }
  }
}

void StopRequest::begin() noexcept {
  Phase reading = Phase::reading;
  if (phase_.compare_exchange_strong(reading, Phase::starting)) return;
  for (;;) ::pause();  // the process ends
}

void StopRequest::ask() noexcept {
  Clock::rep never = 0;
  asked_at_.compare_exchange_strong(never, Clock::now().time_since_epoch().count());
  bell_.ring();
}

std::string StopRequest::reason() const {
  const int signal = signal_;
  return signal == 0 ? std::string("a peer has asked for it") : cat("signal ", ::sigabbrev_np(signal));
}

void StopRequest::wait() const {
  while (!asked()) {
    pollfd fd = {bell_.fd(), POLLIN, 0};
    ::poll(&fd, 1, -1);
  }
}

}  // namespace backplane::host::cli
