// SPDX-License-Identifier: Apache-2.0
//
// The partial replies of a call on their way from the host's thread to the reader's.
#pragma once

#include <condition_variable>
#include <deque>

#include "call.hpp"
#include "coroutine_slot.hpp"

namespace backplane::client::detail {

/// What a coroutine waits for: a part or the end of the call; room for parts of the request, or the end; a moment.
enum class Awaited { part, room, moment };

/// The state that a reader of partial replies and the library share. Either of them may be the last to use it. A reader
/// either waits on its thread, or is a coroutine.
class PartialReplies : public std::enable_shared_from_this<PartialReplies> {
 public:
  explicit PartialReplies(std::string_view name) : name_(name) {}

  std::string_view name() const noexcept { return name_; }

  /// Submits the call. After an error, the call has ended with it. `waits`: the reader waits on its thread.
  template <class Request>
  void start(Core& core, const Target& target, const Request& request, const CallOptions& options, bool waits,
             std::uint32_t flags = 0) {
    const bp_context now = core.native();
    if (waits && now.id != 0 && !core.may_wait(now)) return refuse(core.refusal(name_, BP_REENTRANT));
    if (options.stop.stop_requested()) return refuse(core.refusal(name_, BP_CANCELED));
    Output out(&buffers);
    write(out, request);
    bp_submission submission{};
    set_options(submission, options);
    submission.flags |= BP_SUBMIT_CREDIT | flags;
    fill(submission, out);
    submission.on_reply = on_reply;
    submission.user = this;
    if ((flags & BP_SUBMIT_PARTS) != 0) submission.on_credit = on_credit;
    if (core.connected()) {
      const bool own = options.window_bytes != 0 && options.window_bytes < most_window;
      most_bytes_ = 2 * (own ? options.window_bytes : most_window);
    }
    self_ = shared_from_this();
    const bp_status status = core.submit(target, submission, &request_, native_);
    if (status != BP_OK) {
      self_.reset();
      return refuse(core.refusal(name_, status));
    }
    if (submission.buffer != nullptr) out.taken();
    if (options.stop.stop_possible()) stop_.emplace(options.stop, Cancel{native_, request_});
  }

  void refuse(Failure failure) {
    const std::lock_guard lock(mutex_);
    end_ = std::move(failure);
    ended_ = true;
  }

  bp_context native() const noexcept { return native_; }
  bp_request request() const noexcept { return request_; }
  void cancel() const noexcept {
    if (request_.id != 0) bp_cancel(native_, request_);
  }

  /// Waits for the next part. Returns false at the end of the call. `part` is valid until the next call.
  bool next(View& part) {
    let_go();
    if (!has_part() && !refill()) return false;
    part = take();
    return true;
  }
  /// The same in steps, for a coroutine: the last part is not needed any more; whether next_here() need not wait; the
  /// next part, or false at the end of the call.
  void let_go() noexcept { done_with(std::exchange(taken_, 0)); }
  bool is_ready() noexcept {
    const std::lock_guard lock(mutex_);
    return has_part() || !incoming_.sizes.empty() || ended_;
  }
  bool next_here(View& part) {
    if (!has_part()) {
      const std::lock_guard lock(mutex_);
      reading_.clear();
      std::swap(reading_, incoming_);
      if (!has_part()) {
        tell_fault();
        return false;
      }
    }
    part = take();
    return true;
  }

  /// What ended the call, after next() has returned false: the answer's bytes if `failed` is false.
  bool failed() const noexcept { return end_.status != BP_OK; }
  const Failure& failure() const noexcept { return end_; }
  View answer() const noexcept { return answer_; }

  /// For a request in parts: how often the handler has made room, or nullopt if the call has ended.
  std::optional<std::uint64_t> credits() noexcept {
    const std::lock_guard lock(mutex_);
    return ended_ ? std::nullopt : std::optional(credits_);
  }
  /// Gives all credit that is due, also for the part that next() returned last: the handler may wait for it before it
  /// takes a part of the request.
  void settle() noexcept {
    due_.fetch_add(std::exchange(taken_, 0), std::memory_order_relaxed);
    give_credit();
  }
  /// Waits until it has done so since, or the call has ended.
  void wait_for_credit(std::uint64_t seen) noexcept {
    std::unique_lock lock(mutex_);
    const auto something = [&] { return credits_ != seen || ended_; };
    while (due_ != 0 && !changed_.wait_for(lock, Milliseconds(10), something)) {
      lock.unlock();
      give_credit();  // it was refused: too much waits to be sent
      lock.lock();
    }
    changed_.wait(lock, something);
  }

