// SPDX-License-Identifier: Apache-2.0
#include "request/idle_wait.hpp"

#include <sched.h>

#include <algorithm>
#include <utility>

namespace backplane::host {
namespace {

// The kernel's. After a spin in which others used up a time slice, no spin for `spin_pause`.
constexpr Nanos time_slice = 500'000;
constexpr Nanos spin_pause = 20'000'000;

// Of two times, of which 0 means never.
Nanos earlier(Nanos a, Nanos b) noexcept { return a == 0 || b == 0 ? a + b : std::min(a, b); }

}  // namespace

void IdleWait::wait() {
  // The thread that woke this one may be on the same core, and wait for what this one has just done.
  if (std::exchange(woken_, false)) give_way();
  if (!spin()) sleep();
}

void IdleWait::sleep() {
  const Nanos asleep_since = now();
  backlog_.stamps().want_each();
  const Nanos until = earlier(timers_.next(), runner_.trim_stacks(asleep_since));
  bool told_asleep = false;  // the poller, which has found nothing
  const auto may_sleep = [&] {
    on_request_thread.assume();
    return nothing_waits() && (told_asleep = !poller_.look(BP_POLL_SLEEPS));
  };
  Waker& waker = inbox_.waker();
  if (reactor_.waits_for_fds()) {
    poller_.watch_in(reactor_);
    waker.about_to_poll();
    if (may_sleep()) reactor_.wait(until);
    waker.drain();
  } else if (poller_.any() && waker.fd() >= 0) {
    waker.about_to_poll();
    if (may_sleep() && poller_.sleep(waker.fd(), until)) waker.drain();
  } else {
    waker.about_to_sleep();
    if (nothing_waits()) waker.sleep(until);
  }
  waker.awake();
  const Nanos awake_since = now();
  heartbeat_.note_time(awake_since);
  backlog_.stamps().want_samples();
  if (told_asleep) poller_.look();  // tells it that the thread is awake, before a handler may keep the thread
  woken_ = true;
  // Traffic that comes at such short intervals is worth waiting for awake.
  const bool for_stacks = until != timers_.next() && nothing_waits();
  if (!for_stacks) spin_.slept(awake_since - asleep_since);
}

// True if something came, or a timer is due.
bool IdleWait::spin() noexcept {
  if (poller_.any()) return spin_on_poller();
  const Nanos timer = timers_.next();
  const auto came = [this] {
    on_request_thread.assume();
    return !nothing_waits();
  };
  return spin_.spin(came, timer) || (timer != 0 && timer <= now());
}

// The client that writes to a socket may have been woken on this very core, where the kernel expects the thread that
// wakes it to sleep soon. So each turn lets others have the core. A turn that comes so late that others have used up a
// time slice shows that they do more than answer. A thread that spins among them would itself wait when something
// comes.
bool IdleWait::spin_on_poller() noexcept {
  Nanos at = now();
  if (spin_.length() == 0 || at < no_spin_until_) return false;
  Nanos end = at + spin_.length();
  const Nanos timer = timers_.next();
  if (timer != 0) end = std::min(end, timer);
  do {
    heartbeat_.note_time(at);
    if (!nothing_waits() || poller_.look()) {
      expect_more();
      return true;
    }
    ::sched_yield();
    const Nanos before = std::exchange(at, now());
    if (at - before > time_slice) {
      no_spin_until_ = at + spin_pause;
      return false;
    }
  } while (at < end);
  spin_.vain();
  return timer != 0 && timer <= end;
}

}  // namespace backplane::host
