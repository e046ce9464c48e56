// SPDX-License-Identifier: Apache-2.0
//
// Context: where calls are made and events are heard, in this process or over a connection.
#pragma once

#include "async_stream.hpp"
#include "function.hpp"
#include "keeper.hpp"
#include "method.hpp"
#include "modules.hpp"

namespace backplane::client {
namespace detail {

/// Throws CallError if the library has another major version than these headers.
inline void check_library(std::uint32_t abi = bp_abi_version(), std::string_view version = bp_version()) {
  if (abi >> 16 == BP_ABI_MAJOR) return;
  throw CallError({BP_NOT_SUPPORTED,
                   join("found libbackplane ", version, " with ABI ", abi >> 16, ".", abi & 0xffff, "; expected ABI ",
                        BP_ABI_MAJOR, ".x, as of the headers ", BP_VERSION_STRING,
                        "; compile the application with the headers of the library, or install that version"),
                   {},
                   "libbackplane"});
}

}  // namespace detail

/// A context in this process (Host::context()), or one that a running host serves (connect()). All functions work on
/// both alike, unless they say otherwise. Any thread may call any of them, except a move, while the Context lives.
///
/// The destructor stops it: accepted calls have the time of the context's option to finish, the rest is canceled, and
/// each gets its one answer. It waits for that. Listeners, host functions and method handles may live longer: they do
/// nothing then. On a thread of the host the destructor does not wait, and another thread does the rest.
class Context : public Modules<Context> {
 public:
  /// Connects to a running host. Throws CallError if the first attempt fails.
  static Context connect(ConnectOptions options = {}) {
    detail::check_library();
    detail::check(options.reconnect);
    auto core =
        std::make_shared<detail::Core>(detail::Core::Kind::connected, options.executor, options.reconnect.enabled);
    Context made(core, std::make_shared<detail::Keeper>(core, std::move(options)));
    made.keeper_->connect();
    return made;
  }
  /// As Host::context().
  static Context embedded(ContextOptions options = {}) {
    detail::check_library();
    options.native.struct_size = sizeof options.native;
    detail::NativeResult why;
    bp_context native{};
    const bp_status status = bp_context_create(&options.native, &native, &why);
    if (status != BP_OK) {
      Failure failure = why.failure("a new context");
      failure.status = status;
      throw CallError(std::move(failure));
    }
    auto core = std::make_shared<detail::Core>(detail::Core::Kind::embedded, options.executor, false);
    core->publish(native);
    ConnectOptions common;
    common.on_interface_change = std::move(options.on_interface_change);
    return Context(core, std::make_shared<detail::Keeper>(core, std::move(common)));
  }

  Context(Context&&) noexcept = default;
  Context& operator=(Context&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(keeper_, other.keeper_);
    return *this;
  }
  ~Context() { end(); }

  // ---- Calls. `name`: a wire name. Request: a wire type, Raw, View, or nothing ----

