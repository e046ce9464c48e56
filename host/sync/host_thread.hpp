// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

namespace backplane::host {

/// Marks the calling thread as one of the host's own, while this object exists, and names it for debuggers and ps. The
/// host knows by itself whether such a thread runs code of a module. Create it first in the thread, on its stack.
class HostThread {
 public:
  /// `name`: at most 15 bytes.
  explicit HostThread(const char* name) noexcept;
  HostThread(const HostThread&) = delete;
  HostThread& operator=(const HostThread&) = delete;
  ~HostThread();

  /// Whether `tid` is a thread of the host. Any thread.
  static bool is_one(::pid_t tid) noexcept;

 private:
  const ::pid_t tid_;
  HostThread* next_ = nullptr;
  HostThread** link_ = nullptr;  // what points to this object in the list of all
};

}  // namespace backplane::host
