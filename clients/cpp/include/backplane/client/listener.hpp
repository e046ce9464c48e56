// SPDX-License-Identifier: Apache-2.0
//
// Listeners of events with typed payloads.
#pragma once

#include <condition_variable>
#include <thread>

#include "core.hpp"

namespace backplane::client {

/// What a callback may know of an event besides its payload. Valid until the callback returns.
struct EventInfo {
  std::string_view name;
  std::uint64_t emitted_ms;  ///< Unix time; 0: unknown, as on a connection
};

/// Some events are lost, in whose place this comes.
struct Gap {
  std::uint64_t lost;      ///< how many; 0: unknown, because the connection was lost
  std::uint64_t since_ms;  ///< when the first of them was emitted, Unix time; 0: unknown
  bool reconnected;        ///< the connection was lost, and the listener is registered again
};

namespace detail {

/// Ignores gaps, which are only counted then.
struct NoGap {
  void operator()(const Gap&) const noexcept {}
};

class ListenerState : public Attachment, public std::enable_shared_from_this<ListenerState> {
 public:
  ListenerState(std::string_view pattern, const ListenOptions& options, bool may_reconnect)
      : Attachment(pattern), options_(options), may_reconnect_(may_reconnect) {}

  bp_status attach(bp_context native) noexcept override {
    bp_subscription subscription{};
    subscription.struct_size = sizeof subscription;
    subscription.flags =
        (options_.own_thread ? BP_LISTEN_OWN_THREAD : 0) | (options_.lossless ? BP_LISTEN_LOSSLESS : 0);
    subscription.pattern = str(name());
    subscription.on_event = on_event;
    subscription.user = this;
    subscription.label = str(options_.label);
    subscription.window_bytes = options_.window_bytes;
    bp_listener id{};
    const bp_status status = bp_subscribe(native, &subscription, &id);
    std::unique_lock lock(mutex_);
    if (status != BP_OK) return status;
    // Meanwhile it may be removed, or the connection lost and the listener attached to the next one.
    if (removed_ || !is_claimed_by(native)) {
      lock.unlock();
      bp_unlisten(native, id);
      return BP_OK;
    }
    native_ = native;
    id_ = id;
    return BP_OK;
  }
  /// From now on events of the old connection are dropped: its end waits for them, and the gap stands for them.
  void detached() noexcept override {
    const std::lock_guard lock(mutex_);
    native_ = {};
    id_ = {};
    ending_ = true;
    changed_.notify_all();
  }
  void gone() noexcept override {
    const std::lock_guard lock(mutex_);
    ending_ = false;
    gap_due_ = true;
  }
  /// Gives the gap, before any event of the new connection.
  void restored() noexcept override {
    {
      const std::lock_guard lock(mutex_);
      if (native_.id == 0) {  // refused, so it hears nothing that a gap could come before
        gap_due_ = false;
        changed_.notify_all();
        return;
      }
      if (!gap_due_ && !late()) return;  // it came when the connection was there
    }
    if (!enter(true)) return;
    const Gap gap{0, 0, true};
    gaps_.fetch_add(1, std::memory_order_relaxed);
    {
      const InCallback inside;
      on_gap(gap);
    }
    leave();
  }

  /// Ends the subscription. The callback runs no more when this returns, except this thread is in it.
  void remove() noexcept {
    bp_context native{};
    bp_listener id{};
    {
      const std::lock_guard lock(mutex_);
      if (removed_) return;
      removed_ = true;
      native = native_;
      id = id_;
      changed_.notify_all();
    }
    if (id.id != 0) bp_unlisten(native, id);
    if (may_reconnect_ && !InCallback::here()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !running_; });
    }
  }

  std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }
  std::uint64_t gaps() const noexcept { return gaps_.load(std::memory_order_relaxed); }
  std::uint64_t unread() const noexcept { return unread_.load(std::memory_order_relaxed); }

 protected:
  /// Both run the callback of the application, and let no exception out.
  virtual void on_event(const bp_event& event) noexcept = 0;
  virtual void on_gap(const Gap& gap) noexcept = 0;

  /// An event whose payload is no T. Call it only inside a catch block.
  void cannot_read(std::string_view event) noexcept {
    unread_.fetch_add(1, std::memory_order_relaxed);
    const Failure failure = failure_of_exception(event, "an event has another form than the listener expects");
    try {
      const std::string text = join(event, ": ", failure.message);
      bp_log_write(BP_LOG_WARN, 0, BP_STR("client"), str(text));
    } catch (...) {
    }
  }

 private:
  static void on_event(void* user, const bp_event* event) noexcept {
    const OnHostThread host_thread;
    auto& self = *static_cast<ListenerState*>(user);
    // An unlisten in a cycle of listeners does not wait for this callback.
    const std::shared_ptr<ListenerState> alive = self.shared_from_this();
    if (!self.may_reconnect_) return self.deliver(*event);
    if (!self.enter(false)) return;
    self.deliver(*event);
    self.leave();
  }

  void deliver(const bp_event& event) noexcept {
    if ((event.flags & BP_EVENT_GAP) == 0) return on_event(event);
    lost_.fetch_add(event.lost, std::memory_order_relaxed);
    gaps_.fetch_add(1, std::memory_order_relaxed);
    on_gap(Gap{event.lost, event.emitted_ms, false});
  }

  // With reconnects, the gap of one comes on another thread than the events. One callback runs at a time, and the gap
  // first. Returns false if the listener was removed meanwhile, or its connection ends.
  bool enter(bool with_gap) noexcept {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return removed_ || ending_ || (!running_ && (with_gap || !gap_due_)); });
    if (removed_ || ending_) return false;
    running_ = true;
    if (with_gap) gap_due_ = false;
    return true;
  }
  void leave() noexcept {
    const std::lock_guard lock(mutex_);
    running_ = false;
    changed_.notify_all();
  }

  const ListenOptions options_;
  const bool may_reconnect_;
  std::atomic<std::uint64_t> lost_{0}, gaps_{0}, unread_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bp_context native_{};
  bp_listener id_{};
  bool removed_ = false;
  bool running_ = false;
  bool ending_ = false;  // its connection is being destroyed
  bool gap_due_ = false;
};

