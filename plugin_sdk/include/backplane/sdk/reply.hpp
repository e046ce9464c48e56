// SPDX-License-Identifier: Apache-2.0
//
// Answers: the one place of the SDK that calls host->reply.
#pragma once

#include "cbor.hpp"
#include "host.hpp"

namespace backplane {
namespace detail {

inline bp_status reply_error(bp_token token, bp_status status, std::string_view message, View detail = {}) noexcept {
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.message = str(message);
  answer.detail = bytes(detail);
  return host.api->reply(token, &answer);
}

inline bp_status reply_bytes(bp_token token, bp_status status, View payload) noexcept {
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  answer.payload = bytes(payload);
  return host.api->reply(token, &answer);
}

/// Encodes first, so that an exception leaves the call unanswered.
template <class T>
bp_status reply_value(bp_token token, bp_status status, const T& value) {
  Output out(host.api);
  Encoder encoder(out);
  Codec<T>::encode(encoder, value);
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  out.fill(answer);
  const bp_status taken = host.api->reply(token, &answer);
  if (taken == BP_OK && answer.buffer != nullptr) out.taken();
  return taken;
}

inline constexpr std::uint8_t null_item[] = {0xf6};

/// Turns the exception in flight into the call's terminal error. Only inside a catch.
inline void reply_exception(bp_token token) noexcept {
  try {
    throw;
  } catch (const Error& e) {
    reply_error(token, e.status(), repaired(e.message()), e.detail());
  } catch (const Canceled& e) {
    reply_error(token, e.status, e.status == BP_DEADLINE ? "the call's deadline has passed" : "the call was canceled");
  } catch (const std::exception& e) {
    reply_error(token, BP_EXCEPTION, repaired(e.what()));
  } catch (...) {
    reply_error(token, BP_EXCEPTION, "the handler threw something that is no std::exception");
  }
}

}  // namespace detail

/// The duty to answer one call, for a handler that answers later: it takes a `Later<Reply>&&`, moves it
/// to where the answer will be known, and returns. Whoever holds it answers once, from any thread. One
/// that is dropped unanswered answers BP_NO_REPLY. `Later<void>` answers null.
template <class Reply>
class Later {
 public:
  explicit Later(bp_token token) : token_(token) {}
  Later(Later&& other) noexcept : token_(std::exchange(other.token_, 0)) {}
  Later& operator=(Later&& other) noexcept {
    std::swap(token_, other.token_);
    return *this;
  }
  ~Later() {
    if (token_ != 0) detail::reply_error(token_, BP_NO_REPLY, "the handler dropped the call without an answer");
  }

  /// Answers. False if the call had ended already, canceled or out of time. If the value cannot be
  /// encoded, that is the answer.
  template <class T = Reply>
  bool reply(const T& value) {
    const bp_token token = std::exchange(token_, 0);
    if (token == 0) return false;
    try {
      return detail::reply_value<Reply>(token, BP_OK, value) == BP_OK;
    } catch (...) {
      detail::reply_exception(token);
      return false;
    }
  }
  bool reply() requires std::is_void_v<Reply> {
    const bp_token token = std::exchange(token_, 0);
    return token != 0 && detail::reply_bytes(token, BP_OK, detail::null_item) == BP_OK;
  }

  /// Answers an error. False as with reply().
  bool fail(const Error& error) {
    const bp_token token = std::exchange(token_, 0);
    return token != 0 &&
           detail::reply_error(token, error.status(), detail::repaired(error.message()), error.detail()) == BP_OK;
  }
  bool fail(bp_status status, std::string message) { return fail(Error(status, std::move(message))); }

  /// Hands the duty over to whoever takes the token.
  bp_token release() noexcept { return std::exchange(token_, 0); }

  /// Whether it has still to be answered here.
  explicit operator bool() const noexcept { return token_ != 0; }

 private:
  bp_token token_;
};

}  // namespace backplane
