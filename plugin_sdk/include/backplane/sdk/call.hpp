// SPDX-License-Identifier: Apache-2.0
//
// The request that a handler runs for: wait, call others, answer in parts.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "exceptions.hpp"
#include "instance.hpp"
#include "reply.hpp"

namespace backplane {

using Milliseconds = std::chrono::milliseconds;

/// A stack: the bytes from `low` to below `high`. It grows down towards `low`.
struct StackBounds {
  const std::byte* low;
  const std::byte* high;
};

/// The request of a handler. A handler that takes a `Call&` may wait. Other requests of the context run meanwhile, so
/// the module's state may have changed after a wait. If the request is canceled or its deadline passes, the current and
/// every later wait throw Canceled.
class Call {
 public:
  Call(const bp_call* native, Instance& instance) : native_(native), instance_(instance) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Instance& instance() noexcept { return instance_; }
  std::string_view name() const noexcept { return detail::view(native_->name); }
  /// The encoded request. It is valid until the handler returns.
  View payload() const noexcept { return detail::view(native_->payload); }

  void sleep(Milliseconds duration) { settle(detail::suspending(await().sleep, token(), count(duration)), "sleep"); }
  /// Lets other requests run, then returns.
  void yield() { sleep(Milliseconds(0)); }

  /// Waits until a descriptor is ready for BP_FD_READABLE, BP_FD_WRITABLE or both. It must stay open meanwhile.
  /// Returns true.
  bool wait_fd(int fd, std::uint32_t events) {
    settle(detail::suspending(await().fd, token(), fd, events, 0), "wait for a descriptor");
    return true;
  }
  /// The same for at most `timeout`. Returns false if it is not ready by then. With 0 it does not wait: it says whether
  /// the descriptor is ready now.
  bool wait_fd(int fd, std::uint32_t events, Milliseconds timeout) {
    if (timeout <= Milliseconds(0)) return is_ready(fd, events);
    const bp_status status = detail::suspending(await().fd, token(), fd, events, count(timeout));
    if (status == BP_TIMEOUT) return false;
    settle(status, "wait for a descriptor");
    return true;
  }

  /// Calls another wire name of this context and returns its answer. Throws Error if the answer is an error or does not
  /// fit Reply; void fits anything. `timeout` 0 means no limit except this request's own deadline. Members of the
  /// answer that Reply does not have are ignored; with `strict` they are an error.
  template <class Reply, class Request>
  Reply call(std::string_view name, const Request& request, Milliseconds timeout = Milliseconds(0),
             Reading reading = lenient) {
    return outward<Reply>(await().call, name, request, timeout, reading);
  }
  template <detail::CallsEntry C>
  typename C::Reply call(C, const typename C::Request& request, Milliseconds timeout = Milliseconds(0)) {
    return outward<typename C::Reply>(await().call, C::name.view(), request, timeout, C::reading);
  }
  /// The same for calls<name, void, Reply>.
  template <detail::CallsNothing C>
  typename C::Reply call(C, Milliseconds timeout = Milliseconds(0)) {
    return outward<typename C::Reply>(await().call, C::name.view(), detail::Nothing(), timeout, C::reading);
  }

  /// Calls a host function: the application's of that name, or else a module's. The rest is as for call().
  template <class Reply, class Request>
  Reply host_call(std::string_view name, const Request& request, Milliseconds timeout = Milliseconds(0),
                  Reading reading = lenient) {
    return outward<Reply>(await().host_call, name, request, timeout, reading);
  }
  template <detail::CallsEntry C>
  typename C::Reply host_call(C, const typename C::Request& request, Milliseconds timeout = Milliseconds(0)) {
    return outward<typename C::Reply>(await().host_call, C::name.view(), request, timeout, C::reading);
  }
  template <detail::CallsNothing C>
  typename C::Reply host_call(C, Milliseconds timeout = Milliseconds(0)) {
    return outward<typename C::Reply>(await().host_call, C::name.view(), detail::Nothing(), timeout, C::reading);
  }

  /// Calls another wire name with raw bytes and returns the raw answer, without CBOR.
  Bytes call_raw(std::string_view name, View request, Milliseconds timeout = Milliseconds(0)) {
    return outward<Bytes>(await().call, name, request, timeout);
  }
  Bytes host_call_raw(std::string_view name, View request, Milliseconds timeout = Milliseconds(0)) {
    return outward<Bytes>(await().host_call, name, request, timeout);
  }

  /// Throws Canceled if the request is no longer wanted. It is for handlers that compute for long without waiting.
  void check() { settle(await().check(token(), nullptr), "check"); }
  /// Returns the time until the request's deadline, or nullopt if it has none. Throws as check() does.
  std::optional<Milliseconds> remaining() {
    std::uint64_t ms = UINT64_MAX;
    settle(await().check(token(), &ms), "check");
    if (ms > static_cast<std::uint64_t>(Milliseconds::max().count())) return std::nullopt;
    return Milliseconds(static_cast<std::int64_t>(ms));
  }

