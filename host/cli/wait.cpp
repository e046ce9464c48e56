// SPDX-License-Identifier: Apache-2.0
#include "cli/wait.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <thread>

#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  // SIGHUP means that the terminal is gone. nohup ignores it, but sigwait() would return it even then.
  struct sigaction hangup {};
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
  return set;
}

namespace {

int made(int fd) {
  if (fd < 0) throw CommandFailure{exit_error, BP_IO, cat("cannot open a descriptor: ", std::strerror(errno))};
  return fd;
}

int block_and_watch() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return made(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int remaining_ms(Deadline deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

}  // namespace

Signals::Signals() : fd_(block_and_watch()) { interrupt_output_by(fd_.get()); }

Signals::~Signals() { interrupt_output_by(-1); }

int Signals::take() {
  signalfd_siginfo info;
  return ::read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

void Signals::leave_on_next(int code) {
  // Use a new thread, because the command's thread may be blocked forever.
  std::thread([code] {
    const sigset_t set = ending_signals();
    int signal = 0;
    while (sigwait(&set, &signal) != 0) {
    }
    ::_exit(code);
  }).detach();
}

Bell::Bell() : fd_(made(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {}

void Bell::ring() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
}

void Bell::silence() noexcept {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t size = ::read(fd_.get(), &count, sizeof count);
}

Wake wait(const Signals& signals, const Bell& bell, Deadline deadline, bool watch_output) {
  pollfd fds[] = {{signals.fd(), POLLIN, 0}, {bell.fd(), POLLIN, 0}, {watch_output ? STDOUT_FILENO : -1, 0, 0}};
  for (;;) {
    const int ready = ::poll(fds, 3, remaining_ms(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Wake::timeout;
    if (fds[0].revents != 0) return Wake::signal;
    if (fds[1].revents != 0) return Wake::bell;
    return Wake::output_closed;
  }
}

UniqueFd watch_process(std::uint64_t pid) {
  // By number: the header of glibc 2.36 declares pidfd_open() for C only.
  if (pid == 0 || pid > INT_MAX) return {};
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
}

bool wait_for_end(int process, Deadline deadline) {
  pollfd fd = {process, POLLIN, 0};
  for (;;) {
    const int ready = ::poll(&fd, 1, remaining_ms(deadline));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

}  // namespace backplane::host::cli
