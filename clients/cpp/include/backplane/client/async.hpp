// SPDX-License-Identifier: Apache-2.0
//
// Calls that do not wait: with a callback, a future, or co_await.
#pragma once

#include <coroutine>
#include <future>

#include "call.hpp"

namespace backplane::client {

/// A call that was submitted with a callback. It may be copied, and need not be kept.
class PendingCall {
 public:
  PendingCall() = default;
  PendingCall(bp_context native, bp_request request) noexcept : native_(native), request_(request) {}
  /// Cancels the call. Its callback still comes, with BP_CANCELED unless an answer came first.
  void cancel() const noexcept {
    if (request_.id != 0) bp_cancel(native_, request_);
  }

 private:
  bp_context native_{};
  bp_request request_{};
};

namespace detail {

/// A call under way that somebody wants to hear of. Each of these holds it: the library until the terminal answer, the
/// executor until its job has run, and the owner.
class Operation : public Job {
 public:
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  void hold() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) free_(*this);
  }

  /// Submits the call. Returns BP_OK, or why it was refused; then no answer comes.
  template <class Request>
  bp_status start(Core& core, const Target& target, const Request& request, const CallOptions& options) {
    if (options.stop.stop_requested()) return BP_CANCELED;
    Output out(&buffers);
    write(out, request);
    bp_submission submission{};
    set_options(submission, options);
    fill(submission, out);
    submission.on_reply = on_reply;
    submission.user = this;
    hold();
    const bp_status status = core.submit(target, submission, &request_, native_);
    if (status != BP_OK) {
      release();
      return status;
    }
    if (submission.buffer != nullptr) out.taken();
    // The answer may have come already. This object is the owner's for now, so the token may still be watched.
    if (options.stop.stop_possible()) stop_.emplace(options.stop, Cancel{native_, request_});
    return BP_OK;
  }

  void cancel() const noexcept { bp_cancel(native_, request_); }
  PendingCall pending() const noexcept { return {native_, request_}; }
  std::string_view name() const noexcept { return {name_, name_size_}; }

 protected:
  using Free = void (*)(Operation&) noexcept;
  using Answered = void (*)(Operation&, const bp_answer&) noexcept;

  Operation(std::string_view name, Run runs, Free frees, Answered answers) noexcept
      : Job(runs), free_(frees), answered_(answers), name_size_(std::min(name.size(), sizeof name_)) {
    std::memcpy(name_, name.data(), name_size_);
  }
  ~Operation() = default;

 private:
  static void on_reply(void* user, const bp_answer* answer) {
    if (answer->status == BP_PARTIAL || answer->status == BP_STALE) return;
    const OnHostThread host_thread;
    auto& self = *static_cast<Operation*>(user);
    self.answered_(self, *answer);
    self.release();
  }

  const Free free_;
  const Answered answered_;
  std::atomic<std::uint32_t> holders_{1};
  bp_context native_{};
  bp_request request_{};
  std::optional<std::stop_callback<Cancel>> stop_;
  char name_[BP_WIRE_NAME_MAX];
  std::size_t name_size_;
};

/// A call whose Result a function gets, on the executor or on the host's thread.
template <class Reply, class Done>
class CallbackOperation final : public Operation {
 public:
  CallbackOperation(std::string_view name, Executor* executor, Done done)
      : Operation(name, run, free, answered), executor_(executor), done_(std::move(done)) {}

  /// Gives a Result on the calling thread.
  void give(Result<Reply>&& result) noexcept { guarded(name(), done_, std::move(result)); }

 private:
  static void free(Operation& self) noexcept { delete &static_cast<CallbackOperation&>(self); }
  static void answered(Operation& operation, const bp_answer& answer) noexcept {
    auto& self = static_cast<CallbackOperation&>(operation);
    Result<Reply> result = result_of<Reply>(self.name(), answer);
    if (self.executor_ == nullptr) return self.give(std::move(result));
    self.result_.emplace(std::move(result));
    self.hold();
    self.executor_->post(self);
  }
  static void run(Job& job) noexcept {
    auto& self = static_cast<CallbackOperation&>(job);
    self.give(std::move(*self.result_));
    self.release();
  }

  Executor* const executor_;
  Done done_;
  std::optional<Result<Reply>> result_;
};

/// A call that a coroutine may await.
template <class Reply>
class AwaitOperation final : public Operation {
 public:
  explicit AwaitOperation(std::string_view name) : Operation(name, run, free, answered) {}

