// SPDX-License-Identifier: Apache-2.0
//
// One peer of the server. Includes Asio: for the units of this room only.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/control_thread.hpp"
#include "server/server.hpp"
#include "server/socket_poller.hpp"
#include "support/unique_fd.hpp"
#include "sync/mutex.hpp"
#include "wire/frame.hpp"
#include "wire/frame_buffer.hpp"
#include "wire/id_table.hpp"

namespace backplane::host {

class Connection;

/// What the connections of a server share. It lives as long as the last of them: a call may end after
/// the server has, and finds its connection closed.
struct ServerCore {
  ServerCore(bp_context ctx, ServerOptions opts, std::function<void()> on_stop)
      : context(ctx), options(std::move(opts)), on_stop_requested(std::move(on_stop)) {}

  const bp_context context;
  ServerOptions options;
  const std::function<void()> on_stop_requested;
  boost::asio::io_context io{1};
  SocketPoller poller;
  ControlThread control;
  bool draining = false;  // used holding poller.reading: calls are answered BP_CLOSED
  Mutex mutex;
  std::set<std::shared_ptr<Connection>> connections BP_GUARDED_BY(mutex);  // changed holding poller.reading only

  void log(int level, const std::string& line) const {
    if (options.log) options.log(level, line);
  }
};

/// Threads: what comes from the peer is handled by the holder of SocketPoller::reading; replies and events are encoded
/// into the output on the thread that brings them. What the request thread brings it notes, and sends itself with
/// its next look; what others bring is sent by the io thread, which is woken once for as many as come before it
/// looks.
///
/// Invariant: while `flushing_` holds, flush() will be called: by the next look, by the io thread, or because the
/// socket takes more.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(std::shared_ptr<ServerCore> core, UniqueFd socket, long peer);

  // ---- holding poller.reading
  void start();
  /// The socket has something: EPOLL….
  void on_ready(std::uint32_t events);
  /// Whether it waits for nothing but bytes to read.
  bool only_reads() const noexcept;
  /// Reads once, and takes what has come; false: nothing had.
  bool read();
  /// Sends what the socket takes, and sees to the rest.
  void flush();
  /// On the thread of the looks: the same with the answers that have been noted.
  void flush_notes();
  /// Refuses the peer with an error frame.
  void fail(bp_status status, const std::string& message);
  /// Ends what the peer has open, and the connection. Idempotent.
  void close(const std::string& reason);
  void cancel_calls();

  // ---- not holding poller.reading, and on a thread that does not look
  /// Waits until no call is open and all output has been sent, or the connection is closed. False: not by then.
  bool wait_idle(Clock::time_point until);

 private:
  struct OpenCall {
    Connection* connection = nullptr;  ///< alive until the terminal reply: see alive_
    bp_request request{};
    std::size_t size = 0;   ///< of what it was called with
    bool answered = false;  ///< the peer has its terminal reply already
  };
  using Calls = IdTable<OpenCall>;
  struct Listener {
    Connection* connection;
    std::uint64_t id;  ///< the peer's
    bp_listener host{};
  };

  /// Calls that came together.
  struct Batch;

  // ---- connection_input.cpp; holding poller.reading
  void want(std::uint32_t events);
  void take_frames();
  void take_some();
  void submit(Batch& batch);
  std::size_t open(Batch& batch, std::size_t size) BP_REQUIRES(mutex_);
  void submit(const wire::Call& call, Calls::Entry& entry);
  void resume_reading();

  // ---- connection.cpp; holding poller.reading
  void take(const wire::Frame& frame);
  void on_frame(const wire::Hello& hello);
  void on_frame(const wire::Call& call);
  void on_frame(const wire::Cancel& cancel);
  void on_frame(const wire::Resolve& resolve);
  void on_frame(const wire::Listen& listen);
  void on_frame(const wire::Unlisten& unlisten);
  void on_frame(const wire::Load& load);
  void on_frame(const wire::Unload& unload);
  void on_frame(const wire::Reload& reload);
  void on_frame(const wire::List& list);
  void on_frame(const wire::Status& status);
  void on_frame(const wire::Stop& stop);
  void on_frame(const wire::Reply& reply);
  void on_frame(const wire::Event& event);
  void on_frame(const wire::Error& error);
  void control(std::uint64_t id, std::function<bp_status(bp_context, bp_result*)> operation);

  // ---- connection_output.cpp; any thread
  static void on_reply(void* entry, const bp_answer* answer);
  static void on_event(void* listener, const bp_event* event);
  void reply_to_call(Calls::Entry& entry, const bp_answer& answer);
  void note_ok(Calls::Entry& entry, wire::View payload);
  void take_notes() BP_REQUIRES(mutex_);
  bool takes_more(bool terminal) BP_REQUIRES(mutex_);
  void reply(const wire::Reply& reply);
  void reply(std::uint64_t id, bp_status status, const std::string& message = {});
  void send_event(const Listener& listener, const bp_event& event);
  std::size_t waiting() const BP_REQUIRES(mutex_);
  std::shared_ptr<Connection> take_call(Calls::Entry& entry) BP_REQUIRES(mutex_);
  void send_last_words() BP_REQUIRES(mutex_);
  void send_soon() BP_REQUIRES(mutex_);
  int send_some() BP_REQUIRES(mutex_);
  void close_soon(std::string reason) BP_REQUIRES(mutex_);
  void give_up() noexcept;
  wire::Reply fitting(const wire::Reply& reply, std::string& message) const;

  // Constant once start() has run, or changed holding poller.reading only.
  const std::shared_ptr<ServerCore> core_;  // first: the timer needs its io context to the end
  UniqueFd socket_;
  const long peer_;  ///< process id
  boost::asio::steady_timer hello_timer_;
  wire::FrameBuffer in_;
  bool greeted_ = false;
  bool added_ = false;              ///< to the poller
  std::atomic<bool> ended_{false};  ///< as closed_; the polling thread reads it too
  std::uint32_t wanted_ = 0;        ///< EPOLL…, of the socket
  std::unordered_map<std::uint64_t, std::unique_ptr<Listener>> listeners_;

  // The polling thread's: answers since its last look, which so need no lock each.
  std::vector<Calls::Entry*> noted_;
  wire::Bytes notes_;      ///< encoded
  bool to_flush_ = false;  ///< poller has it

  Mutex mutex_;
  Condition idle_;
  bool closed_ BP_GUARDED_BY(mutex_) = false;
  std::string reason_;  ///< it has been shut down for this; close() follows; with mutex_, until it has
  bool flushing_ BP_GUARDED_BY(mutex_) = false;
  bool draining_ BP_GUARDED_BY(mutex_) = false;  ///< somebody waits on idle_
  bool canceled_ BP_GUARDED_BY(mutex_) = false;  ///< what the peer has open, by this side
  bool paused_ BP_GUARDED_BY(mutex_) = false;    ///< nothing is read until flush() has sent everything
  Calls calls_ BP_GUARDED_BY(mutex_);
  std::shared_ptr<Connection> alive_ BP_GUARDED_BY(mutex_);  ///< this, while calls are open
  std::size_t open_size_ BP_GUARDED_BY(mutex_) = 0;          ///< of what the open calls were called with
  std::size_t controls_ BP_GUARDED_BY(mutex_) = 0;           ///< operations that await the control thread
  wire::Bytes out_ BP_GUARDED_BY(mutex_);                    ///< encoded; from sent_ on, not yet sent
  std::size_t sent_ BP_GUARDED_BY(mutex_) = 0;
  std::uint64_t max_frame_out_ = wire::default_max_frame;
};

}  // namespace backplane::host
