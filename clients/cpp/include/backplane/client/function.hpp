// SPDX-License-Identifier: Apache-2.0
//
// Host functions: what modules ask of the application.
#pragma once

#include <chrono>
#include <thread>

#include "listener.hpp"
#include "task.hpp"

namespace backplane::client {

/// The duty to answer one call of a host function. Move it to where the answer will be known; any thread may answer.
/// One that is destroyed without an answer answers BP_NO_REPLY.
template <class Reply>
class Completion {
 public:
  Completion(bp_context context, bp_token token) noexcept : context_(context), token_(token) {}
  Completion(Completion&& other) noexcept : context_(other.context_), token_(std::exchange(other.token_, 0)) {}
  Completion& operator=(Completion&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(token_, other.token_);
    return *this;
  }
  ~Completion() {
    if (token_ != 0) fail(BP_NO_REPLY, "the application dropped the call without an answer");
  }

  /// Answers. Returns false if nobody waits any more: the call was canceled, or its deadline has passed.
  template <class T = Reply>
  bool answer(const T& value) {
    detail::Output out(&detail::buffers);
    detail::write(out, value);
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.status = BP_OK;
    out.fill(answer);
    const bool taken = complete(answer);
    if (taken && answer.buffer != nullptr) out.taken();
    return taken;
  }
  bool answer() requires std::is_void_v<Reply> {
    static constexpr std::uint8_t null_item[] = {0xf6};
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.status = BP_OK;
    answer.payload = {null_item, sizeof null_item};
    return complete(answer);
  }
  /// Answers with an error. A status that is not terminal, such as BP_PARTIAL, makes it BP_EXCEPTION, and returns
  /// false.
  bool fail(bp_status status, std::string_view message, View detail = {}) noexcept {
    bp_answer answer{};
    answer.struct_size = sizeof answer;
    answer.status = status;
    answer.message = detail::str(message);
    answer.detail = detail::bytes(detail);
    return complete(answer);
  }
  bool fail(const Error& error) noexcept { return fail(error.status(), error.message(), error.detail()); }
  /// Answers with the exception that is being handled. Call it only inside a catch block.
  bool fail_with_exception() noexcept {
    try {
      throw;
    } catch (const Error& e) {
      return fail(e);
    } catch (const std::bad_alloc&) {
      return fail(BP_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& e) {
      return fail(BP_EXCEPTION, backplane::detail::repaired_or_none(e.what()));
    } catch (...) {
      return fail(BP_EXCEPTION, "the function threw an object that is not a std::exception");
    }
  }

 private:
  bool complete(const bp_answer& answer) noexcept {
    const bp_token token = std::exchange(token_, 0);
    const bp_status status = bp_complete(context_, token, &answer);
    if (status == BP_OK || status == BP_STALE_TOKEN) return status == BP_OK;
    // The call must have some answer.
    bp_answer instead{};
    instead.struct_size = sizeof instead;
    instead.status = status == BP_INVALID_ARGUMENT ? static_cast<bp_status>(BP_EXCEPTION) : status;
    instead.message =
        status == BP_INVALID_ARGUMENT
            ? BP_STR("the application answered with a status that is not terminal, expected BP_OK or an error")
            : BP_STR("the answer cannot be sent");
    bp_complete(context_, token, &instead);
    return false;
  }

  bp_context context_;
  bp_token token_;
};

namespace detail {

/// The request and the answer of a host function, from its C++ function: Reply f(), Reply f(Request), Task<Reply>
/// f(Request), void f(Request, Completion<Reply>).
template <class R, class... A>
struct SignatureOf;

template <class R>
struct SignatureOf<R> {
  using Request = Empty;
  using Reply = R;
  static constexpr bool takes_request = false, completes = false, is_task = false;
};
template <class R, class A>
struct SignatureOf<R, A> {
  using Request = std::remove_cvref_t<A>;
  using Reply = R;
  static constexpr bool takes_request = true, completes = false, is_task = false;
};
template <class R>
struct SignatureOf<Task<R>> : SignatureOf<R> {
  static constexpr bool is_task = true;
};
template <class R, class A>
struct SignatureOf<Task<R>, A> : SignatureOf<R, A> {
  static constexpr bool is_task = true;
};
template <class A, class R>
struct SignatureOf<void, A, Completion<R>> {
  using Request = std::remove_cvref_t<A>;
  using Reply = R;
  static constexpr bool takes_request = true, completes = true, is_task = false;
};
template <class R>
struct SignatureOf<void, Completion<R>> {
  using Request = Empty;
  using Reply = R;
  static constexpr bool takes_request = false, completes = true, is_task = false;
};

template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... A>
struct Signature<R (*)(A...)> : SignatureOf<R, A...> {};
template <class R, class... A>
struct Signature<R (*)(A...) noexcept> : SignatureOf<R, A...> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> : SignatureOf<R, A...> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> : SignatureOf<R, A...> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) noexcept> : SignatureOf<R, A...> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const noexcept> : SignatureOf<R, A...> {};

class FunctionState : public Attachment, public std::enable_shared_from_this<FunctionState> {
 public:
  bp_status attach(bp_context native) noexcept override {
    const bool again = attached_.load();
    bp_status status = give(native);
    // After a reconnect, the host may not have noticed yet that the old connection has gone.
    for (auto wait = std::chrono::milliseconds(5); again && status == BP_NAME_TAKEN; wait *= 2) {
      if (wait > std::chrono::seconds(1) || removed_.load()) break;
      std::this_thread::sleep_for(wait);
      status = give(native);
    }
    if (status == BP_OK) attached_.store(true);
    if (removed_.load()) withdraw();
    return status;
  }
  void remove() noexcept {
    removed_.store(true);
    withdraw();
    if (FunctionNames::Running::here()) return;
    // One that has replaced itself may still run: for the host, it is gone.
    for (std::uint32_t now; (now = running_.load()) != 0;) running_.wait(now);
  }

