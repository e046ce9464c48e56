// SPDX-License-Identifier: Apache-2.0
#include "sync/asymmetric_fence.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace backplane::host {
namespace {

constexpr int tries_most = 10'000;

bool order(int command) noexcept { return ::syscall(SYS_membarrier, command, 0, 0) == 0; }

// A process must register for it, because it makes switches between its threads slightly slower.
bool intend() noexcept { return order(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED); }

}  // namespace

const bool fence_detail::asymmetric = intend();

void heavy_fence() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!fence_detail::asymmetric) return;
  // It may fail for a moment if memory is short, or in a forked child that has not registered. The fence is essential,
  // so retry.
  for (int tries = 0; !order(MEMBARRIER_CMD_PRIVATE_EXPEDITED); ++tries) {
    if (tries == tries_most) {
      std::fprintf(stderr,
                   "backplane: membarrier(2) worked at the start but fails now (%s); allow it in the seccomp "
                   "filter, or forbid it before the library is loaded\n",
                   std::strerror(errno));
      std::abort();
    }
    intend();
    std::this_thread::yield();
  }
}

}  // namespace backplane::host
