// SPDX-License-Identifier: Apache-2.0
//
// How a call ended: a Result, a Failure, or the exception CallError.
#pragma once

#include <backplane/backplane.h>

#include <backplane/sdk/cbor.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace backplane::client {

/// Why a call or another function did not succeed.
struct Failure {
  bp_status status = BP_ERROR;
  std::string message = {};  ///< for people: what was found, what was expected, what to do
  Bytes detail = {};         ///< for programs: one CBOR item, or empty
  std::string name = {};     ///< what failed: a wire name, an event, a path; may be empty
};

/// A Failure as an exception. what() has the name, the status and the message.
class CallError : public Error {
 public:
  explicit CallError(Failure failure) : Error(failure.status, std::move(failure.message)) {
    set_detail(failure.detail);
    name_ = std::move(failure.name);
    what_ = name_.empty() ? join(bp_status_name(status()), ": ", message())
                          : join(name_, ": ", bp_status_name(status()), ": ", message());
  }

  using Error::detail;
  /// Reads the detail as a T. Throws DecodeError if there is none, or if it has another form.
  template <class T>
  T detail() const;

  /// What failed: a wire name, an event, a path; may be empty.
  const std::string& name() const noexcept { return name_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string name_, what_;
};

/// The value of a call, or its Failure. `Result<void>` has no value.
template <class T>
class [[nodiscard]] Result {
 public:
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  Result(Value value) : state_(std::in_place_index<0>, std::move(value)) {}                 // NOLINT: implicit
  Result(Failure failure) noexcept : state_(std::in_place_index<1>, std::move(failure)) {}  // NOLINT: implicit

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  /// BP_OK, or the status of the failure.
  bp_status status() const noexcept { return ok() ? static_cast<bp_status>(BP_OK) : std::get_if<1>(&state_)->status; }
  /// The message of the failure; empty if there is none.
  std::string_view message() const noexcept { return ok() ? std::string_view() : std::get_if<1>(&state_)->message; }
  /// The detail of the failure, encoded; empty if there is none.
  View detail() const noexcept { return ok() ? View() : View(std::get_if<1>(&state_)->detail); }
  /// The detail of the failure as a D; nullopt if there is none, or if it has another form.
  template <class D>
  std::optional<D> detail() const noexcept;
  /// The failure. Only if !ok().
  const Failure& failure() const& { return std::get<1>(state_); }
  Failure&& failure() && { return std::get<1>(std::move(state_)); }

  /// The value. Throws CallError if there is none.
  decltype(auto) value() & { return checked(*this); }
  decltype(auto) value() const& { return checked(*this); }
  T value() && {
    if (!ok()) throw CallError(std::move(*std::get_if<1>(&state_)));
    if constexpr (!std::is_void_v<T>) return std::move(*std::get_if<0>(&state_));
  }
  decltype(auto) operator*() & { return value(); }
  decltype(auto) operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  Value* operator->() { return &value(); }
  const Value* operator->() const { return &value(); }
  Value value_or(Value other) const& { return ok() ? *std::get_if<0>(&state_) : std::move(other); }
  Value value_or(Value other) && { return ok() ? std::move(*std::get_if<0>(&state_)) : std::move(other); }

 private:
  template <class Self>
  static auto& checked(Self& self) {
    if (!self.ok()) throw CallError(*std::get_if<1>(&self.state_));
    return *std::get_if<0>(&self.state_);
  }

  std::variant<Value, Failure> state_;
};

}  // namespace backplane::client