  /// Returns the stack that the calling code runs on: that of the handler, of the fiber that calls this, or of the
  /// worker thread. Interpreters and garbage collectors that want to know their stack need this, because handlers do
  /// not run on the stack that pthread_getattr_np() gives. Throws Error (BP_NOT_SUPPORTED) on an older host, and
  /// outside of the handler.
  StackBounds stack() const {
    const bp_await_api& api = await();
    const bool known = api.struct_size >= offsetof(bp_await_api, stack) + sizeof api.stack && api.stack != nullptr;
    bp_stack found{};
    found.struct_size = sizeof found;
    settle(known ? api.stack(token(), &found) : static_cast<bp_status>(BP_NOT_SUPPORTED), "find the stack");
    return {static_cast<const std::byte*>(found.low), static_cast<const std::byte*>(found.high)};
  }
  /// Returns how many bytes of it are left. Code that recurses may ask before it goes deeper. A call costs about as
  /// much as check(); in a tight recursion, keep stack().low and compare with the address of a local variable.
  [[gnu::noinline]] std::size_t stack_left() const {
    const auto* const here = static_cast<const std::byte*>(__builtin_frame_address(0));
    const StackBounds bounds = stack();
    return here <= bounds.low || here > bounds.high ? 0 : static_cast<std::size_t>(here - bounds.low);
  }

  /// The same functions as in Instance.
  template <FixedText name, class T, detail::Option... o>
  bp_status emit(Event<name, T, o...> event, const std::type_identity_t<T>& payload) {
    return instance_.emit(event, payload);
  }
  template <class T>
  bp_status emit(std::string_view name, const T& payload) {
    return instance_.emit(name, payload);
  }
  /// As emit(), but waits until each listener that asked to lose none can take the event, at most for `timeout`
  /// (at least 1 ms). Returns false if one could not within that; then the event was not emitted. Throws Canceled if
  /// the call is no longer wanted, and Error if the event is refused.
  template <FixedText name, class T, detail::Option... o>
  bool emit_wait(Event<name, T, o...>, const std::type_identity_t<T>& payload,
                 Milliseconds timeout = Milliseconds(1000)) {
    return emit_wait(name.view(), payload, timeout);
  }
  template <class T>
  bool emit_wait(std::string_view name, const T& payload, Milliseconds timeout = Milliseconds(1000)) {
    detail::Output out;
    detail::Encoder encoder(out);
    Codec<T>::encode(encoder, payload);
    const bp_event_api* const api = detail::host.event;
    if (api == nullptr) detail::no_extension(BP_EXT_EVENT);
    const bool waits = api->struct_size >= offsetof(bp_event_api, emit_wait) + sizeof api->emit_wait;
    const std::uint64_t wait_ms = count(timeout) == 0 ? 1 : count(timeout);  // 0 would mean the default
    const bp_status status =
        waits ? detail::suspending(api->emit_wait, token(), detail::str(name), detail::bytes(out.view()),
                                   BP_EVENT_TYPED, wait_ms)
              : instance_.emit_raw(name, out.view(), BP_EVENT_TYPED);  // an older host has no such listeners
    if (status == BP_TIMEOUT) return false;
    settle(status, "the event was refused");
    return true;
  }
  template <class... Parts>
  void log(Level level, const Parts&... parts) const {
    backplane::log(level, parts...);
  }

  bp_token token() const noexcept { return native_->token; }

 protected:
  /// An answer from the host. The destructor frees it.
  struct Answer : bp_result {
    Answer() : bp_result{} { struct_size = sizeof(bp_result); }
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    ~Answer() { detail::host.api->result_free(this); }
  };

  static const bp_await_api& await() {
    if (detail::host.await == nullptr) detail::no_extension(BP_EXT_AWAIT);
    return *detail::host.await;
  }
  static bool has_parts(const bp_await_api& api) noexcept {
    return api.struct_size >= offsetof(bp_await_api, next_part) + sizeof api.next_part;
  }
  static std::uint64_t count(Milliseconds duration) {
    return duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
  }

  static void settle(bp_status status, const char* what) {
    if (status == BP_OK) return;
    if (status == BP_CANCELED || status == BP_DEADLINE) throw Canceled{status};
    throw Error(status, join(what, ": the host answered ", status_name(status)));
  }

 private:
  bool is_ready(int fd, std::uint32_t events) {
    check();
    pollfd asked{fd, 0, 0};
    if ((events & BP_FD_READABLE) != 0) asked.events |= POLLIN;
    if ((events & BP_FD_WRITABLE) != 0) asked.events |= POLLOUT;
    const bool found = ::poll(&asked, 1, 0) == 1;
    if ((asked.revents & POLLNVAL) != 0) settle(BP_IO, "look at a descriptor");
    return found;
  }

  using Outward = bp_status (*)(bp_token, bp_str, bp_bytes, std::uint64_t, bp_result*);

