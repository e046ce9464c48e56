// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <memory>

#include "sync/clock.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

class Reactor;

/// The poller of a context, set by bp_poller_set() and called by the request thread.
///
/// Removing a poller must not wait for a handler, which may keep the request thread for long. So it works as follows.
/// Request thread: (1) say that it looks, seq_cst; (2) load the poller and call it. The thread that removes: (3) store
/// null, seq_cst; (4) wait while the request thread looks. In the one order of these either (1) precedes
/// (4), which waits, or (3) precedes (2), which finds none.
class PollerSlot {
 public:
  /// Any thread. Sets or replaces the poller; null removes it. When this returns, the old poller is not called again.
  /// If this is called from the old poller, that call is its last. False: there was none to remove. Throws
  /// std::bad_alloc.
  bool set(const bp_poller* poller);

  // ---- Request thread
  bool any() const noexcept { return current_.load(std::memory_order_relaxed) != nullptr; }
  /// Calls the poller, if there is one. Returns whether it found something to do.
  bool look(std::uint32_t flags = 0) noexcept;
  /// Sleeps until the poller's descriptor or `wake_fd` is readable, or `until` (0: no bound). May return early. Returns
  /// whether `wake_fd` is readable.
  bool sleep(int wake_fd, Nanos until) noexcept;
  /// Lets `reactor` watch the descriptor of the poller, or none. Only while the reactor waits for descriptors.
  void watch_in(Reactor& reactor) noexcept;

 private:
  // While it lives, set() does not free the poller.
  class Looking;

  int fd() noexcept;  // -1 if there is none

  std::atomic<const bp_poller*> current_{nullptr};
  std::atomic<bool> looking_{false};
  std::atomic<const void*> looker_{nullptr};  // the thread that calls it
  Mutex mutex_;                               // of set()
  std::unique_ptr<bp_poller> owned_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
