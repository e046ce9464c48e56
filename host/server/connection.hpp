// SPDX-License-Identifier: Apache-2.0
//
// One peer of the server. Includes Asio, so only files of this room may include it.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/connection_memory.hpp"
#include "server/control_thread.hpp"
#include "server/handler_memory.hpp"
#include "server/server.hpp"
#include "server/socket_poller.hpp"
#include "support/gap_event.hpp"
#include "support/unique_fd.hpp"
#include "sync/mutex.hpp"
#include "wire/frame.hpp"
#include "wire/frame_buffer.hpp"
#include "wire/id_table.hpp"

namespace backplane::host {

class Connection;

/// The part of a server that its connections share. It exists until the last connection is freed: a call may end after
/// the server, and then finds its connection closed.
struct ServerCore {
  ServerCore(bp_context ctx, ServerOptions opts, std::function<void()> on_stop)
      : context(ctx), options(std::move(opts)), on_stop_requested(std::move(on_stop)) {}

  const bp_context context;
  ServerOptions options;
  const std::function<void()> on_stop_requested;
  struct {
    HandlerMemory accept, look, errand;
  } memory;  // of handlers of `io`
  boost::asio::io_context io{1};
  SocketPoller poller;
  ControlThread control;
  std::atomic<std::size_t> open_calls{0};  // of all connections
  std::atomic<std::size_t> open_bytes{0};  // of their payloads
  bool draining = false;                   // calls are answered BP_CLOSED; guarded by `poller.reading`
  Mutex mutex;
  std::set<std::shared_ptr<Connection>> connections BP_GUARDED_BY(mutex);  // to change it, lock also `poller.reading`

  /// Logs the line that `make` returns, unless there is no memory for it.
  template <class F>
  void log(int level, F make) const noexcept {
    if (!options.log) return;
    try {
      options.log(level, make());
    } catch (const std::exception&) {
      // A line that is missing must not end the host.
    }
  }
};

/// Threads: Input is handled with `poller.reading` locked (socket_poller.hpp). A reply or event is encoded into the
/// output on the thread that delivers it. The request thread notes its replies, and sends them with its next look. For
/// replies of other threads, the io thread is woken once, and sends all that have collected.
///
/// Invariant: while `flushing_` is set, flush() will be called: by the next look, by the io thread, or when the socket
/// has room.
class Connection : public std::enable_shared_from_this<Connection>, public PolledLinks {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(std::shared_ptr<ServerCore> core, UniqueFd socket, long peer);

  // ---- `poller.reading` must be locked
  void start();
  /// Handles events (EPOLL…) of the socket.
  void on_ready(std::uint32_t events);
  /// Whether the connection only waits for input.
  bool only_reads() const noexcept;
  /// Reads once, and handles the input. Returns false if there was none.
  bool read();
  /// Sends until the socket is full, and arranges for sending the rest.
  void flush();
  /// Moves the noted replies to the output, then flush(). Polling thread only.
  void flush_notes();
  /// Sends an error frame and closes the connection.
  void fail(bp_status status, std::string_view message) noexcept;
  /// Cancels the peer's calls, removes its listeners, and closes the connection. Idempotent. Needs no memory.
  void close(std::string_view reason) noexcept;
  void cancel_calls() noexcept;

  // ---- `poller.reading` must not be locked; not on the polling thread
  /// Waits until no call is open and all output is sent, or the connection is closed. Returns false if that took
  /// longer.
  bool wait_idle(Clock::time_point until);

 private:
  struct OpenCall {
    Connection* connection = nullptr;  ///< exists until the terminal reply: see alive_
    bp_request request{};
    std::size_t size = 0;   ///< of the call's payload, and of its parts that the handler has not taken
    bool answered = false;  ///< the peer has already got a terminal reply
  };
  using Calls = IdTable<OpenCall>;
  struct Listener {
    Connection* connection;
    std::uint64_t id;  ///< chosen by the peer
    bp_listener host{};
    Lost lost{};  ///< not told yet; guarded by mutex_
  };

  /// Calls that arrived together.
  struct Batch;

  // ---- connection_input.cpp; `poller.reading` must be locked
  void want(std::uint32_t events);
  void take_frames();
  void take_some();
  void submit(Batch& batch);
  std::size_t open(Batch& batch, std::size_t size) BP_REQUIRES(mutex_);
  std::string limit_hit(std::size_t size) BP_REQUIRES(mutex_);
  std::string bytes_limit_hit(std::size_t size) BP_REQUIRES(mutex_);
  void add_bytes(Calls::Entry& entry, std::size_t size) BP_REQUIRES(mutex_);
  void drop_bytes(Calls::Entry& entry, std::size_t size) BP_REQUIRES(mutex_);
  void submit(const wire::Call& call, Calls::Entry& entry);
  void resume_reading();