  /// Waits until the call has ended, for this long at most.
  void wait_for_end(Milliseconds longest) noexcept {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, longest, [&] { return ended_; });
  }

  /// Has a coroutine resume, on the executor or on the host's thread, when there is what it waits for. `seen`: for
  /// room, as of wait_for_credit(). Returns false if it is there already. One coroutine may wait at a time.
  bool resume_later(std::coroutine_handle<> waiting, Executor* executor, Awaited what,
                    std::uint64_t seen = 0) noexcept {
    give_credit();
    const std::shared_ptr<PartialReplies> self = shared_from_this();  // the coroutine may go on, and end, before this
    std::unique_lock lock(mutex_);
    want_ = {what, seen};
    moment_ = false;
    if (is_there()) return false;
    slot_.put(waiting, executor);
    const bool cancels = fault_ != BP_OK;
    lock.unlock();
    if (cancels) self->cancel();
    if (what == Awaited::moment || self->due_.load(std::memory_order_relaxed) != 0) self->tick_soon();
    return true;
  }
  /// The coroutine that waits is destroyed. Called where it would resume.
  void forget() noexcept {
    std::unique_lock lock(mutex_);
    slot_.forget(lock);
  }

  /// The reader has gone: the rest is dropped, and the call is canceled if it is still open.
  void leave() noexcept {
    {
      const std::lock_guard lock(mutex_);
      left_ = true;
      if (ended_) return;
    }
    cancel();
  }

 private:
  /// Parts one behind the other.
  struct Batch {
    std::vector<std::uint8_t> data;
    std::vector<std::size_t> sizes;
    std::size_t at = 0, begin = 0;  // of the part that is read next
    void clear() noexcept {
      data.clear();
      sizes.clear();
      at = begin = 0;
    }
  };

  bool has_part() const noexcept { return reading_.at != reading_.sizes.size(); }
  View take() noexcept {
    const std::size_t size = reading_.sizes[reading_.at++];
    const View part(reading_.data.data() + reading_.begin, size);
    reading_.begin += size;
    taken_ = size == 0 ? 1 : size;
    return part;
  }

  static void on_reply(void* user, const bp_answer* answer) noexcept {
    if (answer->status == BP_STALE) return;
    const OnHostThread host_thread;
    auto& self = *static_cast<PartialReplies*>(user);
    if (answer->status == BP_PARTIAL) return self.add(*answer);
    const std::shared_ptr<PartialReplies> last = std::move(self.self_);
    self.finish(*answer);
  }

  static void on_credit(void* user, std::uint64_t) noexcept {
    const OnHostThread host_thread;
    const std::shared_ptr<PartialReplies> self = static_cast<PartialReplies*>(user)->shared_from_this();
    std::unique_lock lock(self->mutex_);
    ++self->credits_;
    self->tell(lock);
  }

  // ---- A coroutine that waits ----

  /// With the lock.
  bool is_there() const noexcept {
    switch (want_.what) {
      case Awaited::part:
        return !incoming_.sizes.empty() || ended_;
      case Awaited::room:
        return credits_ != want_.seen || ended_;
      case Awaited::moment:
        break;
    }
    return moment_ || ended_;
  }

  /// Something has changed: wakes who waits. Unlocks. The caller holds this object.
  void tell(std::unique_lock<std::mutex>& lock) noexcept {
    changed_.notify_all();
    if (!slot_.is_taken()) return lock.unlock();
    if (is_there()) return slot_.wake(lock, shared_from_this());
    const bool cancels = fault_ != BP_OK;
    lock.unlock();
    if (cancels) cancel();
  }