  /// Calls and waits for the answer. Throws CallError. Partial replies are dropped.
  template <class Reply, class Request = Empty>
  Reply call(std::string_view name, const Request& request = {}, const CallOptions& options = {}) const {
    return try_call<Reply>(name, request, options).value();
  }
  /// The same without an exception: all errors are in the Result, also those of encoding and decoding.
  template <class Reply, class Request = Empty>
  Result<Reply> try_call(std::string_view name, const Request& request = {},
                         const CallOptions& options = {}) const noexcept {
    return detail::call<Reply>(*core_, {name}, request, options);
  }
  /// Calls, and gives the answer to a future, whose get() throws CallError.
  template <class Reply, class Request = Empty>
  std::future<Reply> async(std::string_view name, const Request& request = {}, const CallOptions& options = {}) const {
    return detail::future<Reply>(*core_, {name}, request, options);
  }
  /// Calls. `done` gets the Result<Reply> exactly once: on the executor, or on the thread that brings the answer, or
  /// before this returns if the call is refused. Throws std::bad_alloc; then `done` is not called.
  template <class Reply, class Request, class Done>
  PendingCall submit(std::string_view name, const Request& request, Done done, const CallOptions& options = {}) const {
    static_assert(std::is_invocable_v<Done&, Result<Reply>>, "the callback of submit<Reply>() takes a Result<Reply>");
    return detail::submit<Reply>(*core_, {name}, request, options, std::move(done));
  }
  /// Calls, for co_await: see AsyncCall. The await gives the Reply, or throws CallError. The second form takes a
  /// temporary request.
  template <class Reply, class Request = Empty>
  AsyncCall<Reply, true> call_async(std::string_view name, const Request& request = {},
                                    const CallOptions& options = {}) const {
    return detail::AsyncStart::call<Reply, true, false>(*core_, {name}, request, options);
  }
  template <class Reply, class Request>
  requires(!std::is_reference_v<Request>) AsyncCall<Reply, true, detail::breaks_in_await<Request>> call_async(
      std::string_view name, Request&& request, const CallOptions& options = {})
  const {
    return detail::AsyncStart::call<Reply, true, detail::breaks_in_await<Request>>(*core_, {name}, request, options);
  }
  /// The same; the await gives a Result<Reply>.
  template <class Reply, class Request = Empty>
  AsyncCall<Reply, false> try_call_async(std::string_view name, const Request& request = {},
                                         const CallOptions& options = {}) const {
    return detail::AsyncStart::call<Reply, false, false>(*core_, {name}, request, options);
  }
  template <class Reply, class Request>
  requires(!std::is_reference_v<Request>) AsyncCall<Reply, false, detail::breaks_in_await<Request>> try_call_async(
      std::string_view name, Request&& request, const CallOptions& options = {})
  const {
    return detail::AsyncStart::call<Reply, false, detail::breaks_in_await<Request>>(*core_, {name}, request, options);
  }
  /// Calls, and reads the partial replies as a range: see Stream.
  template <class Part, class Reply, class Request = Empty>
  Stream<Part, Reply> stream(std::string_view name, const Request& request = {},
                             const CallOptions& options = {}) const {
    return detail::stream<Part, Reply>(*core_, {name}, request, options);
  }
  /// The same for a coroutine: see AsyncStream.
  template <class Part, class Reply, class Request = Empty>
  AsyncStream<Part, Reply> stream_async(std::string_view name, const Request& request = {},
                                        const CallOptions& options = {}) const {
    return detail::begin_async<AsyncStream<Part, Reply>>(*core_, {name}, request, options, 0);
  }
  /// Calls with a request in parts, of which `first` is the first: see Upload.
  template <class Part, class Reply, class Answer = Raw, class First = Part>
  Upload<Part, Reply, Answer> upload(std::string_view name, const First& first, const CallOptions& options = {}) const {
    return detail::upload<Part, Reply, Answer>(*core_, {name}, first, options);
  }
  /// The same for a coroutine: see AsyncUpload.
  template <class Part, class Reply, class Answer = Raw, class First = Part>
  AsyncUpload<Part, Reply, Answer> upload_async(std::string_view name, const First& first,
                                                const CallOptions& options = {}) const {
    return detail::begin_async<AsyncUpload<Part, Reply, Answer>>(*core_, {name}, first, options, BP_SUBMIT_PARTS);
  }
  /// Resolves a wire name for many calls. A name that no module has is no error: its calls tell. Throws CallError.
  template <class Request, class Reply>
  Method<Request, Reply> method(std::string_view name) const {
    auto state = std::make_shared<detail::MethodState>(name);
    const bp_status status = core_->add(state);
    if (status != BP_OK) throw CallError(core_->refusal(name, status));
    if (keeper_->reports_interfaces() && keeper_->interfaces().track(name)) keeper_->look_soon();
    return Method<Request, Reply>(core_, std::move(state));
  }

  // ---- Events and host functions ----

  /// Listens to an event whose payload is a T. `pattern`: its name, or a prefix and "*"; then T may be Cbor.
  /// `on_event` takes (const T&) or (const T&, const EventInfo&). `on_gap` takes (const Gap&) and is called where
  /// events are lost, and after a reconnect; Listener::lost() counts in any case. Both run on the event thread of the
  /// context; the gap of a reconnect on a thread of the client. Never two at once. Throws CallError.
  template <class T, class OnEvent, class OnGap = detail::NoGap>
  Listener on(std::string_view pattern, OnEvent on_event, OnGap on_gap = {}, const ListenOptions& options = {}) const {
    return detail::listen<T>(core_, pattern, std::move(on_event), std::move(on_gap), options).value();
  }
  template <class T, class OnEvent>
  Listener on(std::string_view pattern, OnEvent on_event, const ListenOptions& options) const {
    return on<T>(pattern, std::move(on_event), detail::NoGap(), options);
  }

