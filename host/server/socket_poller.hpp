// SPDX-License-Identifier: Apache-2.0
//
// Decides which thread serves the sockets, and when.
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

/// A connection's links in the lists of its poller, so that adding it to a list needs no memory.
struct PolledLinks {
  std::shared_ptr<Connection> next_unsent;
  std::shared_ptr<Connection> next_released;
  bool is_unsent = false;
};

/// The sockets of a server, and the mutex `reading`. A thread that has locked `reading` may read from the sockets and
/// change their connections.
///
/// The context's request thread locks `reading` once per turn, as the context's poller. So a call is read, handled and
/// answered on one thread, without waking another thread. If the request thread is in a handler for long, the io thread
/// serves the sockets instead. A timer, which runs only while the request thread is awake, calls ring(), which checks
/// whether the request thread has looked since the last ring.
class SocketPoller {
 public:
  /// Throws std::system_error.
  SocketPoller();
  SocketPoller(const SocketPoller&) = delete;
  SocketPoller& operator=(const SocketPoller&) = delete;

  Mutex reading;

  /// For bp_poller: readable when a socket has an event.
  int fd() const noexcept { return epoll_.get(); }
  /// A look by the request thread. A bp_poll_fn.
  static std::int32_t poll(void* poller, std::uint32_t flags) noexcept;

  /// Readable when the timer rings. The io thread must then call ring().
  int timer_fd() const noexcept { return timer_.get(); }
  /// Serves the sockets if the request thread has not looked since the last ring. Io thread, with `reading` not locked.
  void ring() noexcept;
  /// Starts the timer before the first look, because the request thread may be busy from the beginning.
  void begin() noexcept {
    const MutexLock lock(reading);
    arm();
  }

  /// Waits until the request thread has looked again or sleeps, but at most for `bound`.
  void wait_for_look(std::chrono::milliseconds bound) noexcept;

  /// Handles pending events of the sockets once. Returns whether there were any.
  bool serve() noexcept BP_REQUIRES(reading);

  // ---- Sockets. `reading` must be locked, but the compiler cannot check that through a connection.
  /// Adds a socket with its events (EPOLL…). Returns false if out of memory or epoll entries.
  bool add(int fd, std::uint32_t events, Connection& connection) noexcept;
  void change(int fd, std::uint32_t events, Connection& connection) noexcept;
  /// Removes a socket that was added.
  void remove(int fd, const Connection& connection) noexcept;
  /// Keeps a closed connection alive until serve() cannot access it any more.
  void release_later(std::shared_ptr<Connection> connection) noexcept;

  /// Whether the caller is the polling thread, that is the thread that looks.
  bool on_polling_thread() const noexcept;
  /// Marks that the polling thread notes a reply. Create it before checking that the connection has not ended.
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
  /// Sends the output of the connection with the next look. Polling thread only.
  void send_with_next_look(Connection& connection) noexcept;
  /// Releases the connections with noted replies. Call it after the last look, when all connections have ended.
  void forget() noexcept BP_REQUIRES(reading);

 private:
  bool look(std::uint32_t flags) noexcept;
  bool send_all() noexcept BP_REQUIRES(reading);
  bool serve_ready() noexcept BP_REQUIRES(reading);
  void release_all() noexcept BP_REQUIRES(reading);
  void arm() noexcept BP_REQUIRES(reading);

  const std::uint64_t number_;  // unique in the process, unlike the address
  UniqueFd epoll_;
  UniqueFd timer_;
  std::atomic<bool> noting_{false};
  // Linked by `next_unsent`, the newest last; only the polling thread uses it, until forget().
  std::shared_ptr<Connection> unsent_;
  Connection* last_unsent_ = nullptr;
  Nanos looked_ = 0;
  // Guarded by `reading`.
  std::vector<Connection*> connections_;
  std::shared_ptr<Connection> to_release_;  // linked by `next_released`
  std::uint64_t looks_ BP_GUARDED_BY(reading) = 0;
  std::uint64_t looks_at_ring_ BP_GUARDED_BY(reading) = 0;
  bool asleep_ BP_GUARDED_BY(reading) = false;  // the request thread sleeps, and waits for fd()
  bool armed_ BP_GUARDED_BY(reading) = false;
};

}  // namespace backplane::host
