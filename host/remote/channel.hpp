// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "remote/dial.hpp"
#include "remote/event_thread.hpp"
#include "remote/remote_functions.hpp"
#include "remote/sent_parts.hpp"
#include "support/unique_fd.hpp"
#include "sync/mutex.hpp"
#include "wire/frame_buffer.hpp"
#include "wire/id_table.hpp"

namespace backplane::host {

/// The open calls of a connection, and the thread that reads answers and runs callbacks.
///
/// Rules: Each open call gets exactly one terminal reply. Only the code that removes a call from `calls_` may deliver
/// it, and all such code runs on the reader thread. No callback runs under the lock. Call ids are never reused.
///
/// What wakes or stops a thread of a connection. Throws Failure if there is no descriptor.
UniqueFd make_eventfd();

/// Output: A frame is appended under the lock. With few open calls, the caller sends it at once, because it probably
/// waits for the answer. With many, the reader thread sends the collected frames. It is woken only if it sleeps.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  using Clock = std::chrono::steady_clock;

  struct Open {
    bp_reply_fn on_reply = nullptr;
    void* user = nullptr;
    std::uint64_t timeout_ms = 0;
    bool credited = false;  ///< the host waits for credit for its partial replies
    bool by_hand = false;   ///< bp_request_credit() gives it, not the end of on_reply
    std::uint64_t due{};    ///< bytes to give credit for after this look
    bool is_due = false;
    std::shared_ptr<SentParts> sent{};  ///< if the request comes in parts
  };
  enum class Use {
    call,     ///< refused before open_calls() and after close()
    attach,   ///< refused after close()
    service,  ///< allowed while the connection exists
  };

  /// Who gets what the host sends, other than replies.
  struct Receivers {
    std::shared_ptr<EventThread> events;
    std::shared_ptr<RemoteFunctions> functions;
    std::function<void(std::uint32_t number)> on_end{};  ///< the last that the reader thread calls; may be empty
  };
  /// Its place among the connections of a context.
  struct Place {
    std::uint32_t number = 1;
    std::uint64_t last_id = 0;  ///< of the one before: a call id never means another call
  };

  /// Calls are refused until open_calls(), except on the first connection of a context.
  Channel(Dialed dialed, Receivers to, Place place);

  /// Starts the reader thread. Throws std::system_error.
  void start();
  std::uint32_t number() const noexcept { return number_; }
  std::uint64_t last_id();
  void open_calls();
  /// Ends the connection, as if the host had.
  void break_off() noexcept;
  /// Waits for the end of the connection, and of all callbacks.
  void wait_ended();
  /// Why it has ended; after its end.
  std::string reason() noexcept;  ///< empty without memory
  /// When it has broken, Unix time in ms.
  std::uint64_t broke_ms();
  bool is_this_thread() const noexcept { return thread_id_.load() == std::this_thread::get_id(); }

  /// Opens a call and sends its frame. `size`: total size of the frame's strings. `set_id`, if not null, gets the id
  /// before the first reply can arrive. Returns BP_OK, BP_CLOSED, BP_UNREACHABLE, BP_OVERLOADED, BP_INVALID_ARGUMENT
  /// (too large for a frame) or BP_OUT_OF_MEMORY.
  template <class Frame>
  bp_status open(Frame frame, std::size_t size, const Open& call, Use use, std::uint64_t* set_id);

  /// Cancels a call. BP_INVALID_HANDLE if it has ended.
  bp_status cancel(std::uint64_t id);
  /// Behind bp_request_credit() and bp_request_part().
  bp_status credit(std::uint64_t id, std::uint64_t bytes);
  bp_status send_part(std::uint64_t id, bp_bytes payload, std::uint32_t flags);
  /// Tells the host what a lossless listener is done with. Without memory it ends the connection.
  void heard(std::uint64_t listener, std::uint64_t bytes) noexcept;
  /// Answers a call of the host. One that fits no frame becomes an error. BP_OK, BP_UNREACHABLE or BP_OUT_OF_MEMORY.
  bp_status answer(const wire::Answer& answer) noexcept;
  /// What the host can do.
  const wire::Features& features() const noexcept { return host_.features; }
  /// How much of a request in parts the host takes.
  const Window& window() const noexcept { return host_.window; }
  /// Removes a call without a reply. Returns false if it has had its terminal reply, or is getting it now.
  bool forget(std::uint64_t id);

