// SPDX-License-Identifier: Apache-2.0
#include "request/reactor.hpp"

#include <backplane/ext/await.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <new>
#include <thread>

#include "support/unique_fd.hpp"

namespace backplane::host {

namespace asio = boost::asio;

namespace {

// How long to sleep at most while a poller's descriptor cannot be watched: no descriptor is free, for example.
constexpr Nanos look_again = 10'000'000;

}  // namespace

// Lives until its handlers have run, also after cancel().
struct Reactor::FdWait {
  FdWait(asio::io_context& io, void (*on_ready)(void*), void* with) : descriptor(io), ready(on_ready), data(with) {}

  asio::posix::stream_descriptor descriptor;
  void (*ready)(void*);
  void* data;
};

struct Reactor::State {
  explicit State(int wake_fd) : io(1), wake(io, wake_fd), other(io), timer(io) {}
  ~State() { wake.release(); }  // it is the waker's

  void watch(int fd) noexcept {
    if (fd == watched) return;
    boost::system::error_code error;
    if (other.is_open()) other.close(error);
    watched = -1;
    unwatchable = false;
    if (fd < 0) return;
    UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!own || !assign(own.get())) {
      unwatchable = true;  // and tried again before the next sleep
      return;
    }
    own.release();
    watched = fd;
  }

  bool assign(int fd) noexcept {
    boost::system::error_code error;
    try {
      other.assign(fd, error);
    } catch (const std::bad_alloc&) {
      return false;
    }
    return !error;
  }

  void await_other() {
    if (awaits_other || !other.is_open()) return;
    other.async_wait(asio::posix::descriptor_base::wait_read,
                     [this](const boost::system::error_code&) { awaits_other = false; });
    awaits_other = true;
  }

  // Once for each sleep, and not again by itself: the descriptor stays readable until its owner has
  // drained it, so that a wait that renewed itself would never let poll() come to an end.
  void await_wake() {
    if (awaits_wake) return;
    wake.async_wait(asio::posix::descriptor_base::wait_read,
                    [this](const boost::system::error_code&) { awaits_wake = false; });
    awaits_wake = true;
  }

  asio::io_context io;
  asio::posix::stream_descriptor wake;
  asio::posix::stream_descriptor other;  // our duplicate of a poller's
  int watched = -1;                      // the poller's own number
  bool unwatchable = false;
  asio::steady_timer timer;
  std::size_t fd_waits = 0;
  bool fd_ready = false;
  bool awaits_wake = false;
  bool awaits_other = false;
};

Reactor::Reactor(Waker& waker) noexcept : waker_(waker) {}

Reactor::~Reactor() = default;

void Reactor::wait(Nanos until) {
  State& state = *state_;
  if (state.unwatchable) until = until == 0 ? now() + look_again : std::min(until, now() + look_again);
  state.io.restart();  // it stops whenever it has run out of work
  try {
    state.await_wake();
    state.await_other();
    if (until != 0) {
      state.timer.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until)));
      state.timer.async_wait([](const boost::system::error_code&) {});
    }
  } catch (const std::bad_alloc&) {  // then it looks again and again
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    state.io.poll();
    return;
  }
  state.io.run_one();
  if (until != 0) {
    state.timer.cancel();
    state.io.poll();  // runs the cancelled wait, so that it does not end the next sleep
  }
}

void Reactor::watch(int fd) noexcept { state_->watch(fd); }

void Reactor::unwatch() noexcept {
  if (state_ != nullptr) state_->watch(-1);
}

bool Reactor::poll() {
  state_->fd_ready = false;
  state_->io.restart();
  state_->io.poll();
  return state_->fd_ready;
}

Reactor::FdWait* Reactor::wait_fd(int fd, std::uint32_t events, void (*ready)(void*), void* data) try {
  if (state_ == nullptr) {
    if (waker_.fd() < 0) return nullptr;
    state_ = std::make_unique<State>(waker_.fd());
  }
  State& state = *state_;
  // A duplicate, because the same descriptor may be waited for twice, and epoll has each only once.
  const int own = ::dup(fd);
  if (own < 0) return nullptr;
  auto wait = std::make_shared<FdWait>(state.io, ready, data);
  boost::system::error_code error;
  wait->descriptor.assign(own, error);
  if (error) {
    ::close(own);
    return nullptr;
  }
  using asio::posix::descriptor_base;
  const auto on_ready = [wait, &state](const boost::system::error_code&) {
    if (wait->ready == nullptr) return;  // cancelled, or the other direction was first
    state.fd_ready = true;
    --state.fd_waits;
    const auto call = std::exchange(wait->ready, nullptr);
    boost::system::error_code ignored;
    wait->descriptor.close(ignored);
    call(wait->data);
  };
  ++state.fd_waits;
  try {
    if ((events & BP_FD_READABLE) != 0) wait->descriptor.async_wait(descriptor_base::wait_read, on_ready);
    if ((events & BP_FD_WRITABLE) != 0) wait->descriptor.async_wait(descriptor_base::wait_write, on_ready);
  } catch (const std::bad_alloc&) {
    cancel(wait.get());
    return nullptr;
  }
  return wait.get();
} catch (const std::exception&) {
  return nullptr;  // no memory, or no descriptors for Asio
}

void Reactor::cancel(FdWait* wait) noexcept {
  wait->ready = nullptr;
  --state_->fd_waits;
  boost::system::error_code ignored;
  wait->descriptor.close(ignored);
}

bool Reactor::waits_for_fds() const noexcept { return state_ != nullptr && state_->fd_waits != 0; }

}  // namespace backplane::host
