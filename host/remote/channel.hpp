// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "remote/dial.hpp"
#include "remote/event_thread.hpp"
#include "support/unique_fd.hpp"
#include "sync/mutex.hpp"
#include "wire/frame_buffer.hpp"
#include "wire/id_table.hpp"

namespace backplane::host {

/// The calls that are open on a connection, and the thread that reads their answers and runs their
/// callbacks.
///
/// Rules: each open call gets exactly one terminal reply, since only who takes it out of `calls_` may
/// give that, and all that do are on the reader thread. No callback runs under the lock. Call ids are
/// not used twice.
///
/// Output: a frame is appended under the lock. With few calls open it is sent there and then: somebody
/// waits for it. With many, the reader thread sends what has gathered; it is woken only if it sleeps.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  using Clock = std::chrono::steady_clock;

  struct Open {
    bp_reply_fn on_reply = nullptr;
    void* user = nullptr;
    std::uint64_t timeout_ms = 0;
  };
  enum class Use {
    call,     ///< refused once closed
    service,  ///< goes through as long as there is a connection
  };

  Channel(Dialed dialed, std::shared_ptr<EventThread> events);

  void start();
  bool is_this_thread() const noexcept { return thread_id_.load() == std::this_thread::get_id(); }

  /// Opens a call and sends its frame, whose strings take `size` bytes. `set_id`, if not null, gets the
  /// id before the first reply can come. BP_OK, BP_CLOSED, BP_UNREACHABLE, BP_OVERLOADED,
  /// BP_INVALID_ARGUMENT (no frame is large enough), BP_OUT_OF_MEMORY.
  template <class Frame>
  bp_status open(Frame frame, std::size_t size, const Open& call, Use use, std::uint64_t* set_id);

  /// BP_INVALID_HANDLE if it has ended.
  bp_status cancel(std::uint64_t id);
  /// Forgets a call without a reply. False if it has had its terminal one, or is just getting it.
  bool forget(std::uint64_t id);

  void close();
  /// False: calls are still open.
  bool wait_answered(Clock::time_point until);
  void cancel_all();
  /// Ends what is open with BP_CANCELED, and the thread. False: it has not ended by then.
  bool finish(Clock::time_point until);
  /// Once finish() has returned true; else the thread is left to itself, and keeps this object.
  void join_or_detach();

 private:
  struct Deadline {
    Clock::time_point at;
    std::uint64_t id;
    bool operator>(const Deadline& other) const { return at > other.at; }
  };
  enum class State {
    open,
    closed,  ///< no new calls
    broken,  ///< nothing is sent or read any more
  };

  // Any thread
  bp_status check(std::size_t size, Use use) const BP_REQUIRES(mutex_);
  void add_deadline(std::uint64_t id, std::uint64_t timeout_ms) BP_REQUIRES(mutex_);
  void drop_dead_deadlines() BP_REQUIRES(mutex_);
  void send(bool at_once) BP_REQUIRES(mutex_);
  void send_now() BP_REQUIRES(mutex_);
  void wake() BP_REQUIRES(mutex_);

  // Reader thread
  void loop();
  bool turn();
  bool send_gathered();
  bool receive();
  void take(const wire::Frame& frame);
  void reply(const wire::Reply& reply);
  void expire();
  void end_all(bp_status status, const std::string& why);
  int sleep_time();

  const UniqueFd socket_;
  const UniqueFd wake_;  ///< an eventfd
  const std::uint64_t max_frame_;
  const std::shared_ptr<EventThread> events_;
  std::atomic<std::thread::id> thread_id_{};
  std::thread thread_;

  // Reader thread only
  wire::FrameBuffer in_;
  wire::Bytes sending_;
  std::size_t sent_ = 0;  ///< of sending_
  std::string why_;       ///< the connection has ended

  Mutex mutex_;
  Condition changed_;
  State state_ BP_GUARDED_BY(mutex_) = State::open;
  bool finishing_ BP_GUARDED_BY(mutex_) = false;
  bool ended_ BP_GUARDED_BY(mutex_) = false;
  bool asleep_ BP_GUARDED_BY(mutex_) = false;
  bool sends_itself_ = false;  ///< the reader thread is sending or waits for room; it alone changes this, with the
                               ///< lock, and reads it without; all others read it with
  Clock::time_point wakes_at_ BP_GUARDED_BY(mutex_) = Clock::time_point::max();
  std::uint64_t last_id_ BP_GUARDED_BY(mutex_) = 0;
  IdTable<Open> calls_ BP_GUARDED_BY(mutex_);
  std::vector<Deadline> deadlines_ BP_GUARDED_BY(mutex_);  ///< a heap; calls that have ended are dropped now and then
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

}  // namespace backplane::host
