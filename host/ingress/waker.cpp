// SPDX-License-Identifier: Apache-2.0
#include "ingress/waker.hpp"

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "sync/woken.hpp"

namespace backplane::host {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t), "a futex is a plain 32-bit word");

Waker::~Waker() {
  if (fd_ >= 0) ::close(fd_);
}

int Waker::fd() noexcept {
  if (fd_ < 0) fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd_;
}

void Waker::ring(std::uint32_t state) noexcept {
  note_wake();
  if (state == asleep) {
    ::syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  } else if (state == polling) {
    const std::uint64_t one = 1;
    // Ignore EAGAIN: the counter is full, so the descriptor is readable.
    while (::write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }
}

// Uses FUTEX_WAIT_BITSET, because it takes an absolute time of the clock of Nanos (futex(2)).
void Waker::sleep(Nanos until) noexcept {
  constexpr Nanos second = 1'000'000'000;
  const ::timespec at{static_cast<std::time_t>(until / second), static_cast<long>(until % second)};
  ::syscall(SYS_futex, &state_, FUTEX_WAIT_BITSET_PRIVATE, asleep, until == 0 ? nullptr : &at, nullptr,
            FUTEX_BITSET_MATCH_ANY);
}

void Waker::drain() noexcept {
  std::uint64_t count;
  while (::read(fd_, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

}  // namespace backplane::host
