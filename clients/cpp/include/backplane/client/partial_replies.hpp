// SPDX-License-Identifier: Apache-2.0
//
// The partial replies of a call on their way from the host's thread to the reader's.
#pragma once

#include <condition_variable>
#include <deque>

#include "call.hpp"

namespace backplane::client::detail {

/// The state that a reader of partial replies and the library share. Either of them may be the last to use it.
class PartialReplies : public std::enable_shared_from_this<PartialReplies> {
 public:
  explicit PartialReplies(std::string_view name) : name_(name) {}

  std::string_view name() const noexcept { return name_; }

  /// Submits the call. After an error, the call has ended with it.
  template <class Request>
  void start(Core& core, const Target& target, const Request& request, const CallOptions& options,
             std::uint32_t flags = 0) {
    const bp_context now = core.native();
    if (now.id != 0 && !core.may_wait(now)) return refuse(core.refusal(name_, BP_REENTRANT));
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
    done_with(taken_);
    taken_ = 0;
    if (reading_.at == reading_.sizes.size() && !refill()) return false;
    const std::size_t size = reading_.sizes[reading_.at++];
    part = {reading_.data.data() + reading_.begin, size};
    reading_.begin += size;
    taken_ = size == 0 ? 1 : size;
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
    due_ += std::exchange(taken_, 0);
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

  static void on_reply(void* user, const bp_answer* answer) noexcept {
    if (answer->status == BP_STALE) return;
    auto& self = *static_cast<PartialReplies*>(user);
    if (answer->status == BP_PARTIAL) return self.add(*answer);
    const std::shared_ptr<PartialReplies> last = std::move(self.self_);
    self.finish(*answer);
  }

  static void on_credit(void* user, std::uint64_t) noexcept {
    auto& self = *static_cast<PartialReplies*>(user);
    const std::lock_guard lock(self.mutex_);
    ++self.credits_;
    self.changed_.notify_all();
  }

  void add(const bp_answer& answer) noexcept {
    const std::lock_guard lock(mutex_);
    if (left_ || fault_ != BP_OK) return;
    const bool over = incoming_.data.size() + answer.payload.size > most_bytes_ || incoming_.sizes.size() >= most_parts;
    if (most_bytes_ != 0 && !incoming_.sizes.empty() && over) {
      fault_ = BP_PROTOCOL;
      changed_.notify_all();
      return;
    }
    try {
      incoming_.sizes.reserve(incoming_.sizes.size() + 1);
      incoming_.data.insert(incoming_.data.end(), view(answer.payload).begin(), view(answer.payload).end());
      incoming_.sizes.push_back(answer.payload.size);
    } catch (...) {
      fault_ = BP_OUT_OF_MEMORY;  // a stream with a hole is worse than one that ends
    }
    changed_.notify_all();
  }

  void finish(const bp_answer& answer) noexcept {
    const std::lock_guard lock(mutex_);
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
    changed_.notify_all();
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
    if (fault_ == BP_PROTOCOL) {
      end_ = make_failure(fault_, name_,
                          "the host sent more parts than the window of this call allows; the call was canceled");
    } else if (fault_ != BP_OK) {
      end_ = make_failure(fault_, name_, "there was no memory for a part or the answer");
    }
    return false;
  }

  // Credit goes in portions, because each is a message to the host. Before a wait, all of it goes.
  void done_with(std::size_t bytes) noexcept {
    if (bytes == 0) return;
    due_ += bytes;
    if (++due_parts_ >= 16 || due_ >= 16384) give_credit();
  }
  void give_credit() noexcept {
    if (due_ == 0) return;
    const bp_status status = bp_request_credit(native_, request_, due_);
    if (status != BP_OVERLOADED && status != BP_OUT_OF_MEMORY) due_ = due_parts_ = 0;
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
  std::uint64_t due_ = 0, due_parts_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  Batch incoming_;
  bool left_ = false, ended_ = false;
  bp_status fault_ = BP_OK;  // a part or the answer is missing
  std::uint64_t credits_ = 0;
  Failure end_;
  Bytes answer_;
};

}  // namespace backplane::client::detail
