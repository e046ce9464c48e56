// SPDX-License-Identifier: Apache-2.0
//
// Starts the sockets, runs the io thread, and ends everything in order.
#include "server/server.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/acceptor.hpp"
#include "server/admitter.hpp"
#include "server/connection.hpp"
#include "server/life_sign.hpp"
#include "server/listening_socket.hpp"
#include "support/result.hpp"
#include "sync/latch.hpp"
#include "sync/mutex.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host {
namespace {

namespace asio = boost::asio;
using Clock = Connection::Clock;

/// After the drain: how long canceled calls may take to be answered, and answers to be sent.
constexpr std::chrono::milliseconds last_words{300};
/// How often the drain checks for hurry().
constexpr std::chrono::milliseconds hurry_look{20};
/// How long a handler that occupies the request thread can delay the end after that.
constexpr std::chrono::milliseconds last_look{100};

}  // namespace

bp_status ServerCore::status(bp_result* out) noexcept {
  const bp_status status = bp_host_status(context, out);
  if (status != BP_OK) return status;
  ServerLoad load;
  load.connections = connections.counts();
  load.descriptor_shortages = descriptor_shortages.load(std::memory_order_relaxed);
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
  Impl(bp_context context, ServerOptions options, std::function<void()> on_stop_requested, ServingMode mode)
      : core_(std::make_shared<ServerCore>(context, with_memory_bounds(std::move(options)),
                                           std::move(on_stop_requested))),
        mode_(mode),
        admitter_(*core_),
        life_sign_(core_->io, core_->control),
        timer_(core_->io),
        sockets_(core_->io) {
    if (core_->options.socket_path.empty()) core_->options.socket_path = default_socket_path();
  }

  void reserve() {
    reserved_ = true;
    take_locks();
  }

  void show_life(std::chrono::microseconds interval, std::function<void()> alive) {
    life_interval_ = interval;
    alive_ = std::move(alive);
  }

  void take_locks() {
    if (!locks_.empty()) return;
    lock(core_->options.socket_path);
    for (const ListenOptions& each : core_->options.listen) lock(each.path);
  }

  void lock(const std::string& path) {
    const auto same = [&path](const GivenSocket& given) { return given.path == path; };
    const bool is_given = std::any_of(given_.begin(), given_.end(), same);
    locks_.push_back(is_given ? nullptr : std::make_shared<SocketLock>(path));
  }

  void adopt(std::vector<GivenSocket> sockets) { given_ = std::move(sockets); }

  void start() {
    take_locks();
    try {
      listen_all();
    } catch (...) {
      for (const auto& acceptor : acceptors_) acceptor->stop();
      core_->io.poll();  // their handlers must not outlive them
      acceptors_.clear();
      throw;
    }
    look_after_sockets();
    begin_life_sign();
    work_.emplace(core_->io.get_executor());
    thread_ = std::thread([this] { run_io(); });
  }

  void listen_all() {
    listen({.path = core_->options.socket_path}, {mode_.may, true}, locks_[0]);
    for (std::size_t i = 0; i < core_->options.listen.size(); ++i) {
      const ListenOptions& each = core_->options.listen[i];
      listen(each, {each.may, false}, locks_[i + 1]);
    }
  }

  void shutdown(std::chrono::milliseconds drain) {
    if (!thread_.joinable()) return;
    const auto until = Clock::now() + drain;
    for (const auto& lock : locks_) {
      if (lock != nullptr) lock->say_stopping();
    }
    on_io([this] {
      {
        const MutexLock reading(core_->poller.reading);
        core_->draining = true;
      }
      for (const auto& acceptor : acceptors_) acceptor->stop();
      admitter_.stop();
    });
    core_->control.stop();
    if (!drained(until)) {
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
    if (!mode_.own_thread) {
      core_->poller.wait_for_look(last_look);  // lets it send the answers it has noted; later ones find no connection
      bp_poller_set(core_->context, nullptr);
    }
    on_io([this] {
      const MutexLock reading(core_->poller.reading);
      core_->poller.forget();
      if (timer_.is_open()) timer_.release();
      if (sockets_.is_open()) sockets_.release();
      life_sign_.stop();
    });
    work_.reset();
    thread_.join();
    acceptors_.clear();  // they share the locks
    if (!reserved_) locks_.clear();
  }

  void hurry() noexcept { hurries_ = true; }

  const std::string& socket_path() const noexcept { return core_->options.socket_path; }

 private:
  void listen(const ListenOptions& options, const Entrance& entrance, std::shared_ptr<SocketLock> lock) {
    acceptors_.push_back(
        std::make_unique<Acceptor>(*core_, admitter_, descriptors_, options, entrance, std::move(lock)));
    const auto given = std::find_if(given_.begin(), given_.end(),
                                    [&options](const GivenSocket& each) { return each.path == options.path; });
    acceptors_.back()->start(given == given_.end() ? UniqueFd() : std::move(given->descriptor));
  }

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
      connection = core_->connections.after(connection);
      if (connection == nullptr) return;
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

  /// As wait_idle(), but no longer than until hurry().
  bool drained(Clock::time_point until) {
    for (;;) {
      const auto look = std::min(until, Clock::now() + hurry_look);
      if (wait_idle(look)) return true;
      if (hurries_ || look == until) return false;
    }
  }

  /// The question is what `status` answers: it takes the locks that a stuck host would keep.
  void begin_life_sign() {
    if (!alive_) return;
    const auto question = [core = core_.get()] {
      bp_result report = {.struct_size = sizeof report};
      core->status(&report);
      bp_result_free(&report);
    };
    try {
      life_sign_.begin(life_interval_, question, std::move(alive_));
    } catch (const std::exception& error) {
      core_->log(BP_LOG_ERROR, [&error] { return std::string(error.what()); });
    }
  }

  /// Serves the sockets on the context's request thread if the context supports that, otherwise on the io thread.
  void look_after_sockets() {
    if (mode_.own_thread) {
      sockets_.assign(core_->poller.fd());
      await_sockets();
      return;
    }
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

  const std::shared_ptr<ServerCore> core_;
  const ServingMode mode_;
  Admitter admitter_;
  AcceptorDescriptors descriptors_;
  LifeSign life_sign_;
  std::chrono::microseconds life_interval_{};
  std::function<void()> alive_;  // empty: nobody wants to know
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  asio::posix::stream_descriptor timer_;    // the poller owns this descriptor and the next
  asio::posix::stream_descriptor sockets_;  // used if the context cannot poll the sockets
  std::vector<GivenSocket> given_;
  std::vector<std::shared_ptr<SocketLock>> locks_;  // of the socket, and of those beside it; null: it is a given one
  bool reserved_ = false;
  std::atomic<bool> hurries_{false};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::thread thread_;
};

Server::Server(bp_context context, ServerOptions options, std::function<void()> on_stop_requested, ServingMode mode)
    : impl_(std::make_unique<Impl>(context, std::move(options), std::move(on_stop_requested), mode)) {}

Server::~Server() { shutdown(std::chrono::milliseconds(0)); }

void Server::adopt(std::vector<GivenSocket> sockets) { impl_->adopt(std::move(sockets)); }

void Server::reserve() { impl_->reserve(); }

void Server::show_life(std::chrono::microseconds interval, std::function<void()> alive) {
  impl_->show_life(interval, std::move(alive));
}

void Server::start() { impl_->start(); }

void Server::shutdown(std::chrono::milliseconds drain) { impl_->shutdown(drain); }

void Server::hurry() noexcept { impl_->hurry(); }

const std::string& Server::socket_path() const noexcept { return impl_->socket_path(); }

}  // namespace backplane::host
