// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <sched.h>

/// Keeps the calling thread on the `nth` of the cores that the process may use, until it ends; nothing if there is
/// none. Two threads that wake each other are otherwise put on one core, where they never run at the same moment.
class OwnCore {
 public:
  explicit OwnCore(int nth) {
    ::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_);
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (!CPU_ISSET(core, &before_) || nth-- != 0) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(core, &one);
      ::pthread_setaffinity_np(::pthread_self(), sizeof one, &one);
    }
  }
  OwnCore(const OwnCore&) = delete;
  OwnCore& operator=(const OwnCore&) = delete;
  ~OwnCore() { ::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_); }

 private:
  cpu_set_t before_;
};
