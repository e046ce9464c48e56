// SPDX-License-Identifier: Apache-2.0
//
// Calls the author's function from the C handler and answers with its result. No exception leaves this code.
#pragma once

#include <backplane/cbor/head.hpp>

#include "shape.hpp"

namespace backplane::detail {

/// The state of an instance, as the host keeps it.
template <class Class>
struct State {
  Instance instance;
  Class object;

  explicit State(bp_instance* native) requires std::is_constructible_v<Class, Instance&> : instance(native),
                                                                                           object(instance) {}
  explicit State(bp_instance* native) requires(!std::is_constructible_v<Class, Instance&> &&
                                               std::is_default_constructible_v<Class>)
      : instance(native), object() {}
};

/// Reads the payload. An empty payload counts as an empty map, for the convenience of callers.
template <class Request>
Request read_request(View payload) {
  constexpr std::uint8_t empty_map[] = {cbor::empty_map};
  if constexpr (std::is_same_v<Request, View>) {
    return payload;
  } else if constexpr (std::is_same_v<Request, Nothing>) {
    if (payload.empty() || (payload.size() == 1 && (payload[0] == cbor::empty_map || payload[0] == 0xf6))) return {};
    return decode<Nothing>(payload);
  } else if constexpr (DescribedStruct<Request>) {
    return decode<Request>(payload.empty() ? View(empty_map) : payload);
  } else {
    return decode<Request>(payload);
  }
}

/// Stands in a Frame for an argument that the handler does not take.
struct Unasked {
  template <class... T>
  explicit Unasked(T&&...) {}
};

/// The arguments of one run of a handler.
template <class Class, class S>
struct Frame {
  Frame(const bp_call* native, State<Class>& in)
      : state(in),
        call(native, in.instance),
        input(native, in.instance),
        later(native->token),
        request(read(native)),
        fibers(open()) {}

  typename S::Request read(const bp_call* native) {
    try {
      return read_request<typename S::Request>(view(native->payload));
    } catch (...) {
      give_up();
      throw;
    }
  }

  auto open() {
    if constexpr (S::takes_fibers) {
      try {
        return Fibers(call);
      } catch (...) {
        give_up();
        throw;
      }
    } else {
      return Unasked();
    }
  }

  /// After an exception: whether the trampoline must still answer the call.
  bool give_up() noexcept {
    if constexpr (S::answers_later) {
      return later.release() != 0;
    } else {
      return true;
    }
  }

  template <class A>
  A&& argument() noexcept {
    constexpr Role r = role<Class, A>();
    if constexpr (r == Role::module) {
      return static_cast<A&&>(state.object);
    } else if constexpr (r == Role::call) {
      return static_cast<A&&>(call);
    } else if constexpr (r == Role::input) {
      return static_cast<A&&>(input);
    } else if constexpr (r == Role::fibers) {
      return static_cast<A&&>(fibers);
    } else if constexpr (r == Role::later) {
      return static_cast<A&&>(later);
    } else {
      return static_cast<A&&>(request);
    }
  }

  template <auto fn, class... A>
  decltype(auto) invoke(Types<A...>) {
    if constexpr (S::is_member) {
      return std::invoke(fn, state.object, argument<A>()...);
    } else {
      return fn(argument<A>()...);
    }
  }

  State<Class>& state;
  using AnyCall = std::conditional_t<S::takes_call, typename S::CallType, Call>;
  std::conditional_t<S::waits, AnyCall, Unasked> call;
  std::conditional_t<S::takes_input, typename S::InputType, Unasked> input;
  std::conditional_t<S::answers_later, typename S::LaterType, Unasked> later;
  typename S::Request request;
  std::conditional_t<S::takes_fibers, Fibers, Unasked> fibers;  // last, so destroyed first: fibers refer to the others
};

/// Runs the handler and answers what it returns. `raw`: a handler without a result answers no bytes. Without `raw` it
/// answers null.
template <class Class, auto fn, bool raw>
bp_handled run(const bp_call* native) {
  using S = Shape<Class, fn>;
  auto& state = *static_cast<State<Class>*>(native->state);
  Frame<Class, S> frame(native, state);
  if constexpr (S::answers_later) {
    static_assert(!raw, "a raw handler cannot answer later: a Later<Bytes> would answer CBOR");
    try {
      frame.template invoke<fn>(typename S::Arguments{});
    } catch (...) {
      if (frame.give_up()) throw;
    }
    return BP_LATER;
  } else if constexpr (std::is_void_v<typename S::Return>) {
    frame.template invoke<fn>(typename S::Arguments{});
    reply_bytes(native->token, BP_OK, raw ? View() : View(null_item));
  } else if constexpr (raw) {
    const auto& out = frame.template invoke<fn>(typename S::Arguments{});
    reply_bytes(native->token, BP_OK, View(out));
  } else {
    const auto& out = frame.template invoke<fn>(typename S::Arguments{});
    reply_value(native->token, BP_OK, out);
  }
  return BP_DONE;
}

template <class Class, auto fn, bool raw>
bp_handled handle(const bp_call* native) noexcept {
  try {
    return run<Class, fn, raw>(native);
  } catch (...) {
    reply_exception(native->token);
    return BP_DONE;
  }
}

/// Runs a static handler, which has no instance.
template <class Class, auto fn>
bp_handled handle_static(const bp_call* native) noexcept {
  using S = Shape<Class, fn>;
  try {
    const auto request = read_request<typename S::Request>(view(native->payload));
    const auto answer = [&]() -> decltype(auto) {
      if constexpr (std::is_invocable_v<decltype(fn)>) {
        return fn();
      } else {
        return fn(request);
      }
    };
    if constexpr (std::is_void_v<typename S::Return>) {
      answer();
      reply_bytes(native->token, BP_OK, View(null_item));
    } else {
      reply_value(native->token, BP_OK, answer());
    }
  } catch (...) {
    reply_exception(native->token);
  }
  return BP_DONE;
}

template <class Class, auto fn, bool raw>
void offer(const bp_call* native) noexcept {
  handle<Class, fn, raw>(native);
}

}  // namespace backplane::detail
