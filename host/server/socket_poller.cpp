// SPDX-License-Identifier: Apache-2.0
//
// Serves the sockets of a server on the context's request thread, or on the io thread if that is busy.
#include "server/socket_poller.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "server/connection.hpp"

namespace backplane::host {
namespace {

/// If the request thread has not looked for this long, the io thread serves the sockets. It may take up to twice as
/// long.
constexpr long ring_ns = 5'000'000;
/// Minimum time between two looks while calls wait to begin, because reading and sending in larger batches costs less.
constexpr Nanos busy_ns = 50'000;
constexpr int events_at_once = 64;

thread_local std::uint64_t polled_here = 0;  // the number of the poller that this thread has served last
std::atomic<std::uint64_t> last_number{0};

/// Runs what a connection does. Out of memory, ends that connection: nobody else may pay for it.
template <class F>
void guarded(Connection& connection, F f) noexcept {
  try {
    f();
  } catch (const std::exception&) {
    connection.fail(BP_OUT_OF_MEMORY, "the host has no memory for what this connection needs");
  }
}

int made(int fd) {
  if (fd < 0) throw std::system_error(errno, std::system_category(), "cannot open a descriptor for the server");
  return fd;
}

}  // namespace

SocketPoller::SocketPoller()
    : number_(++last_number),
      epoll_(made(::epoll_create1(EPOLL_CLOEXEC))),
      timer_(made(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK))) {}

std::int32_t SocketPoller::poll(void* poller, std::uint32_t flags) noexcept {
  return static_cast<SocketPoller*>(poller)->look(flags) ? 1 : 0;
}

bool SocketPoller::look(std::uint32_t flags) noexcept {
  polled_here = number_;
  const Nanos at = now();
  if ((flags & BP_POLL_BUSY) != 0 && at - looked_ < busy_ns) return false;
  looked_ = at;
  const MutexLock lock(reading);
  ++looks_;
  asleep_ = false;
  bool worked = send_all();
  worked |= serve();
  if ((flags & BP_POLL_SLEEPS) != 0 && !worked) {
    asleep_ = true;
  } else if (!armed_) {
    arm();
  }
  return worked;
}

void SocketPoller::ring() noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(timer_.get(), &count, sizeof count);
  const MutexLock lock(reading);
  armed_ = false;
  if (asleep_) return;  // the request thread arms the timer when it wakes
  if (looks_ == looks_at_ring_) serve();
  looks_at_ring_ = looks_;
  arm();
}

void SocketPoller::wait_for_look(std::chrono::milliseconds bound) noexcept {
  const auto until = std::chrono::steady_clock::now() + bound;
  std::optional<std::uint64_t> before;
  for (;;) {
    {
      const MutexLock lock(reading);
      if (!before) before = looks_;
      if (asleep_ || looks_ != *before) return;
    }
    if (std::chrono::steady_clock::now() >= until) return;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void SocketPoller::arm() noexcept {
  itimerspec in{};
  in.it_value.tv_nsec = ring_ns;
  armed_ = ::timerfd_settime(timer_.get(), 0, &in, nullptr) == 0;
}

bool SocketPoller::send_all() noexcept {
  if (unsent_ == nullptr) return false;
  std::shared_ptr<Connection> sending = std::move(unsent_);
  last_unsent_ = nullptr;
  while (sending != nullptr) {
    std::shared_ptr<Connection> next = std::move(sending->next_unsent);
    sending->is_unsent = false;
    guarded(*sending, [&sending] { sending->flush_notes(); });
    sending = std::move(next);
  }
  return true;
}

void SocketPoller::send_with_next_look(Connection& connection) noexcept {
  if (std::exchange(connection.is_unsent, true)) return;
  (last_unsent_ == nullptr ? unsent_ : last_unsent_->next_unsent) = connection.shared_from_this();
  last_unsent_ = &connection;
}

void SocketPoller::release_later(std::shared_ptr<Connection> connection) noexcept {
  Connection& first = *connection;
  first.next_released = std::exchange(to_release_, std::move(connection));
}

// One after another, because a chain that is freed at once would free itself recursively.
void SocketPoller::release_all() noexcept {
  while (to_release_ != nullptr) {
    const std::shared_ptr<Connection> first = std::move(to_release_);
    to_release_ = std::move(first->next_released);
  }
}

bool SocketPoller::serve() noexcept {
  bool any = false;
  // With a single connection, reading at once replaces epoll_wait(), and saves a system call.
  if (connections_.size() == 1 && connections_.front()->only_reads()) {
    guarded(*connections_.front(), [&any, this] { any = connections_.front()->read(); });
  } else {
    any = serve_ready();
  }
  release_all();
  return any;
}

bool SocketPoller::serve_ready() noexcept {
  std::array<epoll_event, events_at_once> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), events_at_once, 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    auto& connection = *static_cast<Connection*>(event.data.ptr);
    guarded(connection, [&] { connection.on_ready(event.events); });
  }
  return count > 0;
}

bool SocketPoller::add(int fd, std::uint32_t events, Connection& connection) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &connection;
  try {
    connections_.push_back(&connection);
  } catch (const std::bad_alloc&) {
    return false;
  }
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return true;
  connections_.pop_back();
  return false;
}

void SocketPoller::change(int fd, std::uint32_t events, Connection& connection) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &connection;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void SocketPoller::remove(int fd, const Connection& connection) noexcept {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  std::erase(connections_, &connection);
}

// The polling thread may be noting a reply at this moment, because it has not seen yet that the connection has ended.
// After the fence it notes nothing more.
void SocketPoller::forget() noexcept {
  heavy_fence();
  while (noting_.load(std::memory_order_acquire)) std::this_thread::yield();
  send_all();
  release_all();
}

bool SocketPoller::on_polling_thread() const noexcept { return polled_here == number_; }

}  // namespace backplane::host
