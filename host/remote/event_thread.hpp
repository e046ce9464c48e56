// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/gap_event.hpp"
#include "sync/mutex.hpp"
#include "wire/frame.hpp"

namespace backplane::host {

/// The listeners of a connected context, their queued events, and the thread that delivers events in order. Connections
/// may follow each other. Never call it with the channel's lock held.
class EventThread : public std::enable_shared_from_this<EventThread> {
 public:
  using Clock = std::chrono::steady_clock;

  /// The maximum size of queued events, in bytes. Beyond it, a listener loses events, and gets a gap in their place.
  static constexpr std::size_t usual_waiting = std::size_t{8} << 20;

  explicit EventThread(std::uint64_t max_waiting = usual_waiting) noexcept : max_waiting_(max_waiting) {}

  /// `heard`: the callbacks of a lossless listener are done with so many bytes of its events, which came over that
  /// connection. Called on the event thread.
  using Heard = std::function<void(std::uint64_t listener, std::uint64_t bytes, std::uint32_t connection)>;
  void start(Heard heard);
  bool is_this_thread() const noexcept { return thread_id_.load() == std::this_thread::get_id(); }

  /// An event of this side: no host need know of its listeners.
  static bool is_local(std::string_view pattern) noexcept { return pattern == "backplane.disconnected"; }
  /// Adds a listener and returns its id. `flags`: those of its subscription.
  std::uint64_t add(std::string pattern, bp_event_fn on_event, void* user, std::uint32_t flags = 0);
  /// Removes a listener. Returns false if it does not exist. After it returns, the callback neither runs nor will run.
  /// Called from the callback itself, it returns at once.
  bool remove(std::uint64_t id);

  // ---- Another connection ----
  // Its listeners get a gap before its first event, when calls work again: until release(), what comes waits.

  /// A listener that a host must be told of.
  struct Wanted {
    std::uint64_t id;
    std::string pattern;
    std::uint32_t flags;
  };
  /// What is queued from now on is of this connection, and waits. Their numbers grow; the first is 1.
  void hold(std::uint32_t connection);
  /// Claims all listeners for this connection that nobody has claimed. They get a gap, unless they are refused.
  std::vector<Wanted> claim_all(std::uint32_t connection);
  /// Whether the caller must tell the host of this connection of the listener: nobody else does, and it exists.
  bool claim(std::uint64_t id, std::uint32_t connection);
  bool has(std::uint64_t id);
  void refused(std::uint64_t id);
  /// Delivers the gaps, which say when the connection before broke (Unix time), and then what waits.
  void release(std::uint64_t broke_ms);
  /// The connection has ended before its release: forgets what waits.
  void drop() noexcept;

  /// Queues an event. If too much is queued already, notes it as lost.
  void push(const wire::Event& event);
  /// Queues an event of this side for every listener whose pattern matches.
  void push_to_all(std::string_view name, wire::View payload);

  /// Delivers queued events, then ends the thread. Returns false if the thread has not ended by then.
  bool finish(Clock::time_point until);
  /// Joins the thread if it has ended. Otherwise detaches it; it then keeps this object alive.
  void join_or_detach();

 private:
  struct Listener {
    std::string pattern;
    bp_event_fn on_event = nullptr;
    void* user = nullptr;
    std::uint32_t flags = 0;
    std::uint32_t connection = 0;  ///< whose host knows of it, or is being told
    bool gap_due = false;          ///< it gets a gap at the release
    Lost lost{};                   ///< not told yet
  };
  struct Head {
    std::uint64_t listener;
    std::uint32_t flags;
    std::uint32_t name_size;
    std::uint32_t payload_size;
    std::uint32_t connection;
  };

  void loop() noexcept;
  void deliver_all(const wire::Bytes& batch);
  void deliver(const Head& head, const std::uint8_t* body);
  void is_done(const Head& head);
  void tell_done();
  void append(const wire::Event& event) BP_REQUIRES(mutex_);
  void append_gaps() BP_REQUIRES(mutex_);

  const std::uint64_t max_waiting_;
  Heard heard_;
  std::map<std::uint64_t, std::uint64_t> done_;  // bytes by listener that the host is not told yet; the event thread's
  std::uint64_t done_bytes_ = 0;                 // their sum
  std::uint32_t done_connection_ = 0;            // over which all of them came
  Clock::time_point told_at_{};
  std::atomic<std::thread::id> thread_id_{};
  std::thread thread_;

  Mutex mutex_;
  Condition wake_;
  Condition changed_;  ///< a callback has returned, or the thread has ended
  std::map<std::uint64_t, Listener> listeners_ BP_GUARDED_BY(mutex_);
  std::uint64_t last_id_ BP_GUARDED_BY(mutex_) = 0;
  std::uint64_t running_ BP_GUARDED_BY(mutex_) = 0;  ///< the listener whose callback runs
  wire::Bytes queue_ BP_GUARDED_BY(mutex_);          ///< heads, each followed by name and payload
  wire::Bytes held_ BP_GUARDED_BY(mutex_);           ///< the same, of events that wait for release()
  bool holding_ BP_GUARDED_BY(mutex_) = false;
  std::uint32_t connection_ BP_GUARDED_BY(mutex_) = 1;
  bool any_lost_ BP_GUARDED_BY(mutex_) = false;  ///< a listener is to be told of a loss
  bool finishing_ BP_GUARDED_BY(mutex_) = false;
  bool ended_ BP_GUARDED_BY(mutex_) = false;
};

}  // namespace backplane::host
