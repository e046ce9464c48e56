// SPDX-License-Identifier: Apache-2.0
//
// Answers a call. Only this file of the SDK calls host->reply. Partial answers that wait are in call.hpp.
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

/// Encodes `value` before it gives the answer to `send`, so that an exception leaves the call unanswered.
template <class T, class Send>
bp_status answer_value(bp_status status, const T& value, Send send) {
  Output out(host.api);
  Encoder encoder(out);
  Codec<T>::encode(encoder, value);
  bp_answer answer{};
  answer.struct_size = sizeof answer;
  answer.status = status;
  out.fill(answer);
  const bp_status taken = send(answer);
  if (taken == BP_OK && answer.buffer != nullptr) out.taken();
  return taken;
}

template <class T>
bp_status reply_value(bp_token token, bp_status status, const T& value) {
  return answer_value<T>(status, value, [token](const bp_answer& answer) { return host.api->reply(token, &answer); });
}

inline constexpr std::uint8_t null_item[] = {0xf6};

/// Answers the call with the exception that is being handled. Call it only inside a catch block.
inline void reply_exception(bp_token token) noexcept {
  try {
    throw;
  } catch (const Error& e) {
    reply_error(token, e.status(), repaired_or_none(e.message()), e.detail());
  } catch (const Canceled& e) {
    reply_error(token, e.status, e.status == BP_DEADLINE ? "the call's deadline has passed" : "the call was canceled");
  } catch (const std::exception& e) {
    reply_error(token, BP_EXCEPTION, repaired_or_none(e.what()));
  } catch (...) {
    reply_error(token, BP_EXCEPTION, "the handler threw an object that is not a std::exception");
  }
}

}  // namespace detail

/// The obligation to answer one call, for a handler that answers later. Such a handler takes a `Later<Reply>&&`, moves
/// it to where the answer will be known, and returns. The owner answers once, from any thread. A Later that is
/// destroyed without an answer answers BP_NO_REPLY. `Later<void>` answers null.
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

  /// Answers. Returns false if the call has ended already: it was canceled or ran out of time. If the value cannot be
  /// encoded, the answer is that error.
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

  /// Answers an error. Returns false as reply() does.
  bool fail(const Error& error) {
    const bp_token token = std::exchange(token_, 0);
    return token != 0 && detail::reply_error(token, error.status(), detail::repaired_or_none(error.message()),
                                             error.detail()) == BP_OK;
  }
  bool fail(bp_status status, std::string message) { return fail(Error(status, std::move(message))); }

  /// Gives up the obligation: the new owner of the token must answer.
  bp_token release() noexcept { return std::exchange(token_, 0); }

  /// Whether the call still waits for an answer from here.
  explicit operator bool() const noexcept { return token_ != 0; }

 private:
  bp_token token_;
};

}  // namespace backplane
