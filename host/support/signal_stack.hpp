// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <csignal>
#include <cstddef>

namespace backplane::host {

/// A stack for the signal handlers of the calling thread, while this object exists. With it, a stack overflow can be
/// told. A thread that has such a stack keeps it, for example that of a sanitizer. Without memory there is none.
class SignalStack {
 public:
  SignalStack() noexcept {
    stack_t there{};
    if (::sigaltstack(nullptr, &there) != 0 || (there.ss_flags & SS_DISABLE) == 0) return;
    // Not from the heap: a thread's first allocation reserves 64 MiB of address space.
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return;
    stack_t own{};
    own.ss_sp = memory_ = memory;
    own.ss_size = size;
    ::sigaltstack(&own, nullptr);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;
  ~SignalStack() {
    if (memory_ == nullptr) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
    ::munmap(memory_, size);
  }

 private:
  // Large enough for the previous signal handler as well. That may belong to a debugger or a runtime.
  static constexpr std::size_t size = std::size_t{64} * 1024;

  void* memory_ = nullptr;
};

}  // namespace backplane::host