  template <class Reply, class Request>
  Reply outward(Outward function, std::string_view name, const Request& request, Milliseconds timeout,
                Reading reading = lenient) {
    Answer answer;
    if constexpr (std::is_same_v<Request, View>) {
      send(function, name, request, timeout, answer);
      return Bytes(detail::view(answer.payload).begin(), detail::view(answer.payload).end());
    } else {
      {
        detail::Output out;
        detail::Encoder encoder(out);
        Codec<Request>::encode(encoder, request);
        send(function, name, out.view(), timeout, answer);
      }
      if constexpr (!std::is_void_v<Reply>) return read<Reply>(name, answer, reading);
    }
  }

  void send(Outward function, std::string_view name, View request, Milliseconds timeout, Answer& answer) {
    const bp_status status = detail::suspending(function, token(), detail::str(name), detail::bytes(request),
                                                count(timeout), static_cast<bp_result*>(&answer));
    if (status == BP_OK) return;
    // If this request is canceled or late, that is Canceled. If only the other side was, that is an Error.
    if (status == BP_CANCELED || status == BP_DEADLINE) check();
    const std::string_view message = detail::view(answer.message);
    Error error(status, message.empty() ? join(name, ": answered ", status_name(status)) : std::string(message));
    error.set_detail(detail::view(answer.detail));
    throw error;
  }

  template <class Reply>
  static Reply read(std::string_view name, const Answer& answer, Reading reading) {
    try {
      return decode<Reply>(detail::view(answer.payload), reading);
    } catch (const DecodeError& e) {
      throw Error(BP_ERROR, join("the answer of ", name, " has another form than expected: ", e.message()));
    }
  }

  const bp_call* native_;
  Instance& instance_;
};

/// The request of a handler that answers in parts. Each part is a `Part`; the handler returns the terminal answer.
template <class Part>
class Stream : public Call {
 public:
  using Call::Call;

  /// Sends one part. If the caller is not ready for it, waits until it is. Throws Canceled if the call is no longer
  /// wanted.
  void partial(const Part& part) { sent(send_part(part, Milliseconds(0))); }
  /// The same, and waits at most for `timeout`, which is more than 0. Returns false if the caller was not ready within
  /// that; then nothing is sent.
  bool partial(const Part& part, Milliseconds timeout) {
    const bp_status status = send_part(part, timeout);
    if (status == BP_TIMEOUT) return false;
    sent(status);
    return true;
  }
  /// Sends one part if the caller is ready for it. Does not wait. Returns false if it is not.
  bool try_partial(const Part& part) {
    const bp_status status = detail::reply_value(token(), BP_PARTIAL, part);
    if (status == BP_WOULD_BLOCK) return false;
    sent(status);
    return true;
  }

 private:
  bp_status send_part(const Part& part, Milliseconds timeout) {
    const bp_await_api& api = await();
    if (!has_parts(api)) return detail::reply_value(token(), BP_PARTIAL, part);  // an older host takes any number
    return detail::answer_value<Part>(BP_PARTIAL, part, [&](const bp_answer& answer) {
      return detail::suspending(api.part, token(), &answer, count(timeout));
    });
  }
  void sent(bp_status status) {
    if (status == BP_OK) return;
    if (status != BP_STALE_TOKEN) settle(status, "a partial answer was refused");
    check();
    throw Canceled{BP_CANCELED};
  }
};

/// The further parts of a request that comes in parts. The handler's request is the first part. A caller that sends the
/// request whole sends no further part.
template <class Part>
class Input : private Call {
 public:
  using Call::Call;

  /// Waits for the next part. Returns nullopt after the last. Throws Canceled if the call is no longer wanted, Error
  /// with BP_BAD_PAYLOAD if the part is no `Part`, and Error with BP_TIMEOUT after `timeout` (0: no limit). The message
  /// of a bad part has its number; the handler's request is part 1.
  std::optional<Part> next(Milliseconds timeout = Milliseconds(0)) {
    Answer part;
    if (!take(part, timeout)) return std::nullopt;
    try {
      return decode<Part>(detail::view(part.payload));
    } catch (const DecodeError& error) {
      throw DecodeError("part " + std::to_string(parts_) + " of the request: " + error.message());
    }
  }
  /// The same, with the bytes of the part as they came.
  std::optional<Bytes> next_raw(Milliseconds timeout = Milliseconds(0)) {
    Answer part;
    if (!take(part, timeout)) return std::nullopt;
    const View bytes = detail::view(part.payload);
    return Bytes(bytes.begin(), bytes.end());
  }

 private:
  bool take(Answer& part, Milliseconds timeout) {
    const bp_await_api& api = await();
    if (!has_parts(api)) return false;  // on an older host no request comes in parts
    const bp_status status = detail::suspending(api.next_part, token(), count(timeout), static_cast<bp_result*>(&part));
    if (status == BP_PARTIAL) {
      ++parts_;
      return true;
    }
    settle(status, "the next part of the request");
    return false;
  }

  std::uint64_t parts_ = 1;  // that have come, with the request
};

}  // namespace backplane