  /// Nothing tells when a connection takes more: tries again in a moment, and tells the coroutine that it has passed.
  void tick_soon() noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(ticks_, true)) return;
    }
    try {
      std::thread([self = shared_from_this()] { self->tick(); }).detach();
    } catch (...) {
      cancel();  // no thread: a call that ends is better than one that stops
    }
  }
  void tick() noexcept {
    for (bool more = true; more;) {
      std::this_thread::sleep_for(Milliseconds(5));
      give_credit();
      std::unique_lock lock(mutex_);
      const bool open = !ended_ && !left_;
      moment_ = true;
      ticks_ = more = open && due_.load(std::memory_order_relaxed) != 0;
      if (open) tell(lock);
    }
  }

  void add(const bp_answer& answer) noexcept {
    std::unique_lock lock(mutex_);
    if (left_ || fault_ != BP_OK) return;
    const bool over = incoming_.data.size() + answer.payload.size > most_bytes_ || incoming_.sizes.size() >= most_parts;
    if (most_bytes_ != 0 && !incoming_.sizes.empty() && over) {
      fault_ = BP_PROTOCOL;
      return tell(lock);
    }
    try {
      incoming_.sizes.reserve(incoming_.sizes.size() + 1);
      incoming_.data.insert(incoming_.data.end(), view(answer.payload).begin(), view(answer.payload).end());
      incoming_.sizes.push_back(answer.payload.size);
    } catch (...) {
      fault_ = BP_OUT_OF_MEMORY;  // a stream with a hole is worse than one that ends
    }
    tell(lock);
  }

  void finish(const bp_answer& answer) noexcept {
    std::unique_lock lock(mutex_);
    if (answer.status != BP_OK) {
      end_ = failure_of_answer(name_, answer.status, answer.message, answer.detail);
    } else {
      end_.status = BP_OK;
      try {
        answer_.assign(view(answer.payload).begin(), view(answer.payload).end());
      } catch (...) {
        fault_ = BP_OUT_OF_MEMORY;
      }
    }
    ended_ = true;
    tell(lock);
  }

  bool refill() {
    give_credit();
    std::unique_lock lock(mutex_);
    const auto something = [this] { return !incoming_.sizes.empty() || ended_ || fault_ != BP_OK; };
    while (due_ != 0 && !changed_.wait_for(lock, Milliseconds(10), something)) {
      lock.unlock();
      give_credit();  // it was refused: too much waits to be sent
      lock.lock();
    }
    changed_.wait(lock, something);
    reading_.clear();
    if (!incoming_.sizes.empty()) {
      std::swap(reading_, incoming_);
      return true;
    }
    if (fault_ != BP_OK && !ended_) {
      lock.unlock();
      cancel();
      lock.lock();
      changed_.wait(lock, [this] { return ended_; });
    }
    tell_fault();
    return false;
  }

  /// At the end of the call: that parts are missing is its failure. With the lock.
  void tell_fault() noexcept {
    if (fault_ == BP_PROTOCOL) {
      end_ = make_failure(fault_, name_,
                          "the host sent more parts than the window of this call allows; the call was canceled");
    } else if (fault_ != BP_OK) {
      end_ = make_failure(fault_, name_, "there was no memory for a part or the answer");
    }
  }

  // Credit goes in portions, because each is a message to the host. Before a wait, all of it goes.
  void done_with(std::size_t bytes) noexcept {
    if (bytes == 0) return;
    const std::uint64_t due = due_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (++due_parts_ < 16 && due < 16384) return;
    due_parts_ = 0;
    give_credit();
  }
  void give_credit() noexcept {
    const std::uint64_t due = due_.exchange(0, std::memory_order_relaxed);
    if (due == 0) return;
    const bp_status status = bp_request_credit(native_, request_, due);
    const bool refused = status == BP_OVERLOADED || status == BP_OUT_OF_MEMORY;
    if (refused) due_.fetch_add(due, std::memory_order_relaxed);
  }

  // A connected host may give a call so much at most (backplane.h). Twice that is too much for certain.
  static constexpr std::uint64_t most_window = std::uint64_t{16} << 20;
  static constexpr std::size_t most_parts = 2 * 65'536;

  const std::string name_;
  std::uint64_t most_bytes_ = 0;  // that wait for the reader; 0: any number
  bp_context native_{};
  bp_request request_{};
  std::optional<std::stop_callback<Cancel>> stop_;
  std::shared_ptr<PartialReplies> self_;  // while the library may call back

  // The reader's
  Batch reading_;
  std::size_t taken_ = 0;  // bytes of the part that is being looked at
  std::uint64_t due_parts_ = 0;
  std::atomic<std::uint64_t> due_{0};  // credit; also of the thread of tick_soon()

  std::mutex mutex_;
  std::condition_variable changed_;
  Batch incoming_;
  bool left_ = false, ended_ = false;
  bp_status fault_ = BP_OK;  // a part or the answer is missing
  std::uint64_t credits_ = 0;
  Failure end_;
  Bytes answer_;

  // The coroutine that waits, with the lock
  CoroutineSlot slot_{mutex_};
  struct {
    Awaited what = Awaited::part;
    std::uint64_t seen = 0;
  } want_;
  bool moment_ = false, ticks_ = false;
};

}  // namespace backplane::client::detail
