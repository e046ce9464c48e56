// SPDX-License-Identifier: Apache-2.0
//
// Who looks after the sockets, and when.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "support/unique_fd.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/clock.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

class Connection;

/// The sockets of a server, and the mutex `reading`: its holder may read from them, and change what belongs to their
/// connections. The context's request thread locks it once a turn, as the context's poller. So one thread reads,
/// handles and answers a call, and no call waits for another thread to wake up. If a handler keeps the request thread
/// for long, the io thread reads the sockets instead. A timer triggers this: it runs only while the request thread is
/// awake, and shows whether that thread has looked since the timer's last ring.
class SocketPoller {
 public:
  /// Throws std::system_error.
  SocketPoller();
  SocketPoller(const SocketPoller&) = delete;
  SocketPoller& operator=(const SocketPoller&) = delete;

  Mutex reading;

  /// For bp_poller: readable when a socket has something.
  int fd() const noexcept { return epoll_.get(); }
  /// The request thread's look, as bp_poll_fn.
  static std::int32_t poll(void* poller, std::uint32_t flags) noexcept;

  /// Readable when the timer rings; then ring() is to be called.
  int timer_fd() const noexcept { return timer_.get(); }
  /// The io thread's, not holding `reading`: does the request thread's work if that does not come round to it.
  void ring() noexcept;
  /// Before the first look: the request thread may be busy from the start.
  void begin() noexcept {
    const MutexLock lock(reading);
    arm();
  }

  /// Returns when the request thread has looked once more, or sleeps; or, if it comes round to neither, after `bound`.
  void wait_for_look(std::chrono::milliseconds bound) noexcept;

  /// What the sockets have, once; whether there was anything.
  bool serve() noexcept BP_REQUIRES(reading);

  // ---- Sockets. The caller holds `reading`, which the compiler cannot follow through a connection.
  /// `events`: EPOLL…; false: memory or descriptors are at an end.
  bool add(int fd, std::uint32_t events, Connection& connection) noexcept;
  void change(int fd, std::uint32_t events, Connection& connection) noexcept;
  /// One that has been added.
  void remove(int fd, const Connection& connection) noexcept;
  /// Keeps a closed connection until no event of this serve() can name it. The caller holds `reading`.
  void release_later(std::shared_ptr<Connection> connection) { to_release_.push_back(std::move(connection)); }

  /// Whether this is the thread of the looks.
  bool on_polling_thread() const noexcept;
  /// While it lives, that thread notes an answer, if the connection has not ended: looked at after this begins.
  class Noting {
   public:
    explicit Noting(SocketPoller& poller) noexcept : poller_(poller) {
      poller_.noting_.store(true, std::memory_order_relaxed);
      light_fence();  // see forget()
    }
    Noting(const Noting&) = delete;
    Noting& operator=(const Noting&) = delete;
    ~Noting() { poller_.noting_.store(false, std::memory_order_release); }

   private:
    SocketPoller& poller_;
  };
  /// On that thread: what the connection has to send leaves with the next look. Throws std::bad_alloc.
  void send_with_next_look(std::shared_ptr<Connection> connection) { unsent_.push_back(std::move(connection)); }
  /// When no look will come any more, and all connections have ended: lets go of what was noted for them.
  void forget() noexcept BP_REQUIRES(reading);

 private:
  bool look(std::uint32_t flags) noexcept;
  bool send_all() noexcept BP_REQUIRES(reading);
  bool serve_ready() noexcept BP_REQUIRES(reading);
  void arm() noexcept BP_REQUIRES(reading);

  const std::uint64_t number_;  // unlike its address no other poller's, ever
  UniqueFd epoll_;
  UniqueFd timer_;
  std::atomic<bool> noting_{false};
  std::vector<std::shared_ptr<Connection>> unsent_;  // the polling thread's, until forget()
  std::vector<std::shared_ptr<Connection>> sending_;
  Nanos looked_ = 0;
  // Used holding `reading`.
  std::vector<Connection*> connections_;
  std::vector<std::shared_ptr<Connection>> to_release_;
  std::uint64_t looks_ BP_GUARDED_BY(reading) = 0;
  std::uint64_t looks_at_ring_ BP_GUARDED_BY(reading) = 0;
  bool asleep_ BP_GUARDED_BY(reading) = false;  // the request thread, on fd()
  bool armed_ BP_GUARDED_BY(reading) = false;
};

}  // namespace backplane::host
