// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <cstddef>

namespace backplane::host {

/// The own stack of a thread: the bytes from `low` to below `high`, and the guard below it.
struct ThreadStack {
  char* low = nullptr;  ///< null: not known
  char* high = nullptr;
  std::size_t guard = 0;

  bool guards(const void* address) const noexcept {
    const auto* const at = static_cast<const char*>(address);
    return at < low && at >= low - guard;
  }

  /// Looks it up, once for each thread. Not for the first thread of the process, for which that is slow.
  static void look_up() noexcept {
    if (of_thread.low != nullptr) return;
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return;
    void* low = nullptr;
    std::size_t size = 0;
    if (::pthread_attr_getstack(&attributes, &low, &size) == 0) {
      ::pthread_attr_getguardsize(&attributes, &of_thread.guard);
      of_thread.high = static_cast<char*>(low) + size;
      of_thread.low = static_cast<char*>(low);
    }
    ::pthread_attr_destroy(&attributes);
  }

  /// Of the calling thread, after look_up(). A signal handler reads it, so its TLS model must be one that never
  /// allocates.
  [[gnu::tls_model("initial-exec")]] static constinit thread_local ThreadStack of_thread;
};

[[gnu::tls_model("initial-exec")]] inline constinit thread_local ThreadStack ThreadStack::of_thread{};

}  // namespace backplane::host