  void close();
  /// Waits until no call is open or the connection is broken. Returns false if calls are still open.
  bool wait_answered(Clock::time_point until);
  void cancel_all() noexcept;
  /// Ends open calls with BP_CANCELED, then the thread. Returns false if the thread has not ended by then.
  bool finish(Clock::time_point until);
  /// Joins the thread if it has ended. Otherwise detaches it; it then keeps this object alive.
  void join_or_detach();

 private:
  struct Deadline {
    Clock::time_point at;
    std::uint64_t id;
    bool operator>(const Deadline& other) const { return at > other.at; }
  };
  /// What the host has said of itself.
  struct Host {
    std::uint64_t max_frame;
    wire::Features features;
    Window window;
  };
  enum class State {
    restoring,  ///< no calls yet
    open,
    closed,  ///< no new calls
    broken,  ///< nothing is sent or read
  };

  // Any thread
  bp_status check(std::size_t size, Use use) const BP_REQUIRES(mutex_);
  void add_deadline(std::uint64_t id, std::uint64_t timeout_ms) BP_REQUIRES(mutex_);
  void drop_dead_deadlines() BP_REQUIRES(mutex_);
  void send(bool at_once) BP_REQUIRES(mutex_);
  void send_now() BP_REQUIRES(mutex_);
  void wake() BP_REQUIRES(mutex_);

  // Reader thread
  void loop() noexcept;
  bool turn();
  bool send_gathered();
  bool receive();
  void take(const wire::Frame& frame);
  void reply(const wire::Reply& reply);
  void took_part(std::uint64_t id, std::uint64_t size);
  void give_credit();
  void on_credit(const wire::Credit& credit);
  void expire();
  void end_all(bp_status status, std::string_view why) noexcept;
  bool end_in_order(const bp_answer& answer);
  void tell_listeners() noexcept;
  void broken(const char* what, int error = 0) noexcept;
  int sleep_time();

  const UniqueFd socket_;
  const UniqueFd wake_;  ///< an eventfd
  const Host host_;
  const Receivers to_;
  const std::uint32_t number_;
  std::atomic<std::thread::id> thread_id_{};
  std::thread thread_;

  // Reader thread only
  wire::FrameBuffer in_;
  wire::Bytes sending_;
  std::size_t sent_ = 0;            ///< how many bytes of sending_ have been sent
  std::string why_;                 ///< why the connection has ended; anybody may read it then
  std::vector<std::uint64_t> due_;  ///< calls to give credit for after this look

  Mutex mutex_;
  Condition changed_;
  State state_ BP_GUARDED_BY(mutex_);
  bool finishing_ BP_GUARDED_BY(mutex_) = false;
  bool ended_ BP_GUARDED_BY(mutex_) = false;
  std::uint64_t broke_ms_ BP_GUARDED_BY(mutex_) = 0;
  bool asleep_ BP_GUARDED_BY(mutex_) = false;
  bool sends_itself_ = false;  ///< the reader thread is sending or waits for room; only it changes this, under the
                               ///< lock, and reads it without; other threads read it under the lock
  Clock::time_point wakes_at_ BP_GUARDED_BY(mutex_) = Clock::time_point::max();
  std::uint64_t last_id_ BP_GUARDED_BY(mutex_);
  IdTable<Open> calls_ BP_GUARDED_BY(mutex_);
  std::vector<Deadline> deadlines_ BP_GUARDED_BY(mutex_);  ///< a heap; ended calls are removed at times
  wire::Bytes out_ BP_GUARDED_BY(mutex_);
};

extern template bp_status Channel::open(wire::Call, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Resolve, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Listen, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Unlisten, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Load, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Unload, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Reload, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::List, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Status, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Stop, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Log, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Expect, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Provide, std::size_t, const Open&, Use, std::uint64_t*);
extern template bp_status Channel::open(wire::Withdraw, std::size_t, const Open&, Use, std::uint64_t*);

}  // namespace backplane::host
