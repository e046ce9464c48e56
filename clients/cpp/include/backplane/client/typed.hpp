// SPDX-License-Identifier: Apache-2.0
//
// What `backplane bindgen cpp` makes clients of modules from: wire names, events and host functions with their types.
// Each object here refers to its Context, which must stay where it is, and live longer.
#pragma once

#include "event_range.hpp"
#include "values.hpp"

namespace backplane::client {

/// Makes a generated client without a check of the interface: for a module that is loaded later.
struct Unchecked {};
inline constexpr Unchecked unchecked{};

/// A status that a module declares, and the type of its detail; void: none.
///   catch (const CallError& error) {
///     if (const auto place = forms::Error1001::of(error)) …    the detail: a std::optional<Point>
template <bp_status code, class D = void>
struct Declared {
  static constexpr bp_status status = code;
  using Detail = D;

  /// Returns the detail if `error` has this status and a detail that fits. Without a type of a detail: whether it has.
  static auto of(const CallError& error) noexcept { return of(error.status(), error.detail()); }
  static auto of(const Failure& failure) noexcept { return of(failure.status, failure.detail); }
  template <class T>
  static auto of(const Result<T>& result) noexcept {
    return of(result.status(), result.detail());
  }
  /// Whether `error` has this status.
  static bool is(const auto& error) noexcept {
    if constexpr (requires { error.status(); }) {
      return error.status() == code;
    } else {
      return error.status == code;
    }
  }

 private:
  static auto of(bp_status found, View detail) noexcept {
    if constexpr (std::is_void_v<D>) {
      return found == code;
    } else {
      std::optional<D> read;
      if (found != code || detail.empty()) return read;
      try {
        read.emplace(client::detail::read<D>(detail));
      } catch (...) {
        read.reset();
      }
      return read;
    }
  }
};

/// A wire name. Request is Empty if it takes none; then the functions have no such parameter.
template <FixedText wire, class Request, class Reply>
class TypedCall {
 public:
  static constexpr std::string_view name = wire.view();
  static constexpr bool takes_request = !std::is_same_v<Request, Empty>;

  explicit TypedCall(const Context& context) noexcept : context_(&context) {}

  /// Calls and waits for the answer. Throws CallError. Partial replies are dropped.
  Reply call(const Request& request, const CallOptions& options = {}) const requires takes_request {
    return context_->template call<Reply>(name, request, options);
  }
  Reply call(const CallOptions& options = {}) const requires(!takes_request) {
    return context_->template call<Reply>(name, Empty(), options);
  }
  Reply operator()(const Request& request, const CallOptions& options = {}) const requires takes_request {
    return call(request, options);
  }
  Reply operator()(const CallOptions& options = {}) const requires(!takes_request) { return call(options); }

  /// The same without an exception.
  Result<Reply> try_call(const Request& request,
                         const CallOptions& options = {}) const noexcept requires takes_request {
    return context_->template try_call<Reply>(name, request, options);
  }
  Result<Reply> try_call(const CallOptions& options = {}) const noexcept requires(!takes_request) {
    return context_->template try_call<Reply>(name, Empty(), options);
  }

  /// Calls, and gives the answer to a future, whose get() throws CallError.
  std::future<Reply> async(const Request& request, const CallOptions& options = {}) const requires takes_request {
    return context_->template async<Reply>(name, request, options);
  }
  std::future<Reply> async(const CallOptions& options = {}) const requires(!takes_request) {
    return context_->template async<Reply>(name, Empty(), options);
  }

  /// Calls. `done` gets the Result<Reply> exactly once: see Context::submit().
  template <class Done>
  PendingCall submit(const Request& request, Done done, const CallOptions& options = {}) const requires takes_request {
    return context_->template submit<Reply>(name, request, std::move(done), options);
  }
  template <class Done>
  PendingCall submit(Done done, const CallOptions& options = {}) const requires(!takes_request) {
    return context_->template submit<Reply>(name, Empty(), std::move(done), options);
  }

  /// Calls, for co_await: see AsyncCall. The await gives the Reply, or throws CallError.
  AsyncCall<Reply, true> call_async(const Request& request,
                                    const CallOptions& options = {}) const requires takes_request {
    return context_->template call_async<Reply>(name, request, options);
  }
  AsyncCall<Reply, true, detail::breaks_in_await<Request>> call_async(
      Request&& request, const CallOptions& options = {}) const requires takes_request {
    return context_->template call_async<Reply>(name, std::move(request), options);
  }
  AsyncCall<Reply, true> call_async(const CallOptions& options = {}) const requires(!takes_request) {
    static constexpr Empty nothing;
    return context_->template call_async<Reply>(name, nothing, options);
  }
  /// The same; the await gives a Result<Reply>.
  AsyncCall<Reply, false> try_call_async(const Request& request,
                                         const CallOptions& options = {}) const requires takes_request {
    return context_->template try_call_async<Reply>(name, request, options);
  }
  AsyncCall<Reply, false, detail::breaks_in_await<Request>> try_call_async(
      Request&& request, const CallOptions& options = {}) const requires takes_request {
    return context_->template try_call_async<Reply>(name, std::move(request), options);
  }
  AsyncCall<Reply, false> try_call_async(const CallOptions& options = {}) const requires(!takes_request) {
    static constexpr Empty nothing;
    return context_->template try_call_async<Reply>(name, nothing, options);
  }