  // ---- connection.cpp; `poller.reading` must be locked
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
  void on_frame(const wire::Credit& credit);
  void on_frame(const wire::Part& part);
  void on_frame(const wire::Reply& reply);
  void on_frame(const wire::Event& event);
  void on_frame(const wire::Error& error);
  bp_request request_of(std::uint64_t id);
  void end_call(std::uint64_t id, const std::string& why);
  void control(std::uint64_t id, std::function<bp_status(bp_context, bp_result*)> operation);

  // ---- connection_output.cpp; any thread
  static void on_reply(void* entry, const bp_answer* answer);
  static void on_credit(void* entry, std::uint64_t bytes);
  static void on_event(void* listener, const bp_event* event);
  void reply_to_call(Calls::Entry& entry, const bp_answer& answer) noexcept;
  bool note_ok(Calls::Entry& entry, wire::View payload) noexcept;
  void take_notes() BP_REQUIRES(mutex_);
  bool takes_more(std::size_t size) BP_REQUIRES(mutex_);
  void reply(const wire::Reply& reply);
  void reply(std::uint64_t id, bp_status status, const std::string& message = {});
  void send_event(Listener& listener, const bp_event& event);
  void send_gap(Listener& listener) BP_REQUIRES(mutex_);
  bool send_gaps() noexcept BP_REQUIRES(mutex_);
  std::size_t waiting() const BP_REQUIRES(mutex_);
  std::shared_ptr<Connection> take_call(Calls::Entry& entry) BP_REQUIRES(mutex_);
  void send_last_words() BP_REQUIRES(mutex_);
  void hold_parts() BP_REQUIRES(mutex_);
  std::size_t next_border() BP_REQUIRES(mutex_);
  void watch_progress();
  void on_no_progress();
  void send_soon() noexcept BP_REQUIRES(mutex_);
  int send_some() BP_REQUIRES(mutex_);
  void close_soon(std::string reason) BP_REQUIRES(mutex_);
  void give_up() noexcept;
  void give_up_locked() noexcept BP_REQUIRES(mutex_);
  wire::Reply fitting(const wire::Reply& reply, std::string& message) const;

  // Constant after start(), or changed only with `poller.reading` locked.
  const std::shared_ptr<ServerCore> core_;  // must be the first member, because the timer uses its io context
  UniqueFd socket_;
  const long peer_;                  ///< process id
  boost::asio::steady_timer timer_;  ///< until the hello: for it; then watches the progress of the output
  bool watching_ = false;            ///< for the latter
  std::uint64_t sent_then_ = 0;      ///< bytes that the socket had taken when the timer was set
  bp_source source_{};               ///< the peer's calls
  ConnectionMemory memory_;          ///< its output and payloads are guarded by mutex_
  wire::FrameBuffer in_;
  bool greeted_ = false;
  bool added_ = false;              ///< the poller has the socket
  std::atomic<bool> ended_{false};  ///< equals closed_; the polling thread reads it without a lock
  std::uint32_t wanted_ = 0;        ///< the events (EPOLL…) to wait for
  std::map<std::uint64_t, std::unique_ptr<Listener>> listeners_;  ///< ordered: the peer chooses the keys

  // Only the polling thread uses these: replies since its last look, so that a reply needs no lock.
  std::vector<Calls::Entry*> noted_;
  wire::Bytes notes_;      ///< the encoded replies
  bool to_flush_ = false;  ///< the poller will call flush_notes()

  Mutex mutex_;
  Condition idle_;
  bool closed_ BP_GUARDED_BY(mutex_) = false;
  std::string reason_;  ///< why the socket was shut down before close(); guarded by mutex_ until close()
  bool flushing_ BP_GUARDED_BY(mutex_) = false;
  bool draining_ BP_GUARDED_BY(mutex_) = false;  ///< a thread waits on idle_
  bool canceled_ BP_GUARDED_BY(mutex_) = false;  ///< this side has canceled the peer's calls
  bool paused_ BP_GUARDED_BY(mutex_) = false;    ///< reading is paused until all output is sent
  Calls calls_ BP_GUARDED_BY(mutex_);
  std::shared_ptr<Connection> alive_ BP_GUARDED_BY(mutex_);  ///< points to this object while calls are open
  std::size_t controls_ BP_GUARDED_BY(mutex_) = 0;           ///< operations that wait for the control thread
  wire::Bytes out_ BP_GUARDED_BY(mutex_);                    ///< encoded output; from sent_ on, not sent yet
  std::size_t sent_ BP_GUARDED_BY(mutex_) = 0;
  std::size_t border_ BP_GUARDED_BY(mutex_) = 0;      ///< a frame in out_ begins here; none begins from here to sent_
  std::uint64_t taken_ BP_GUARDED_BY(mutex_) = 0;     ///< bytes that the socket has taken in all
  bool owes_answer_ BP_GUARDED_BY(mutex_) = false;    ///< since out_ was last empty, an answer came into it
  bool held_ BP_GUARDED_BY(mutex_) = false;           ///< the source is held
  std::set<Listener*> behind_ BP_GUARDED_BY(mutex_);  ///< listeners that have lost events and are not told yet
  std::uint64_t max_frame_out_ = wire::default_max_frame;
};

}  // namespace backplane::host
