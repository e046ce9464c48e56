// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <memory>

#include "sync/clock.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

class Reactor;

/// What bp_poller_set() has given a request thread to look after.
///
/// Nobody waits for the request thread as such: it may be in a handler for as long as it likes. So a poller is taken
/// away as follows. Request thread: (1) say that it looks, seq_cst; (2) load the poller; call it. Who takes it away:
/// (3) store none, seq_cst; (4) wait while the request thread looks. In the one order of these either (1) precedes
/// (4), which waits, or (3) precedes (2), which finds none.
class PollerSlot {
 public:
  /// Any thread. `poller` null: none. When it returns, the one before is not called any more, but for the call that
  /// this one is made from. Throws std::bad_alloc. False: there was none to take away.
  bool set(const bp_poller* poller);

  // ---- Request thread
  bool any() const noexcept { return current_.load(std::memory_order_relaxed) != nullptr; }
  /// Calls it, if there is one; whether it found something to do.
  bool look(std::uint32_t flags = 0) noexcept;
  /// Sleeps until it or `wake_fd` can be read, or `until` (0: no bound), or for no reason; whether it was `wake_fd`.
  bool sleep(int wake_fd, Nanos until) noexcept;
  /// Has `reactor` watch its descriptor, or none. Only while the reactor waits for descriptors.
  void watch_in(Reactor& reactor) noexcept;

 private:
  /// Keeps it from being freed.
  class Looking;

  int fd() noexcept;  // -1 if there is none

  std::atomic<const bp_poller*> current_{nullptr};
  std::atomic<bool> looking_{false};
  std::atomic<const void*> looker_{nullptr};  // which thread's
  Mutex mutex_;                               // of those who set
  std::unique_ptr<bp_poller> owned_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
