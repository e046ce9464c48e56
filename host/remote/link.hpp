// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "remote/back_off.hpp"
#include "remote/channel.hpp"
#include "remote/expectations.hpp"
#include "remote/remote_methods.hpp"
#include "support/result.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// How a context connects, and whether it does so again.
struct LinkOptions {
  std::string path;
  std::chrono::milliseconds timeout{0};  ///< of an attempt
  bool reconnects = false;
  BackOff back_off{};
  bp_connection_fn on_state = nullptr;
  void* user = nullptr;
};

/// What outlives a connection, and what the next one must be told again.
struct Kept {
  std::shared_ptr<EventThread> events;
  std::shared_ptr<RemoteFunctions> functions;
  std::shared_ptr<RemoteMethods> methods = std::make_shared<RemoteMethods>();
  std::shared_ptr<Expectations> expected = std::make_shared<Expectations>();
};

/// The connection of a context: one channel, or if it reconnects one after another.
///
/// Rules:
///  1. A channel begins when all callbacks of the one before have returned. So callbacks never run on two readers.
///  2. A channel is published before what is kept is listed. So what is added is told by the thread that adds it, or
///     by the keeper, or by both; who claims it first tells it.
///  3. Calls are refused until the host knows all that is kept. Then gaps go to listeners, then events.
///  4. Nothing else but the keeper makes channels or calls on_state, and it holds no lock then.
class Link : public std::enable_shared_from_this<Link> {
 public:
  using Clock = std::chrono::steady_clock;

  /// Throws Failure if there is no descriptor.
  Link(LinkOptions options, Kept kept);

  /// Begins the first connection. Throws Failure, std::system_error, std::bad_alloc.
  void start(Dialed dialed);
  /// The channel that was begun last; it may be broken.
  std::shared_ptr<Channel> channel() const {
    const MutexLock lock(mutex_);
    return channel_;
  }
  /// Whether what is refused with BP_UNREACHABLE now may be told to a later connection.
  bool reconnects() const noexcept { return options_.reconnects && !given_up_.load(std::memory_order_relaxed); }
  /// Whether it was made to; it does not change.
  bool may_reconnect() const noexcept { return options_.reconnects; }
  /// Whether this is the keeper, or the reader of the connection.
  bool is_this_thread() const noexcept;

  /// No channel takes calls any more.
  void close();
  /// Ends the connection, and makes no further one. Returns false if the threads have not ended by then.
  bool finish(Clock::time_point until);
  void join_or_detach();

  /// A module has changed: the keeper compares its interface. Does not wait.
  void look_again() noexcept;

 private:
  // ---- The keeper ----
  void loop() noexcept;
  void connect_again();
  /// One attempt. Sets `why` and returns false if it fails.
  bool attempt(std::uint32_t number, std::uint64_t broke_ms, Failure& why);
  bool restore(Channel& next, std::uint32_t attempt, std::uint64_t broke_ms, Failure& why);
  /// Publishes and starts the channel. Returns null if the link is stopping.
  std::shared_ptr<Channel> begin(Dialed dialed);
  /// Returns false if the link is stopping.
  bool sleep(std::chrono::milliseconds duration);
  bool is_stopping() const;
  bool compare(Channel& channel, bool tell_all, std::string& absent);
  void tell(std::uint32_t kind, bp_status status, std::string_view message, std::uint32_t attempt = 0,
            std::chrono::milliseconds wait = {}, std::string_view module = {}) const noexcept;

  void ended(std::uint32_t number) noexcept;
  Channel::Receivers receivers();

  const LinkOptions options_;
  const Kept kept_;
  UniqueFd stop_;  ///< an eventfd: ends an attempt to connect; set before the keeper starts
  std::atomic<bool> given_up_{false};
  std::atomic<std::thread::id> thread_id_{};
  std::thread keeper_;
  bool undecided_ = false;         ///< the last comparison has left something open; the keeper's
  std::uint32_t last_number_ = 0;  ///< of a channel; the keeper's, and before it exists, that of start()

  mutable Mutex mutex_;
  Condition changed_;
  std::shared_ptr<Channel> channel_ BP_GUARDED_BY(mutex_);
  bool lost_ BP_GUARDED_BY(mutex_) = false;  ///< channel_ has ended
  bool look_ BP_GUARDED_BY(mutex_) = false;  ///< interfaces must be compared
  bool closed_ BP_GUARDED_BY(mutex_) = false;
  bool stopping_ BP_GUARDED_BY(mutex_) = false;
  bool ended_ BP_GUARDED_BY(mutex_) = true;  ///< no keeper runs
};

}  // namespace backplane::host