  /// Answers a host function: a C++ function Reply f(const Request&), Reply f(), Task<Reply> f(Request), or
  /// void f(Request, Completion<Reply>). It runs on the context's request thread and must not wait there. What it
  /// throws becomes the answer: an Error or CallError with its status, message and detail. Replaces an earlier one of
  /// this name. On a connection the host asks over the socket; if the connection breaks, the calls that wait for an
  /// answer end with BP_PROVIDER_LOST. Throws CallError: BP_NAME_TAKEN on a connection if somebody else provides it.
  template <class F>
  Provided provide(std::string_view name, F function) const {
    return detail::provide(core_, name, std::move(function)).value();
  }
  template <FixedText name, class F>
  Provided provide(F function) const {
    static_assert(backplane::detail::valid_wire_name(name.view()), "a host function is module.verb");
    return provide(name.view(), std::move(function));
  }

  // ---- Interfaces ----

  /// Relies on the interface of a module: its hash, as `backplane ls` shows it. Throws CallError (BP_BAD_PAYLOAD) if
  /// the module has another one, and BP_NOT_LOADED if no such module runs. It is checked again after each reload
  /// and reconnect: see CommonOptions::on_interface_change. A host without hashes fits any.
  void expect_interface(const std::string& module, const std::string& hash) const {
    for (const ModuleInfo& info : modules()) {
      if (info.name != module || info.state != "running") continue;  // an old generation may still drain
      if (info.interface_hash && *info.interface_hash != hash) {
        throw CallError(detail::make_failure(
            BP_BAD_PAYLOAD, module,
            join("found the interface ", *info.interface_hash, ", expected ", hash,
                 "; compare with `backplane inspect --against`, and build the application for it")));
      }
      keeper_->interfaces().expect(module, {hash, {}});
      return keeper_->watch_modules();
    }
    throw CallError(
        detail::make_failure(BP_NOT_LOADED, module, "found no such module, expected one that runs; load it"));
  }

  /// The same with the text of the interface that the application was built for. The host compares the two if the hash
  /// differs: a compatible change is none. Throws CallError (BP_INTERFACE_CHANGED), whose message names rule and
  /// member, and BP_NOT_FOUND if no such module runs.
  void expect_interface(const std::string& module, const std::string& hash, const std::string& cddl) const {
    detail::Interfaces::Built built{hash, cddl};
    if (const Failure failure = detail::check_built(native(), module, built); failure.status != BP_OK) {
      const bool stale = failure.status == BP_INVALID_HANDLE;
      throw CallError(stale ? core_->refusal(module, core_->absent()) : failure);
    }
    keeper_->interfaces().expect(module, std::move(built));
    keeper_->watch_modules();
  }

  // ---- The end ----

  /// No new calls from now on: they end with BP_CLOSED. Accepted calls go on.
  void close() const noexcept { bp_context_close(native()); }

  /// Ends all work: see bp_context_stop. `timeout` 0: the context's option. BP_TIMEOUT: a handler or callback does not
  /// return; it may be called again. The destructor frees the rest.
  bp_status stop(Milliseconds timeout = Milliseconds(0)) {
    core_->end();
    keeper_->stop();
    const bp_context now = native();
    return now.id == 0 ? BP_OK
                       : bp_context_stop(
                             now, static_cast<std::uint32_t>(std::clamp<std::int64_t>(timeout.count(), 0, UINT32_MAX)));
  }

  bool connected() const noexcept { return native().id != 0; }  ///< false while a connection is lost
  /// The native context; a reconnect replaces it. Zero while there is no connection.
  bp_context native() const noexcept { return core_->native(); }

 private:
  Context(std::shared_ptr<detail::Core> core, std::shared_ptr<detail::Keeper> keeper) noexcept
      : core_(std::move(core)), keeper_(std::move(keeper)) {}

  void end() noexcept {
    if (core_ == nullptr) return;
    core_->end();
    if (detail::OnHostThread::here() || detail::Keeper::here()) {  // which cannot wait for itself
      keeper_->fall_silent();
      std::thread([core = core_, keeper = keeper_] { finish(*core, keeper); }).detach();
    } else {
      finish(*core_, keeper_);
    }
  }
  static void finish(detail::Core& core, const std::shared_ptr<detail::Keeper>& keeper) noexcept {
    keeper->stop();
    const bp_context native = core.withdraw();
    if (native.id != 0 && core.destroy(native) == BP_TIMEOUT) detail::keep_until_gone(native, keeper);
  }

  std::shared_ptr<detail::Core> core_;
  std::shared_ptr<detail::Keeper> keeper_;
};

}  // namespace backplane::client
