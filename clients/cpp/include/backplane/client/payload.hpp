// SPDX-License-Identifier: Apache-2.0
//
// Payloads: how requests become bytes, and how answers become values. The only file of the client that calls the codec.
#pragma once

#include <cstring>
#include <new>
#include <span>

#include "error.hpp"

namespace backplane::client {

/// A payload that is not read as CBOR: as a request it is sent as it is, as an answer it is kept as it came. A View as
/// a request is sent in the same way.
struct Raw {
  Bytes bytes = {};
};

/// A request without parameters.
struct Empty {};

namespace detail {

// Names of the SDK that `client::detail` would hide.
using backplane::detail::Decoder;
using backplane::detail::Encoder;
using backplane::detail::Output;

inline View view(bp_bytes bytes) noexcept { return {bytes.data, bytes.size}; }
inline std::string_view view(bp_str text) noexcept { return {text.data, text.size}; }
inline bp_bytes bytes(View view) noexcept { return {view.data(), view.size()}; }
inline bp_str str(std::string_view text) noexcept { return {text.data(), text.size()}; }

/// What an Output needs of a host to grow in its buffers, which a submission hands over without a copy.
inline const bp_host_api buffers = [] {
  bp_host_api api{};
  api.struct_size = sizeof api;
  api.buffer_new = bp_buffer_new;
  api.buffer_free = bp_buffer_free;
  return api;
}();

template <class T>
inline constexpr bool is_raw = std::is_same_v<T, Raw> || std::is_same_v<T, View>;

/// Writes a request. Throws Error, std::bad_alloc.
template <class Request>
void write(Output& out, const Request& request) {
  if constexpr (std::is_same_v<Request, Raw>) {
    out.append(request.bytes.data(), request.bytes.size());
  } else if constexpr (std::is_same_v<Request, View>) {
    out.append(request.data(), request.size());
  } else if constexpr (std::is_same_v<Request, Empty>) {
    out.append("\xa0", 1);
  } else {
    Encoder encoder(out);
    Codec<Request>::encode(encoder, request);
  }
}

/// Lets `submission` refer to what was written. If it has a buffer then and bp_submit takes it, call out.taken().
inline void fill(bp_submission& submission, Output& out) noexcept {
  bp_answer filled{};
  out.fill(filled);
  submission.payload = filled.payload;
  submission.buffer = filled.buffer;
}

/// Reads what a host or module has answered, leniently. Throws DecodeError.
template <class T>
T read(View payload) {
  if constexpr (std::is_void_v<T>) {
    return;
  } else if constexpr (std::is_same_v<T, Raw>) {
    return Raw{Bytes(payload.begin(), payload.end())};
  } else {
    return decode<T>(payload, lenient);
  }
}

/// Reads what the application is asked for, strictly. An empty payload counts as an empty map, as in the SDK.
template <class T>
T read_request(View payload) {
  if constexpr (std::is_same_v<T, Raw>) {
    return read<Raw>(payload);
  } else {
    constexpr std::uint8_t empty_map[] = {cbor::empty_map};
    return decode<T>(payload.empty() ? View(empty_map) : payload);
  }
}

/// Makes a Failure of the exception that is being handled. `doing`: "the request cannot be sent". Call it only inside a
/// catch block.
inline Failure failure_of_exception(std::string_view name, std::string_view doing) noexcept {
  Failure failure;
  try {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      failure.status = BP_OUT_OF_MEMORY;
      failure.message = join(doing, ": out of memory");
    } catch (const DecodeError& e) {
      failure.status = BP_BAD_PAYLOAD;
      failure.message = join(doing, ": ", e.message());
    } catch (const Error& e) {
      failure.status = e.status() == BP_EXCEPTION ? static_cast<bp_status>(BP_BAD_PAYLOAD) : e.status();
      failure.message = join(doing, ": ", e.message());
    } catch (const std::exception& e) {
      failure.status = BP_EXCEPTION;
      failure.message = join(doing, ": ", e.what());
    } catch (...) {
      failure.status = BP_EXCEPTION;
      failure.message = join(doing, ": an object was thrown that is not a std::exception");
    }
    failure.name = name;
  } catch (...) {  // no memory for the text: the status says enough
  }
  return failure;
}

/// The Failure that an answer with an error is.
inline Failure failure_of_answer(std::string_view name, bp_status status, bp_str message, bp_bytes item) noexcept {
  Failure failure;
  failure.status = status;
  try {
    failure.message = message.size != 0 ? view(message) : std::string_view(bp_status_text(status));
    failure.detail.assign(view(item).begin(), view(item).end());
    failure.name = name;
  } catch (...) {
  }
  return failure;
}

inline Failure make_failure(bp_status status, std::string_view name, std::string message) noexcept {
  Failure failure;
  failure.status = status;
  failure.message = std::move(message);
  try {
    failure.name = name;
  } catch (...) {
  }
  return failure;
}

/// A copy; without memory, of the status alone.
inline Failure copy_of(const Failure& failure) noexcept {
  try {
    return failure;
  } catch (...) {
    Failure bare;
    bare.status = failure.status;
    return bare;
  }
}

/// The Result of a terminal answer. `name`: whose answer it is.
template <class Reply>
Result<Reply> result_of(std::string_view name, bp_status status, bp_bytes payload, bp_str message,
                        bp_bytes item) noexcept {
  if (status != BP_OK) [[unlikely]]
    return failure_of_answer(name, status, message, item);
  if constexpr (std::is_void_v<Reply>) {
    return std::monostate();
  } else {
    try {
      return read<Reply>(view(payload));
    } catch (...) {
      return failure_of_exception(name, "the answer has another form than expected");
    }
  }
}

template <class Reply>
Result<Reply> result_of(std::string_view name, const bp_answer& answer) noexcept {
  return result_of<Reply>(name, answer.status, answer.payload, answer.message, answer.detail);
}

/// A bp_result that frees itself.
struct NativeResult : bp_result {
  NativeResult() noexcept : bp_result{} { struct_size = sizeof(bp_result); }
  NativeResult(const NativeResult&) = delete;
  NativeResult& operator=(const NativeResult&) = delete;
  ~NativeResult() { bp_result_free(this); }

  Failure failure(std::string_view name) const noexcept {
    return failure_of_answer(name, this->status, this->message, this->detail);
  }
};

}  // namespace detail

template <class T>
T CallError::detail() const {
  return client::detail::read<T>(Error::detail());
}

template <class T>
template <class D>
std::optional<D> Result<T>::detail() const noexcept {
  if (ok() || detail().empty()) return std::nullopt;
  try {
    return client::detail::read<D>(detail());
  } catch (...) {
    return std::nullopt;
  }
}

}  // namespace backplane::client
