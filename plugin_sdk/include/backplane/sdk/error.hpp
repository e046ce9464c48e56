// SPDX-License-Identifier: Apache-2.0
//
// What handlers throw, and what is thrown at them.
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

/// "bad_payload" for BP_BAD_PAYLOAD; "module" from BP_STATUS_MODULE_FIRST on.
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

/// An error answer. Thrown by a handler, it becomes its reply; thrown by an await, it is what the other
/// side answered. Statuses of a module's own begin at BP_STATUS_MODULE_FIRST.
class Error : public std::exception {
 public:
  /// `message` is for people: what was found, what was expected, what to do. A status that is no error
  /// (BP_OK, BP_MISSING_CALLBACK, BP_STALE, BP_PARTIAL) becomes BP_ERROR.
  Error(bp_status status, std::string message)
      : status_(status <= BP_PARTIAL && status >= BP_OK ? BP_ERROR : status), message_(std::move(message)) {}

  /// `detail` is for programs: a value of any wire type.
  template <class T>
  Error(bp_status status, std::string message, const T& detail);

  bp_status status() const noexcept { return status_; }
  const std::string& message() const noexcept { return message_; }
  /// One CBOR item, or empty.
  View detail() const noexcept { return detail_; }
  void set_detail(View item) { detail_.assign(item.begin(), item.end()); }

  const char* what() const noexcept override { return message_.c_str(); }

 private:
  bp_status status_;
  std::string message_;
  Bytes detail_;
};

/// CBOR that does not fit the type it is read into: BP_BAD_PAYLOAD, with the path of the field.
struct DecodeError : Error {
  explicit DecodeError(std::string message) : Error(BP_BAD_PAYLOAD, std::move(message)) {}
};

/// Thrown by an await in a handler whose request was canceled or ran out of time. Not derived from
/// std::exception, so that a handler's catch of those lets it pass: clean up, and let it go.
struct Canceled {
  bp_status status;  ///< BP_CANCELED or BP_DEADLINE
};

}  // namespace backplane
