// SPDX-License-Identifier: Apache-2.0
#include "ingress/waker.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "sync/futex.hpp"
#include "sync/woken.hpp"

namespace backplane::host {

int Waker::fd() noexcept {
  if (!fd_) fd_ = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  return fd_.get();
}

void Waker::ring(std::uint32_t state) noexcept {
  note_wake();
  if (state == asleep) {
    futex_wake_one(&state_);
  } else if (state == polling) {
    const std::uint64_t one = 1;
    // EAGAIN means the counter is full: it is readable then, which is all that is wanted.
    while (::write(fd_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
  }
}

void Waker::sleep(Nanos until) noexcept { futex_wait(state_, asleep, until); }

void Waker::drain() noexcept {
  std::uint64_t count;
  while (::read(fd_.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
}

}  // namespace backplane::host
