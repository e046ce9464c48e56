// SPDX-License-Identifier: Apache-2.0
//
// Accepts connections, runs the io thread, and ends everything in order.
#include "server/server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/connection.hpp"
#include "server/listening_socket.hpp"
#include "support/result.hpp"
#include "sync/latch.hpp"
#include "sync/mutex.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host {
namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;
using Clock = Connection::Clock;

/// After the drain: how long canceled calls may take to be answered, and answers to be sent.
constexpr std::chrono::milliseconds last_words{300};
/// How long a handler that occupies the request thread can delay the end after that.
constexpr std::chrono::milliseconds last_look{100};
/// Retry interval for accepting a connection when no descriptor is left.
constexpr std::chrono::milliseconds accept_pause{200};

}  // namespace

bp_status ServerCore::status(bp_result* out) noexcept {
  const bp_status status = bp_host_status(context, out);
  if (status != BP_OK) return status;
  ServerLoad load;
  {
    const MutexLock lock(mutex);
    load.connections = connections.size();
  }
  load.calls = open_calls.load(std::memory_order_relaxed);
  load.bytes = open_bytes.load(std::memory_order_relaxed);
  try {
    const auto report = with_server(out->payload, options, limits, load);
    bp_result_free(out);
    return set_result(out, BP_OK, report);
  } catch (const std::bad_alloc&) {
    return BP_OK;  // without the server's part
  }
}

class Server::Impl {
 public:
  Impl(bp_context context, ServerOptions options, std::function<void()> on_stop_requested)
      : core_(std::make_shared<ServerCore>(context, with_memory_bounds(std::move(options)),
                                           std::move(on_stop_requested))),
        acceptor_(core_->io),
        pause_(core_->io),
        timer_(core_->io),
        sockets_(core_->io) {
    if (core_->options.socket_path.empty()) core_->options.socket_path = default_socket_path();
  }

  void reserve() {
    reserved_ = true;
    take_lock();
  }

  void take_lock() {
    if (!lock_) lock_ = std::make_shared<SocketLock>(core_->options.socket_path);
  }

  void start() {
    take_lock();
    listening_.emplace(core_->options.socket_path, lock_);
    UniqueFd socket = listening_->take_descriptor();
    acceptor_.assign(Protocol(), socket.get());
    socket.release();
    accept();
    look_after_sockets();
    work_.emplace(core_->io.get_executor());
    thread_ = std::thread([this] { run_io(); });
  }

  void shutdown(std::chrono::milliseconds drain) {
    if (!thread_.joinable()) return;
    const auto until = Clock::now() + drain;
    lock_->say_stopping();
    on_io([this] {
      {
        const MutexLock reading(core_->poller.reading);
        core_->draining = true;
      }
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
      listening_.reset();
    });
    core_->control.stop();
    if (!wait_idle(until)) {
      on_io([this] {
        const MutexLock reading(core_->poller.reading);
        for_each_connection([](Connection& connection) { connection.cancel_calls(); });
      });
      if (!wait_idle(Clock::now() + last_words)) end_output();
    }
    on_io([this] {
      const MutexLock reading(core_->poller.reading);
      for_each_connection([](Connection& connection) { connection.close("the host ends"); });
    });
    core_->poller.wait_for_look(last_look);  // lets it send the answers it has noted; later answers find no connection
    bp_poller_set(core_->context, nullptr);
    on_io([this] {
      const MutexLock reading(core_->poller.reading);
      core_->poller.forget();
      if (timer_.is_open()) timer_.release();
      if (sockets_.is_open()) sockets_.release();
    });
    work_.reset();
    thread_.join();
    if (!reserved_) lock_.reset();
  }

  const std::string& socket_path() const noexcept { return core_->options.socket_path; }

 private:
  void run_io() noexcept {
    for (;;) {
      try {
        core_->io.run();
        return;
      } catch (const std::exception& error) {  // the handler that threw is gone, and the others go on
        core_->log(BP_LOG_ERROR, [&] { return std::string("on the server's thread: ") + error.what(); });
      }
    }
  }

  /// Runs `f` on the io thread and waits. Needs no memory of its own. One thread at a time.
  template <class F>
  void on_io(F f) {
    Latch done;
    asio::post(core_->io, KeptHandler(core_->memory.errand, [&] {
                 f();
                 done.open();
               }));
    done.wait_until(0);
  }

  /// Calls `f` with each connection, in an order that stays when some of them end meanwhile. Needs no memory.
  template <class F>
  void for_each_connection(F f) {
    std::shared_ptr<Connection> connection;
    for (;;) {
      {
        const MutexLock lock(core_->mutex);
        const auto next = core_->connections.upper_bound(connection);
        if (next == core_->connections.end()) return;
        connection = *next;
      }
      f(*connection);
    }
  }

  /// Ends the output that nobody has read. Then its peers may still read the end.
  void end_output() {
    on_io([this] {
      const MutexLock reading(core_->poller.reading);
      for_each_connection([](Connection& connection) { connection.end_output("the host has stopped"); });
    });
    const auto until = Clock::now() + last_words;
    for_each_connection([until](Connection& connection) { connection.wait_sent(until); });
  }

