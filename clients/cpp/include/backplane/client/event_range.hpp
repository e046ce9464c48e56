// SPDX-License-Identifier: Apache-2.0
//
// EventRange: events as a range.
#pragma once

#include <deque>

#include "context.hpp"

namespace backplane::client {

/// Events that wait for the thread that reads them:
///
///   auto fired = timer.on_echo_fired.range();
///   for (const timer::EchoFired& event : fired) …             until stop(), from this loop or another thread
///
/// At most `most` events wait. Then the oldest are lost, and lost() counts them. Reading is for one thread at a time,
/// which is no thread of the host.
template <class T>
class [[nodiscard]] EventRange {
 public:
  EventRange(const Context& context, std::string_view pattern, const ListenOptions& options, std::size_t most)
      : shared_(std::make_shared<Shared>()) {
    shared_->most = most == 0 ? 1 : most;
    listener_ = context.on<Cbor>(
        pattern, [shared = shared_](const Cbor& event) { shared->add(event); },
        [shared = shared_](const Gap& gap) { shared->lose(gap); }, options);
  }

  /// Waits for the next event. Returns nullptr after stop(). The event is valid until the next call.
  T* next() { return take(std::nullopt); }
  /// The same, for this long at most; returns nullptr if none came.
  T* next(Milliseconds longest) { return take(std::chrono::steady_clock::now() + longest); }

  /// Ends the range: events that wait may still be read. Any thread may call it.
  void stop() const noexcept { shared_->stop(); }
  /// Events that are lost: as gaps told, because too many waited, or because their form is another one. A reconnect,
  /// which tells no number, counts as one.
  std::uint64_t lost() const noexcept { return shared_->lost.load(std::memory_order_relaxed); }

  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = T&;
    using pointer = T*;

    explicit Iterator(EventRange* range = nullptr) : range_(range) {
      if (range != nullptr) ++*this;
    }
    T& operator*() const noexcept { return *at_; }
    T* operator->() const noexcept { return at_; }
    Iterator& operator++() {
      at_ = range_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return at_ == nullptr; }

   private:
    EventRange* range_;
    T* at_ = nullptr;
  };
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  struct Shared {
    std::size_t most = 0;
    std::atomic<std::uint64_t> lost{0};
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Cbor> waiting;
    bool stopped = false;

    void add(const Cbor& event) {
      const std::lock_guard lock(mutex);
      if (stopped) return;
      if (waiting.size() == most) {
        waiting.pop_front();
        lost.fetch_add(1, std::memory_order_relaxed);
      }
      waiting.push_back(event);
      changed.notify_one();
    }
    void lose(const Gap& gap) noexcept { lost.fetch_add(gap.lost == 0 ? 1 : gap.lost, std::memory_order_relaxed); }
    void stop() noexcept {
      const std::lock_guard lock(mutex);
      stopped = true;
      changed.notify_all();
    }
  };

  T* take(std::optional<std::chrono::steady_clock::time_point> until) {
    for (;;) {
      std::optional<Cbor> event;
      {
        std::unique_lock lock(shared_->mutex);
        const auto ready = [this] { return !shared_->waiting.empty() || shared_->stopped; };
        if (!until) {
          shared_->changed.wait(lock, ready);
        } else {
          shared_->changed.wait_until(lock, *until, ready);
        }
        if (shared_->waiting.empty()) return nullptr;
        event = std::move(shared_->waiting.front());
        shared_->waiting.pop_front();
      }
      try {
        current_.emplace(detail::read<T>(event->view()));
        return &*current_;
      } catch (const DecodeError&) {
        shared_->lost.fetch_add(1, std::memory_order_relaxed);
      }
    }
  }

  std::shared_ptr<Shared> shared_;
  std::optional<T> current_;
  Listener listener_;
};

}  // namespace backplane::client