 protected:
  /// The Core of `names` outlives attach() and remove().
  FunctionState(std::string_view name, FunctionNames& names) : Attachment(name), names_(names) {}
  virtual void call(bp_context context, bp_token token, View payload) noexcept = 0;

 private:
  bp_status give(bp_context native) noexcept {
    try {
      return names_.give(native, name(), on_call, shared_from_this());
    } catch (...) {
      return BP_OUT_OF_MEMORY;
    }
  }
  void withdraw() noexcept { names_.withdraw(name(), static_cast<const FunctionState*>(this), on_call); }

  static void on_call(void* user, bp_context context, bp_token token, bp_str, bp_bytes payload) noexcept {
    const OnHostThread host_thread;
    const FunctionNames::Running running;
    const auto self = static_cast<FunctionState*>(user)->shared_from_this();
    self->running_.fetch_add(1);
    if (self->removed_.load()) {
      Completion<void>(context, token).fail(BP_NO_HOST_FUNCTION, "the application has just withdrawn this function");
    } else {
      self->call(context, token, view(payload));
    }
    self->running_.fetch_sub(1);
    self->running_.notify_all();
  }

  FunctionNames& names_;
  std::atomic<bool> attached_{false}, removed_{false};
  std::atomic<std::uint32_t> running_{0};
};

/// Answers what a task gives. `alive` keeps the function object, which the task may refer to.
template <class Reply>
Root answer_task(Executor*, Task<Reply> task, Completion<Reply> completion, std::shared_ptr<FunctionState>) {
  try {
    if constexpr (std::is_void_v<Reply>) {
      co_await task;
      completion.answer();
    } else {
      completion.answer(co_await task);
    }
  } catch (...) {
    completion.fail_with_exception();
  }
}

template <class F>
class TypedFunction final : public FunctionState {
  using S = Signature<F>;
  using Request = typename S::Request;
  using Reply = typename S::Reply;

 public:
  TypedFunction(std::string_view name, F function, Core& core)
      : FunctionState(name, core.function_names()), function_(std::move(function)), executor_(core.executor()) {}

 private:
  void call(bp_context context, bp_token token, View payload) noexcept override {
    Completion<Reply> completion(context, token);
    std::optional<Request> request;
    try {
      if constexpr (S::takes_request) request.emplace(read_request<Request>(payload));
    } catch (...) {
      completion.fail_with_exception();
      return;
    }
    try {
      if constexpr (S::completes) {
        run(request, std::move(completion));
      } else if constexpr (S::is_task) {
        auto task = run(request);
        answer_task<Reply>(executor_, std::move(task), std::move(completion), shared_from_this());
      } else if constexpr (std::is_void_v<Reply>) {
        run(request);
        completion.answer();
      } else {
        completion.answer(run(request));
      }
    } catch (...) {
      if constexpr (S::completes) {
        log_exception(name());  // its completion has answered
      } else {
        completion.fail_with_exception();
      }
    }
  }

  template <class... More>
  auto run(std::optional<Request>& request, More&&... more) {
    if constexpr (S::takes_request) {
      return function_(std::move(*request), std::forward<More>(more)...);
    } else {
      return function_(std::forward<More>(more)...);
    }
  }

  F function_;
  Executor* const executor_;
};

}  // namespace detail

/// A host function, until it is destroyed: then modules get no_host_function. On a connection it comes back after a
/// reconnect. When the destructor returns, the function
/// does not run any more. Tasks of it that wait go on.
class [[nodiscard]] Provided : public detail::Held<detail::FunctionState> {
 public:
  using Held::Held;
};

namespace detail {

template <class F>
Result<Provided> provide(const std::shared_ptr<Core>& core, std::string_view name, F function) {
  auto state = std::make_shared<TypedFunction<F>>(name, std::move(function), *core);
  const bp_status status = core->add(state);
  if (status == BP_OK) return Provided(core, std::move(state));
  Failure failure = core->refusal(name, status);
  if (status == BP_NOT_SUPPORTED) {
    failure.message =
        "found a host that is too old for host functions of a connection; expected a newer one: update it, embed the "
        "host, or load a module there that offers this function";
  } else if (status == BP_NAME_TAKEN) {
    failure.message = "the host itself or another connection provides this host function; withdraw it there first";
  } else if (status == BP_OVERLOADED) {
    failure.message =
        "this connection provides as many host functions as the host allows (functions_per_connection); withdraw some";
  }
  return failure;
}

}  // namespace detail
}  // namespace backplane::client