  /// Sets the result of a call that was never accepted.
  void refuse(Failure failure) noexcept {
    result_.emplace(std::move(failure));
    state_.store(done, std::memory_order_release);
  }
  bool is_done() const noexcept { return state_.load(std::memory_order_acquire) == done; }

  /// Returns false if the answer is there already; then nothing resumes `waiting`.
  bool wait(std::coroutine_handle<> waiting, Executor* executor) noexcept {
    executor_ = executor;
    void* expected = nullptr;
    return state_.compare_exchange_strong(expected, waiting.address(), std::memory_order_acq_rel);
  }
  Result<Reply> take() noexcept { return std::move(*result_); }

  /// The owner does not want the answer any more. Nothing is resumed from now on.
  void abandon() noexcept {
    void* state = state_.load(std::memory_order_acquire);
    for (;;) {
      if (state == posting) {  // an executor is about to get the job; it must see what follows
        std::this_thread::yield();
        state = state_.load(std::memory_order_acquire);
      } else if (state_.compare_exchange_weak(state, abandoned, std::memory_order_acq_rel)) {
        break;
      }
    }
    if (state != done && state != posted) cancel();
    release();
  }

 private:
  // The states: nullptr: nobody waits yet. Else one of these, or the address of the coroutine that waits.
  static inline char marks[4];
  static inline void* const done = &marks[0];       // the answer is there, and nobody waits
  static inline void* const posting = &marks[1];    // the executor is being given the job
  static inline void* const posted = &marks[2];     // the job will resume the coroutine
  static inline void* const abandoned = &marks[3];  // the owner has gone

  static void free(Operation& self) noexcept { delete &static_cast<AwaitOperation&>(self); }

  static void answered(Operation& operation, const bp_answer& answer) noexcept {
    auto& self = static_cast<AwaitOperation&>(operation);
    // Only this call writes the result, and others read it after they have seen that it is done.
    self.result_.emplace(result_of<Reply>(self.name(), answer));
    void* state = self.state_.load(std::memory_order_acquire);
    for (;;) {
      if (state == abandoned) return;
      void* const next = state == nullptr || self.executor_ == nullptr ? done : posting;
      if (self.state_.compare_exchange_weak(state, next, std::memory_order_acq_rel)) break;
    }
    if (state == nullptr) return;
    if (self.executor_ == nullptr) {
      const InCallback inside;
      std::coroutine_handle<>::from_address(state).resume();
      return;
    }
    self.waiting_ = state;
    self.hold();
    Executor* const executor = self.executor_;
    executor->post(self);
    void* expected = posting;
    self.state_.compare_exchange_strong(expected, posted, std::memory_order_acq_rel);
  }

  static void run(Job& job) noexcept {
    auto& self = static_cast<AwaitOperation&>(job);
    void* state = self.state_.load(std::memory_order_acquire);
    while (state != abandoned && !self.state_.compare_exchange_weak(state, done, std::memory_order_acq_rel)) {
    }
    if (state != abandoned) {
      const InCallback inside;
      std::coroutine_handle<>::from_address(self.waiting_).resume();
    }
    self.release();
  }

  std::atomic<void*> state_{nullptr};
  Executor* executor_ = nullptr;
  void* waiting_ = nullptr;
  std::optional<Result<Reply>> result_;
};

struct AsyncStart;

// g++ 12 copies a temporary aggregate of a co_await expression bit by bit into the coroutine's frame, and destroys it
// there and where it was. Whether later versions do was not tried.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 15
inline constexpr bool breaks_temporaries = true;
#else
inline constexpr bool breaks_temporaries = false;
#endif
template <class Request>
inline constexpr bool breaks_in_await = breaks_temporaries && !std::is_trivially_destructible_v<Request>;

}  // namespace detail

/// A call under way: `co_await` it for its answer. It is submitted at once, so several may be under way before the
/// first is awaited. Destroying it cancels the call and drops its answer; so does destroying a coroutine that awaits
/// it.
///
/// The coroutine resumes on the executor of the call's options, else on that of its Task (see run()), else on that of
/// the context. Without one it resumes on the thread that brings the answer: the context's request thread, or the
/// reader of the connection. It must not wait there, except with co_await. No lock is held. If the answer is there
/// already, it goes on without a pause. Destroy a coroutine only on the thread where it resumes, or before its context
/// can answer: as with any coroutine, one that runs must not be destroyed.
///
/// `throws`: await gives a Reply and throws CallError. Otherwise it gives a Result<Reply>. `breaks`: the request was a
/// temporary that the compiler would destroy twice; then the call must be awaited in another statement.
template <class Reply, bool throws, bool breaks = false>
class [[nodiscard]] AsyncCall {
 public:
  AsyncCall(AsyncCall&& other) noexcept
      : operation_(std::exchange(other.operation_, nullptr)),
        of_call_(other.of_call_),
        of_context_(other.of_context_) {}
  AsyncCall& operator=(AsyncCall&& other) noexcept {
    std::swap(operation_, other.operation_);
    std::swap(of_call_, other.of_call_);
    std::swap(of_context_, other.of_context_);
    return *this;
  }
  ~AsyncCall() {
    if (operation_ != nullptr) operation_->abandon();
  }