  bool wait_idle(Clock::time_point until) {
    bool all = true;
    for_each_connection([&](Connection& connection) { all = connection.wait_idle(until) && all; });
    return all;
  }

  // Asio only waits: its own accept takes memory, and its epoll would wake the io thread for every event of the socket.
  void accept() {
    acceptor_.async_wait(Protocol::acceptor::wait_read,
                         KeptHandler(core_->memory.accept, [this](const boost::system::error_code&) {
                           if (acceptor_.is_open()) accept_one();
                         }));
  }

  void accept_one() {
    UniqueFd socket(::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket) {
      try_welcome(std::move(socket));
      return accept();
    }
    const int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED) return accept();
    core_->log(BP_LOG_ERROR, [error] { return std::string("cannot accept a connection: ") + std::strerror(error); });
    accept_later();
  }

  /// Serves the sockets on the context's request thread if the context supports that, otherwise on the io thread.
  void look_after_sockets() {
    bp_poller poller{};
    poller.struct_size = sizeof poller;
    poller.fd = core_->poller.fd();
    poller.poll = SocketPoller::poll;
    poller.user = &core_->poller;
    core_->poller.begin();
    if (bp_poller_set(core_->context, &poller) == BP_OK) {
      timer_.assign(core_->poller.timer_fd());
      await_timer();
    } else {
      sockets_.assign(core_->poller.fd());
      await_sockets();
    }
  }

  void await_timer() {
    timer_.async_wait(asio::posix::descriptor_base::wait_read,
                      KeptHandler(core_->memory.look, [this](const boost::system::error_code& error) {
                        if (error) return;
                        core_->poller.ring();
                        await_timer();
                      }));
  }

  void await_sockets() {
    sockets_.async_wait(asio::posix::descriptor_base::wait_read,
                        KeptHandler(core_->memory.look, [this](const boost::system::error_code& error) {
                          if (error) return;
                          {
                            const MutexLock reading(core_->poller.reading);
                            core_->poller.serve();
                          }
                          await_sockets();
                        }));
  }

  void accept_later() {
    try {
      pause_.expires_after(accept_pause);
      pause_.async_wait(KeptHandler(core_->memory.accept, [this](const boost::system::error_code& error) {
        if (!error) accept();
      }));
    } catch (const std::bad_alloc&) {  // no room in the list of timers
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      accept();
    }
  }

  /// Out of memory, closes the socket: its peer sees the end of the stream.
  void try_welcome(UniqueFd socket) noexcept {
    try {
      welcome(std::move(socket));
    } catch (const std::exception& error) {
      core_->log(BP_LOG_ERROR, [&] { return std::string("a connection is refused: ") + error.what(); });
    }
  }

  void welcome(UniqueFd socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known = ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    const MutexLock reading(core_->poller.reading);
    const auto connection = std::make_shared<Connection>(core_, std::move(socket), known ? peer.pid : 0);
    std::size_t count = 0;
    {
      const MutexLock lock(core_->mutex);
      core_->connections.insert(connection);
      count = core_->connections.size();
    }
    try {
      admit(*connection, known, peer, count);
    } catch (const std::exception&) {
      connection->fail(BP_OUT_OF_MEMORY, "the host has no memory for a connection");
    }
  }

  void admit(Connection& connection, bool known, const ucred& peer, std::size_t count) {
    if (!known || (peer.uid != ::geteuid() && peer.uid != 0)) {
      return connection.fail(BP_UNREACHABLE, "found user " + std::to_string(peer.uid) + " as the peer; expected user " +
                                                 std::to_string(::geteuid()) + " or root");
    }
    if (count > core_->options.max_connections) {
      core_->limits.hit(Limit::connections);
      return connection.fail(BP_OVERLOADED, "this host already serves " +
                                                std::to_string(core_->options.max_connections) +
                                                " connections, its limit (max_connections); close some");
    }
    connection.start();
  }

  const std::shared_ptr<ServerCore> core_;
  Protocol::acceptor acceptor_;
  asio::steady_timer pause_;
  asio::posix::stream_descriptor timer_;    // the poller owns this descriptor and the next
  asio::posix::stream_descriptor sockets_;  // used if the context cannot poll the sockets
  std::shared_ptr<SocketLock> lock_;
  bool reserved_ = false;
  std::optional<ListeningSocket> listening_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::thread thread_;
};

Server::Server(bp_context context, ServerOptions options, std::function<void()> on_stop_requested)
    : impl_(std::make_unique<Impl>(context, std::move(options), std::move(on_stop_requested))) {}

Server::~Server() { shutdown(std::chrono::milliseconds(0)); }

void Server::reserve() { impl_->reserve(); }

void Server::start() { impl_->start(); }

void Server::shutdown(std::chrono::milliseconds drain) { impl_->shutdown(drain); }

const std::string& Server::socket_path() const noexcept { return impl_->socket_path(); }

}  // namespace backplane::host
