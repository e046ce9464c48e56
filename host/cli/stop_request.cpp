// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_request.hpp"

#include <backplane/backplane.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <initializer_list>
#include <thread>

#include "cli/client.hpp"
#include "cli/failure.hpp"
#include "cli/log_options.hpp"
#include "cli/output.hpp"
#include "support/signal_name.hpp"

namespace backplane::host::cli {
namespace {

// How often it is looked whether the start has come to its end, once a signal has come.
constexpr int look_ms = 100;

int signals[2] = {-1, -1};  // a pipe: a byte for each signal, its number, or `of_terminal`
bool had_terminal = false;  // these two: at the start
pid_t leader = 0;           // of the session

/// A SIGHUP that the loss of the terminal may have caused. The kernel sends it, or the shell passes it on.
constexpr unsigned char of_terminal = 0xff;

void on_signal(int signal, siginfo_t* info, void*) {
  const int before = errno;
  auto number = static_cast<unsigned char>(signal);
  if (signal == SIGHUP && (info->si_code == SI_KERNEL || info->si_pid == leader)) number = of_terminal;
  [[maybe_unused]] const ssize_t written = ::write(signals[1], &number, 1);
  errno = before;
}

// Whether this process has a controlling terminal.
bool has_terminal() { return UniqueFd(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC)).get() >= 0; }

[[noreturn]] void leave(int code) {
  bp_log_flush(last_lines_ms);
  ::_exit(code);
}

}  // namespace

std::shared_ptr<StopRequest> StopRequest::from_signals(int exit_code) {
  if (::pipe2(signals, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw CommandFailure{exit_error, BP_IO, cat("cannot open a descriptor: ", std::strerror(errno))};
  }
  had_terminal = has_terminal();
  leader = ::getsid(0);
  auto request = std::make_shared<StopRequest>();
  // Detached, because the signal may never arrive. The thread keeps the request alive.
  std::thread([request, exit_code] { request->watch(exit_code); }).detach();
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;  // a fiber's stack may have no room for it
  const sigset_t set = ending_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);  // the parent may have left them blocked
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    if (sigismember(&set, number) == 1) ::sigaction(number, &action, nullptr);
  }
  return request;
}

/// Returns 0 if none has come in time; with -1 it waits. `of_terminal`: SIGHUP, because the terminal is gone.
int StopRequest::wait_for_signal(int timeout_ms) {
  pollfd fd = {signals[0], POLLIN, 0};
  unsigned char number = 0;
  if (::poll(&fd, 1, timeout_ms) != 1 || ::read(signals[0], &number, 1) != 1) return 0;
  return number == of_terminal && (!had_terminal || has_terminal()) ? SIGHUP : number;
}

void StopRequest::watch(int exit_code) {
  for (;;) {
    const bool bounded = asked() && phase_.load() == Phase::starting;
    int signal = wait_for_signal(bounded ? look_ms : -1);
    if (signal == of_terminal) {
      signal = SIGHUP;
    } else if (signal == SIGHUP) {
      read_again_ = true;
      bell_.ring();
      signal = 0;
    }
    if (bounded && phase_.load() == Phase::starting && since() >= longest_start) {
      Result stuck;
      bp_operation_cancel(bp_host_context(), {}, stuck.out());
      log_line(BP_LOG_WARN, cat("a module has not returned from its start; the host ends by force; left behind: ",
                                stuck.message(BP_TIMEOUT)));
      leave(exit_error);
    }
    if (signal == 0) continue;
    if (!asked()) {
      signal_ = signal;
      Phase reading = Phase::reading;
      if (phase_.compare_exchange_strong(reading, Phase::leaving)) leave(exit_ok);
      ask();
    } else if (signal_ == 0) {
      signal_ = signal;  // a peer has asked, and its supervisor sends a signal as well
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
  return signal == 0 ? std::string("a peer has asked for it") : signal_name(signal);
}

bool StopRequest::wait() {
  while (!asked()) {
    if (read_again_.exchange(false)) return false;
    pollfd fd = {bell_.fd(), POLLIN, 0};
    ::poll(&fd, 1, -1);
    bell_.silence();
  }
  return true;
}

}  // namespace backplane::host::cli
