// SPDX-License-Identifier: Apache-2.0
#include "request/poller.hpp"

#include <poll.h>

#include <thread>

#include "request/reactor.hpp"

namespace backplane::host {
namespace {

// Its address is the thread's name here.
thread_local char this_thread;

}  // namespace

class PollerSlot::Looking {
 public:
  explicit Looking(PollerSlot& slot) noexcept : slot_(slot) {
    slot_.looker_.store(&this_thread, std::memory_order_relaxed);
    slot_.looking_.store(true);
    poller_ = slot_.current_.load();
  }
  Looking(const Looking&) = delete;
  Looking& operator=(const Looking&) = delete;
  ~Looking() { slot_.looking_.store(false, std::memory_order_release); }

  const bp_poller* poller() const noexcept { return poller_; }

 private:
  PollerSlot& slot_;
  const bp_poller* poller_;
};

bool PollerSlot::set(const bp_poller* poller) {
  std::unique_ptr<bp_poller> before = poller == nullptr ? nullptr : std::make_unique<bp_poller>(*poller);
  {
    const MutexLock lock(mutex_);
    owned_.swap(before);
    current_.store(owned_.get());
  }
  // A look is short: it may do nothing that waits. With no lock held, since it may be setting a poller itself.
  while (looking_.load() && looker_.load(std::memory_order_relaxed) != &this_thread) std::this_thread::yield();
  return before != nullptr;
}

bool PollerSlot::look(std::uint32_t flags) noexcept {
  if (!any()) return false;
  const Looking looking(*this);
  const bp_poller* const poller = looking.poller();
  if (poller == nullptr) return false;
  const bp_poller copy = *poller;  // it may take itself away
  return copy.poll(copy.user, flags) != 0;
}

int PollerSlot::fd() noexcept {
  const Looking looking(*this);
  return looking.poller() == nullptr ? -1 : looking.poller()->fd;
}

// While this looks, set() does not return. So the application does not close the descriptor before it is duplicated.
void PollerSlot::watch_in(Reactor& reactor) noexcept {
  const Looking looking(*this);
  reactor.watch(looking.poller() == nullptr ? -1 : looking.poller()->fd);
}

bool PollerSlot::sleep(int wake_fd, Nanos until) noexcept {
  ::pollfd fds[2] = {{wake_fd, POLLIN, 0}, {fd(), POLLIN, 0}};
  constexpr Nanos second = 1'000'000'000;
  const Nanos at = now();
  const Nanos left = until > at ? until - at : 0;
  const ::timespec bound{static_cast<std::time_t>(left / second), static_cast<long>(left % second)};
  return ::ppoll(fds, 2, until == 0 ? nullptr : &bound, nullptr) > 0 && fds[0].revents != 0;
}

}  // namespace backplane::host