  /// Cancels the call. Its answer still comes: BP_CANCELED, unless another came first.
  void cancel() const noexcept { operation_->cancel(); }

  /// What co_await uses.
  class Awaiter {
   public:
    explicit Awaiter(AsyncCall& call) noexcept : call_(call) {}
    bool await_ready() const noexcept { return call_.operation_->is_done(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
      Executor* executor = call_.of_call_;
      if constexpr (requires { waiting.promise().executor(); }) {
        if (executor == nullptr) executor = waiting.promise().executor();
      }
      return call_.operation_->wait(waiting, executor != nullptr ? executor : call_.of_context_);
    }
    std::conditional_t<throws, Reply, Result<Reply>> await_resume() {
      if constexpr (throws) {
        return call_.operation_->take().value();
      } else {
        return call_.operation_->take();
      }
    }

   private:
    AsyncCall& call_;
  };
  Awaiter operator co_await() & noexcept { return Awaiter(*this); }
  Awaiter operator co_await() && noexcept {
    static_assert(
        !breaks,
        "this g++ destroys a temporary request twice if it stands in the co_await expression: give the request "
        "a name, or write `auto call = context.call_async<…>(…);` and then `co_await call`");
    return Awaiter(*this);
  }

 private:
  friend struct detail::AsyncStart;
  AsyncCall(detail::AwaitOperation<Reply>* operation, Executor* of_call, Executor* of_context) noexcept
      : operation_(operation), of_call_(of_call), of_context_(of_context) {}

  detail::AwaitOperation<Reply>* operation_;
  Executor* of_call_;
  Executor* of_context_;
};

namespace detail {

struct AsyncStart {
  /// Submits a call for co_await. If it is refused, the await tells so. Throws std::bad_alloc.
  template <class Reply, bool throws, bool breaks, class Request>
  static AsyncCall<Reply, throws, breaks> call(Core& core, const Target& target, const Request& request,
                                               const CallOptions& options) {
    auto* const operation = new AwaitOperation<Reply>(target.name);
    AsyncCall<Reply, throws, breaks> call(operation, options.executor, core.executor());
    try {
      const bp_status status = operation->start(core, target, request, options);
      if (status != BP_OK) operation->refuse(core.refusal(target.name, status));
    } catch (...) {
      operation->refuse(failure_of_exception(target.name, "the request cannot be sent"));
    }
    return call;
  }
};

/// Submits a call whose Result `done` gets exactly once: on this thread before this returns, if the call is refused.
template <class Reply, class Request, class Done>
PendingCall submit(Core& core, const Target& target, const Request& request, const CallOptions& options, Done done) {
  Executor* const executor = options.executor != nullptr ? options.executor : core.executor();
  auto* const operation = new CallbackOperation<Reply, Done>(target.name, executor, std::move(done));
  PendingCall pending;
  try {
    const bp_status status = operation->start(core, target, request, options);
    if (status == BP_OK) {
      pending = operation->pending();
    } else {
      operation->give(core.refusal(target.name, status));
    }
  } catch (...) {
    operation->give(failure_of_exception(target.name, "the request cannot be sent"));
  }
  operation->release();
  return pending;
}

/// A call whose Result a future gets.
template <class Reply, class Request>
std::future<Reply> future(Core& core, const Target& target, const Request& request, CallOptions options) {
  std::promise<Reply> promise;
  std::future<Reply> future = promise.get_future();
  submit<Reply>(core, target, request, options, [promise = std::move(promise)](Result<Reply>&& result) mutable {
    try {
      if constexpr (std::is_void_v<Reply>) {
        std::move(result).value();
        promise.set_value();
      } else {
        promise.set_value(std::move(result).value());
      }
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
  });
  return future;
}

}  // namespace detail
}  // namespace backplane::client
