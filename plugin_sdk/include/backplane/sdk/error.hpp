// SPDX-License-Identifier: Apache-2.0
//
// The exceptions of the SDK: Error, DecodeError and Canceled.
#pragma once

#include <backplane/base.h>

#include <backplane/cbor/writer.hpp>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "text.hpp"

namespace backplane {

using Bytes = cbor::Bytes;
using View = cbor::View;

/// The name of a status: "bad_payload" for BP_BAD_PAYLOAD. Values from BP_STATUS_MODULE_FIRST on are "module".
constexpr std::string_view status_name(bp_status status) noexcept {
  switch (status) {
#define BACKPLANE_STATUS_CASE(name, value, text) \
  case value:                                    \
    return #name;
    BP_STATUS_LIST(BACKPLANE_STATUS_CASE)
#undef BACKPLANE_STATUS_CASE
    default:
      return status >= BP_STATUS_MODULE_FIRST ? "module" : "unknown";
  }
}

/// An error answer. If a handler throws it, it becomes the handler's reply. If an await throws it, the other side has
/// answered it. A module's own statuses begin at BP_STATUS_MODULE_FIRST.
class Error : public std::exception {
 public:
  /// `message` is for people: what was found, what was expected, what to do. If the status is no error (BP_OK,
  /// BP_MISSING_CALLBACK, BP_STALE, BP_PARTIAL), it becomes BP_ERROR.
  Error(bp_status status, std::string message)
      : status_(status <= BP_PARTIAL && status >= BP_OK ? BP_ERROR : status), message_(std::move(message)) {}

  /// `detail` is for programs. It is a value of any wire type.
  template <class T>
  Error(bp_status status, std::string message, const T& detail);

  bp_status status() const noexcept { return status_; }
  const std::string& message() const noexcept { return message_; }
  /// The detail as one CBOR item; empty if there is none.
  View detail() const noexcept { return detail_; }
  /// The detail as a T; members that T does not have are ignored. Throws DecodeError if there is none, or it does not
  /// fit.
  template <class T>
  T detail_as() const;
  void set_detail(View item) { detail_.assign(item.begin(), item.end()); }

  const char* what() const noexcept override { return message_.c_str(); }

 private:
  bp_status status_;
  std::string message_;
  Bytes detail_;
};

/// CBOR that does not fit the type that it is read into. The status is BP_BAD_PAYLOAD; the message has the path of the
/// field.
struct DecodeError : Error {
  explicit DecodeError(std::string message) : Error(BP_BAD_PAYLOAD, std::move(message)) {}
};

/// Thrown by an await if the request was canceled or its deadline has passed. It does not derive from std::exception,
/// so `catch (const std::exception&)` lets it pass. Clean up, and do not stop it.
struct Canceled {
  bp_status status;  ///< BP_CANCELED or BP_DEADLINE
};

}  // namespace backplane