 protected:
  const Context& context() const noexcept { return *context_; }

 private:
  const Context* context_;
};

/// A wire name that answers in parts: calling it gives them as a range, see Stream. call() and the others drop them.
template <FixedText wire, class Request, class Part, class Reply>
class TypedStream : public TypedCall<wire, Request, Reply> {
  using Base = TypedCall<wire, Request, Reply>;

 public:
  using Base::Base;

  Stream<Part, Reply> operator()(const Request& request,
                                 const CallOptions& options = {}) const requires Base::takes_request {
    return this->context().template stream<Part, Reply>(Base::name, request, options);
  }
  Stream<Part, Reply> operator()(const CallOptions& options = {}) const requires(!Base::takes_request) {
    return this->context().template stream<Part, Reply>(Base::name, Empty(), options);
  }

  /// The same for a coroutine: see AsyncStream.
  AsyncStream<Part, Reply> stream_async(const Request& request,
                                        const CallOptions& options = {}) const requires Base::takes_request {
    return this->context().template stream_async<Part, Reply>(Base::name, request, options);
  }
  AsyncStream<Part, Reply> stream_async(const CallOptions& options = {}) const requires(!Base::takes_request) {
    return this->context().template stream_async<Part, Reply>(Base::name, Empty(), options);
  }
};

/// A wire name whose request comes in parts. `Answer`: the parts of its answer; Raw: it has none.
template <FixedText wire, class First, class Part, class Answer, class Reply>
class TypedUpload {
 public:
  static constexpr std::string_view name = wire.view();

  explicit TypedUpload(const Context& context) noexcept : context_(&context) {}

  /// Begins the call. The Upload takes the parts, and gives the answer.
  Upload<Part, Reply, Answer> operator()(const First& first, const CallOptions& options = {}) const {
    return context_->template upload<Part, Reply, Answer>(name, first, options);
  }
  /// Sends all parts of a range, which may make them one by one, and returns the answer. Throws CallError.
  template <class Range>
  Reply send(const First& first, Range&& parts, const CallOptions& options = {}) const {
    auto upload = (*this)(first, options);
    for (auto&& part : parts) {
      if (!upload.part(part)) break;  // the call has ended; reply() tells how
    }
    return upload.reply();
  }
  /// Begins the call for a coroutine: see AsyncUpload.
  AsyncUpload<Part, Reply, Answer> upload_async(const First& first, const CallOptions& options = {}) const {
    return context_->template upload_async<Part, Reply, Answer>(name, first, options);
  }

 private:
  const Context* context_;
};

/// An event of a module. Payload is void if it carries nothing.
template <FixedText wire, class Payload>
class TypedEvent {
  using Read = std::conditional_t<std::is_void_v<Payload>, Cbor, Payload>;

 public:
  static constexpr std::string_view name = wire.view();

  explicit TypedEvent(const Context& context) noexcept : context_(&context) {}

  /// Listens: see Context::on(). `on_event` takes (const Payload&), (const Payload&, const EventInfo&) or ().
  template <class OnEvent, class OnGap = detail::NoGap>
  Listener operator()(OnEvent on_event, OnGap on_gap = {}, const ListenOptions& options = {}) const {
    if constexpr (std::is_invocable_v<OnEvent&>) {
      return context_->template on<Read>(
          name, [on_event = std::move(on_event)](const Read&) mutable { on_event(); }, std::move(on_gap), options);
    } else {
      return context_->template on<Read>(name, std::move(on_event), std::move(on_gap), options);
    }
  }
  template <class OnEvent>
  Listener operator()(OnEvent on_event, const ListenOptions& options) const {
    return (*this)(std::move(on_event), detail::NoGap(), options);
  }
  /// The events from now on as a range, which waits for each: see EventRange.
  EventRange<Read> range(const ListenOptions& options = {}, std::size_t most = 1024) const {
    return EventRange<Read>(*context_, name, options, most);
  }

 private:
  const Context* context_;
};

/// A host function that a module asks the application for.
template <FixedText wire, class Request, class Reply>
class TypedHostFunction {
 public:
  static constexpr std::string_view name = wire.view();

  explicit TypedHostFunction(const Context& context) noexcept : context_(&context) {}

  /// Answers it: see Context::provide() for the four forms of a function.
  template <class F>
  Provided operator()(F function) const {
    using S = detail::Signature<F>;
    static_assert(
        !S::takes_request || std::is_same_v<typename S::Request, Request> || std::is_same_v<typename S::Request, Raw>,
        "the function must take the request of this host function (see Request), or nothing");
    static_assert(std::is_same_v<typename S::Reply, Reply> || std::is_same_v<typename S::Reply, Raw>,
                  "the function must return the answer of this host function (see Reply), a Task of it, or void and "
                  "take a Completion of it");
    return context_->provide(name, std::move(function));
  }

 private:
  const Context* context_;
};

namespace detail {

/// Asks whether a program that was built for this interface may use the module. Throws CallError.
template <class AnyContext>
void expect(const AnyContext& context, std::string_view module, std::string_view hash, std::string_view cddl) {
  context.expect_interface(std::string(module), std::string(hash), std::string(cddl));
}

}  // namespace detail
}  // namespace backplane::client