/// Reads the payload of an event: of a typed one the member "payload", of another one all of it.
template <class T>
T read_event(const bp_event& event) {
  const View payload = view(event.payload);
  if constexpr (std::is_same_v<T, Raw>) {
    return read<Raw>(payload);
  } else {
    if ((event.flags & BP_EVENT_TYPED) == 0) return read<T>(payload);
    Decoder decoder(payload);
    View inner;
    decoder.pairs(decoder.next(cbor::Type::map, "the map of a typed event"), [&](std::string_view key) {
      const View item = decoder.item();
      if (key == "payload") inner = item;
    });
    decoder.finish();
    return read<T>(inner);
  }
}

template <class T, class OnEvent, class OnGap>
class TypedListener final : public ListenerState {
 public:
  TypedListener(std::string_view pattern, const ListenOptions& options, bool may_reconnect, OnEvent on_event,
                OnGap on_gap)
      : ListenerState(pattern, options, may_reconnect), event_(std::move(on_event)), gap_(std::move(on_gap)) {}

 private:
  void on_event(const bp_event& event) noexcept override {
    std::optional<T> read;
    try {
      read.emplace(read_event<T>(event));
    } catch (...) {
      return cannot_read(view(event.name));
    }
    if constexpr (std::is_invocable_v<OnEvent&, const T&, const EventInfo&>) {
      guarded(view(event.name), event_, std::as_const(*read), EventInfo{view(event.name), event.emitted_ms});
    } else {
      guarded(view(event.name), event_, std::as_const(*read));
    }
  }
  void on_gap(const Gap& gap) noexcept override { guarded(name(), gap_, gap); }

  OnEvent event_;
  OnGap gap_;
};

}  // namespace detail

/// A subscription, until it is destroyed. When the destructor returns, its callbacks do not run any more. Destroyed in
/// its own callback, the running one is the last.
class [[nodiscard]] Listener : public detail::Held<detail::ListenerState> {
 public:
  using Held::Held;

  std::uint64_t lost() const noexcept { return state() == nullptr ? 0 : state()->lost(); }  ///< events, as gaps told
  std::uint64_t gaps() const noexcept { return state() == nullptr ? 0 : state()->gaps(); }  ///< also of reconnects
  /// Events whose payload was no T. Each was logged.
  std::uint64_t unread() const noexcept { return state() == nullptr ? 0 : state()->unread(); }
};

namespace detail {

template <class T, class OnEvent, class OnGap>
Result<Listener> listen(const std::shared_ptr<Core>& core, std::string_view pattern, OnEvent on_event, OnGap on_gap,
                        const ListenOptions& options) {
  static_assert(std::is_invocable_v<OnEvent&, const T&, const EventInfo&> || std::is_invocable_v<OnEvent&, const T&>,
                "the callback of on<T>() takes (const T&) or (const T&, const EventInfo&)");
  static_assert(std::is_invocable_v<OnGap&, const Gap&>, "the second callback of on<T>() takes (const Gap&)");
  auto state = std::make_shared<TypedListener<T, OnEvent, OnGap>>(pattern, options, core->reconnects(),
                                                                  std::move(on_event), std::move(on_gap));
  const bp_status status = core->add(state);
  if (status == BP_OK) return Listener(core, std::move(state));
  Failure failure = core->refusal(pattern, status);
  if (status == BP_INVALID_ARGUMENT) {
    failure.message = join("found the pattern ", backplane::detail::quoted(pattern),
                           "; expected the name of an event, or a prefix and \"*\"; or an option is out of bounds");
  } else if (status == BP_NOT_SUPPORTED) {
    failure.message =
        "found own_thread or lossless; a connection has no listeners with own_thread, and the host there may know none "
        "with lossless; listen without";
  }
  return failure;
}

}  // namespace detail
}  // namespace backplane::client
