// SPDX-License-Identifier: Apache-2.0
//
// One peer of the server. Includes Asio, so only files of this room may include it.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/call_source.hpp"
#include "server/connection_listeners.hpp"
#include "server/connection_memory.hpp"
#include "server/handler_memory.hpp"
#include "server/open_calls.hpp"
#include "server/output_buffer.hpp"
#include "server/peer.hpp"
#include "server/peer_functions.hpp"
#include "server/polled_socket.hpp"
#include "server/roles.hpp"
#include "server/server_core.hpp"
#include "server/socket_poller.hpp"
#include "support/unique_fd.hpp"
#include "sync/mutex.hpp"
#include "wire/frame.hpp"
#include "wire/frame_buffer.hpp"

namespace backplane::host {

/// Threads: Input is handled with `poller.reading` locked (socket_poller.hpp). A reply or event is encoded into the
/// output on the thread that delivers it. The request thread notes its replies, and sends them with its next look. For
/// replies of other threads, the io thread is woken once, and sends all that have collected.
///
/// Invariant: while `flushing_` is set, flush() will be called: by the next look, by the io thread, or when the socket
/// has room.
class Connection : public std::enable_shared_from_this<Connection>, public PolledLinks {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(std::shared_ptr<ServerCore> core, UniqueFd socket, const Peer& peer);

  // ---- `poller.reading` must be locked
  Admission& admission() noexcept { return admission_; }
  void start();
  /// Takes what has come from the peer. Returns whether it has said hello, and the connection has not ended.
  bool says_hello();
  /// Whether no operation on modules or report of the peer waits for its answer.
  bool is_idle() noexcept;
  /// Ends a connection for management that has made no request since then, and waits for no answer.
  void end_if_idle_since(Clock::time_point before);
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
  /// If output waits for the peer, drops the frames of which nothing is sent, and sends an error frame after the rest.
  void end_output(std::string_view why) noexcept;
  /// Sends an error frame and closes the connection.
  void fail(bp_status status, std::string_view message) noexcept;
  /// Cancels the peer's calls, and closes the connection. The io thread then removes its listeners and
  /// functions, a batch at a time.
  /// Idempotent. Needs no memory.
  void close(std::string_view reason) noexcept;
  void cancel_calls() noexcept;

  // ---- `poller.reading` must not be locked; not on the polling thread
  /// Waits until no call is open and all output is sent, or the connection is closed. Returns false if that took
  /// longer.
  bool wait_idle(Clock::time_point until);
  /// Waits until all output is sent, or the connection is closed.
  void wait_sent(Clock::time_point until);

 private:
  /// Handles the frames, except calls: connection_frames.cpp, connection_functions.cpp.
  class FrameHandler;
  /// Asks the peer what it provides: asking.hpp.
  class Asking;
  friend class OperationAnswer;
  /// Calls that arrived together.
  struct Batch;

  // ---- connection.cpp
  void forget() noexcept;
  void remove_all_soon() noexcept;
  void remove_all() noexcept;

  // ---- connection_input.cpp; `poller.reading` must be locked
  void take_frames();
  void take_some();
  void take(const wire::Frame& frame);
  void submit(Batch& batch);
  std::size_t open(Batch& batch, std::size_t size) BP_REQUIRES(mutex_);
  void submit(const wire::Call& call, OpenCalls::Entry& entry);
  void resume_reading();

  // ---- connection_output.cpp; any thread
  static void on_reply(void* entry, const bp_answer* answer);
  static void on_credit(void* entry, std::uint64_t bytes);
  static void on_event(void* listener, const bp_event* event);
  void reply_to_call(OpenCalls::Entry& entry, const bp_answer& answer) noexcept;
  void take_notes() BP_REQUIRES(mutex_);
  bool takes_more(std::size_t size) BP_REQUIRES(mutex_);
  void reply(const wire::Reply& reply);
  void reply(std::uint64_t id, bp_status status, const std::string& message = {});
  void answer_control(std::uint64_t id, bp_status status, bp_result& result) noexcept;
  void answer_without_memory(std::uint64_t id) noexcept;
  void send_event(PeerListener& listener, const bp_event& event);
  bool send_gaps() noexcept BP_REQUIRES(mutex_);
  bool hold_parts() BP_REQUIRES(mutex_);
  void watch_progress();
  void on_no_progress();
  void send_soon() noexcept BP_REQUIRES(mutex_);
  void close_soon(std::string reason) BP_REQUIRES(mutex_);
  void give_up() noexcept;
  void give_up_locked() noexcept BP_REQUIRES(mutex_);

  // Constant after start(), or changed only with `poller.reading` locked.
  const std::shared_ptr<ServerCore> core_;  // must be the first member, because the timer uses its io context
  PolledSocket socket_;                     ///< closed with mutex_ locked too
  const Peer peer_;
  boost::asio::steady_timer timer_;       ///< until the hello: for it; then watches the progress of the output
  std::optional<std::uint64_t> watched_;  ///< for the latter: bytes that the socket had taken when the timer was set
  CallSource source_;                     ///< of the peer's calls; hold() with mutex_ locked
  ConnectionMemory memory_;               ///< its output and payloads are guarded by mutex_
  wire::FrameBuffer in_;
  Admission admission_;
  PeerListeners listeners_;  ///< after close(): the io thread's
  PeerProvides provides_;
  HandlerMemory removal_;  ///< of listeners and functions; so that it needs no memory
  NotedReplies noted_;     ///< polling thread only

  Mutex mutex_;
  Condition idle_;
  std::atomic<bool> closed_{false};  ///< set with mutex_ and `poller.reading` locked
  std::string reason_;               ///< why the socket was shut down before close(); guarded by mutex_ until close()
  bool flushing_ BP_GUARDED_BY(mutex_) = false;
  bool draining_ BP_GUARDED_BY(mutex_) = false;     ///< a thread waits on idle_
  bool canceled_ BP_GUARDED_BY(mutex_) = false;     ///< this side has canceled the peer's calls
  bool paused_ BP_GUARDED_BY(mutex_) = false;       ///< reading is paused until all output is sent
  std::size_t controls_ BP_GUARDED_BY(mutex_) = 0;  ///< operations that wait for the control thread
  OpenCalls calls_ BP_GUARDED_BY(mutex_);
  OutputBuffer out_ BP_GUARDED_BY(mutex_);
  UntoldGaps gaps_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
